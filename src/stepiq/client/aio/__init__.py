"""The client for programs with an event loop. `stepiq.client.sync` is generated from this package."""
