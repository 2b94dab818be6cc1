"""Noise and motion that can be predicted, removed from series and velocities."""
