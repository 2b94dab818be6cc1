"""Velocity and other terms of motion from a displacement series."""
