"""Tasks of one process that share it fairly: pools, turns and pauses."""
