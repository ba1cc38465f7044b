"""Fetch the weights of the local model if they are not on this machine. The suite uses the real model.

Usage: python scripts/fetch_weights.py
"""

import sys

from stepiq.core.errors import StepIQError
from stepiq.core.settings import model as settings
from stepiq.providers.local.weights import ensure_local_weights

try:
    ensure_local_weights(settings.load().cache_path, print)
except StepIQError as error:
    sys.exit(error.message)
