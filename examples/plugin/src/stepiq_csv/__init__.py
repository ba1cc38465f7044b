"""The step type `csv`: reads CSV text."""
