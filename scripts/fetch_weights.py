"""Fetch the local model's weights into the data folder, if they are not there: the suite asks the real model, too.

Usage: python scripts/fetch_weights.py
"""

import sys

from stepiq.core import settings
from stepiq.core.errors import StepIQError
from stepiq.engine.providers.local_weights import ensure_local_weights

try:
    ensure_local_weights(settings.load().data_dir, print)
except StepIQError as error:
    sys.exit(error.message)
