"""One module per step type: what it prepares before an attempt is recorded, and the attempt itself."""
