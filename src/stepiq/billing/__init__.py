"""Plans: what a workspace may do, and how much of it."""
