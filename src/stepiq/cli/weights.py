"""The local model's weights, fetched before they are needed so that the wait has a reason that people see."""

from stepiq.cli.console import say
from stepiq.core import keys
from stepiq.core.settings import Settings
from stepiq.engine.providers.local_weights import ensure_local_weights, weights_present


def fetch_weights(settings: Settings) -> None:
    """Fetch them if they are not in the data folder.

    Raises:
        LocalModelUnavailable: they cannot be fetched.
        KeyUnusable: the data folder cannot be made.
    """
    folder = keys.prepare_data_dir(settings)
    if not weights_present(folder):
        ensure_local_weights(folder, say)
