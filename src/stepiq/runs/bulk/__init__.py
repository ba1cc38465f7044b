"""Jobs that cancel or retry many runs."""
