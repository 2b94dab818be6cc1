"""Corrections of a displacement series: noise that can be predicted, and is taken away."""
