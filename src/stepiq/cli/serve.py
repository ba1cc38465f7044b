"""`stepiq serve`: one process, or several that share the port."""

from stepiq.cli.output.console import UsageError, stdout_is_terminal
from stepiq.cli.output.server import to_people_at_once
from stepiq.core.concurrency.tasks import processor_count
from stepiq.core.observability import log_output
from stepiq.core.settings.model import Settings

_MOST_PROCESSES = 4
"""Default maximum. Each process needs memory and connections of the database."""


def serve(configured: Settings, *, has_worker: bool) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    count = _processes(configured, has_worker=has_worker)
    child = None
    if count > 1:
        from stepiq.server import parent

        child = parent.divide(configured, count)
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


def _processes(configured: Settings, *, has_worker: bool) -> int:
    wanted = configured.processes
    if configured.sqlite_path is None:
        return wanted or min(_MOST_PROCESSES, processor_count())
    advice = "set STEPIQ_DATABASE_URL to postgresql://…"
    if not has_worker:
        raise UsageError(
            f"--no-worker needs PostgreSQL, because only one process can use the SQLite file {configured.sqlite_path}."
            f" Remove --no-worker, or {advice}"
        )
    if wanted is not None and wanted > 1:
        raise UsageError(
            f"--processes {wanted} needs PostgreSQL, because only one process can use the SQLite file {configured.sqlite_path}."
            f" Use one process, or {advice}"
        )
    return 1
