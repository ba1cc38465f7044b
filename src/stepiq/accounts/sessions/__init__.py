"""Sessions of people: renewed, listed and ended."""
