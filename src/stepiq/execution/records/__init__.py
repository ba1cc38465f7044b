"""A run in memory and as rows: steps, operations, events and reviews."""
