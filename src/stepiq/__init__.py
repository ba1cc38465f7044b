"""stepIQ: define AI pipelines in YAML or JSON, run them durably, watch them live."""

__version__ = "0.1.0"
