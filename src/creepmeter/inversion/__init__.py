"""Displacement per date from displacement per pair: the core that both paths share."""
