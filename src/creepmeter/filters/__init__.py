"""Filters in space and time, and sums and differences, of maps and series."""
