"""Readers of measurements that other programs made, one module per producer."""
