"""`stepiq serve`: one process, or several that share the port."""

from stepiq.cli.output.console import UsageError, stdout_is_terminal
from stepiq.cli.output.server import to_people_at_once
from stepiq.core.observability import log_output
from stepiq.core.settings.model import Settings


def serve(configured: Settings, *, has_worker: bool) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    _check_store(configured, has_worker=has_worker)
    child = None
    if configured.processes > 1:
        from stepiq.server import parent

        child = parent.divide(configured, configured.processes)
        log_output.configure(configured.log_format, process=child.number)
    # Not imported by the parent, so that it stays small.
    from stepiq.server import serving

    serving.serve(
        configured,
        to_people_at_once(),
        shows_secrets=stdout_is_terminal(),
        has_worker=has_worker,
        child=child,
    )


def _check_store(configured: Settings, *, has_worker: bool) -> None:
    if configured.sqlite_path is None or (has_worker and configured.processes == 1):
        return
    option = f"--processes {configured.processes}" if has_worker else "--no-worker"
    raise UsageError(
        f"{option} needs PostgreSQL, because only one process can use the SQLite file {configured.sqlite_path}."
        f" Remove {option}, or set STEPIQ_DATABASE_URL to postgresql://…"
    )
