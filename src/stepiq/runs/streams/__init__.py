"""Live events of a run and of lists, for listeners over HTTP."""
