"""From a configuration to a run folder: the steps, in order, resumable."""
