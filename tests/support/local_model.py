"""The cache of the local model, for tests that use the real model."""

import pytest

from stepiq.core.settings import model as settings
from stepiq.providers.local.weights import weights_present

CACHE = settings.load().cache_path
"""Where `make test-slow` stores the weights before the suite starts."""

needs_local_model = pytest.mark.skipif(
    not weights_present(CACHE),
    reason=f"The weights of the local model are not in {CACHE}. `make test-slow` fetches them.",
)
