"""What is in a definition: requests with one, checks, rendering and comparison."""
