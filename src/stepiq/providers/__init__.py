"""Language models: catalogue, prices and the protocols of the providers."""
