"""Simulated interferograms in the layouts of processors: one module each."""
