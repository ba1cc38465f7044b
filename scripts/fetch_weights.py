"""Fetch the weights of the local model if they are not on this machine. The suite uses the real model.

Usage: python scripts/fetch_weights.py
"""

import sys

from stepiq.core import settings
from stepiq.core.errors import StepIQError
from stepiq.providers.local_weights import ensure_local_weights

try:
    ensure_local_weights(settings.load().cache_path, print)
except StepIQError as error:
    sys.exit(error.message)
