"""Durable execution: admission, the executor that runs pipelines, and the journal that records their progress."""
