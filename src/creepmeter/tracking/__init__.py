"""Pixel offsets between two images: prefilter, search, refinement, removal of outliers."""
