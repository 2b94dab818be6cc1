"""Files in MintPy's HDF5 layout: stacks, series, velocities, maps; read, written, edited."""
