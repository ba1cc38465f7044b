"""Settings: what they are, where they are read from, and errors in them."""
