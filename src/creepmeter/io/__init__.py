"""Files: product stores, rasters, vectors, provenance, locks. The only room that calls a file driver."""
