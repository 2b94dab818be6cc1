"""Results beside what was measured on the ground."""
