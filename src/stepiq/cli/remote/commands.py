"""The commands that call a server, implemented in the other modules of this package.

Each command imports its code when it runs, so that all commands start quickly.
"""

from pathlib import Path
from typing import Annotated

import typer

from stepiq.cli.output.console import ExitCode
from stepiq.cli.remote.calling import call
from stepiq.cli.remote.failures import HELP_PANEL, remote_commands
from stepiq.store.states import PipelineStatus

app = remote_commands()
"""Commands without a group, which `stepiq` has itself."""
runs = remote_commands("List, show, follow, cancel and retry runs on a server.")
reviews = remote_commands("List and decide the reviews that runs on a server wait for.")
secrets = remote_commands("List, store and delete secrets on a server. No command shows a value.")
pipelines = remote_commands("List the pipelines of a server.")
app.add_typer(pipelines, name="pipelines", rich_help_panel=HELP_PANEL)
app.add_typer(runs, name="runs", rich_help_panel=HELP_PANEL)
app.add_typer(reviews, name="reviews", rich_help_panel=HELP_PANEL)
app.add_typer(secrets, name="secrets", rich_help_panel=HELP_PANEL)

Folder = Annotated[
    Path,
    typer.Argument(metavar="DIR", help="Folder with the files of pipelines.", show_default=False),
]
Source = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="TEXT",
        help="Mark the pipelines as coming from here. Default: repository and path of the folder.",
    ),
]
Slug = Annotated[
    str, typer.Argument(metavar="PIPELINE", help="Slug or id of the pipeline.", show_default=False)
]
PipelineOption = Annotated[
    str | None, typer.Option("--pipeline", metavar="PIPELINE", help="Slug or id of a pipeline.")
]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.", show_default=False)]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        "-i",
        metavar="NAME=VALUE",
        help="Set a field of the input: NAME=TEXT, NAME=@FILE or NAME:=JSON. Can be repeated.",
    ),
]
InputFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="JSON file with the input. Use - to read standard input."),
]
Follow = Annotated[
    bool,
    typer.Option(
        "--follow", "-f", help="Show the run live until it ends. Exit code 1 if it fails."
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        min=0,
        help="Follow the run for at most this time, then end with exit code 3. The run continues.",
    ),
]
StepArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="STEP",
        help="Id of the step. Not needed if the run waits for one review.",
        show_default=False,
    ),
]
Iteration = Annotated[
    int | None, typer.Option(metavar="N", help="Iteration of the step. Default: the last one.")
]
Comment = Annotated[
    str | None, typer.Option(metavar="TEXT", help="A comment for readers of the run.")
]
Output = Annotated[
    str | None,
    typer.Option(
        metavar="JSON", help="Replace the data, if the review is editable, such as '\"new text\"'."
    ),
]
Limit = Annotated[int, typer.Option(metavar="N", help="The most entries to list.", min=1)]


@app.command()
def apply(
    folder: Folder,
    prune: Annotated[
        bool,
        typer.Option("--prune", help="Archive pipelines of the same source that have no file."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan, and change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    source: Source = None,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Also change pipelines that another source manages.")
    ] = False,
) -> None:
    """Make the pipelines, schedules and tags of a server like the files of a folder. Shows the plan first."""
    from stepiq.cli.remote.deployment import commands as folder_commands

    request = folder_commands.ApplyRequest(folder, source, prune, dry_run, yes, take_over)
    call(lambda client: folder_commands.apply(client, request))


@app.command()
def diff(
    folder: Folder,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with code 1 if there are differences.")
    ] = False,
    source: Source = None,
) -> None:
    """Show what `stepiq apply` would change on a server, as a unified diff."""
    from stepiq.cli.remote.deployment import commands as folder_commands

    differs = call(lambda client: folder_commands.diff(client, folder, source))
    if differs and exit_code:
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def pull(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="Folder to write. Created if needed.", show_default=False
        ),
    ],
    slugs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PIPELINE", help="Slugs. Default: all pipelines.", show_default=False
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Overwrite changed files without a question.")
    ] = False,
) -> None:
    """Write the pipelines of a server into files, with their tags and schedules."""
    from stepiq.cli.remote.deployment import pull as pulling

    request = pulling.PullRequest(folder, slugs or (), yes)
    call(lambda client: pulling.pull(client, request))


@app.command()
def trigger(
    pipeline: Slug,
    inputs: Inputs = None,
    input_file: InputFile = None,
    version: Annotated[
        int | None,
        typer.Option(metavar="N", help="Version to run. Default: the newest one.", min=1),
    ] = None,
    idempotency_key: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="With the same text again, no second run starts."),
    ] = None,
    follow: Follow = False,
    timeout: Timeout = None,
) -> None:
    """Start a run of a pipeline on a server. Prints the id of the run, or with --follow its output."""
    from stepiq.cli.remote import triggering

    request = triggering.TriggerRequest(
        pipeline, inputs or (), input_file, version, idempotency_key, follow, timeout
    )
    run = call(lambda client: triggering.trigger(client, request))
    triggering.show_end(run)


@pipelines.command("list")
def list_pipelines(
    text: Annotated[
        str | None,
        typer.Argument(metavar="TEXT", help="A part of the name or slug.", show_default=False),
    ] = None,
    status: Annotated[
        PipelineStatus | None,
        typer.Option(help="Only pipelines with this status. Default: all but archived ones."),
    ] = None,
    tag: Annotated[str | None, typer.Option(help="Only pipelines with this tag.")] = None,
) -> None:
    """List pipelines, newest first."""
    from stepiq.cli.remote import triggering

    wanted = None if status is None else status.value
    call(lambda client: triggering.show_pipelines(client, text, status=wanted, tag=tag))


@runs.command("list")
def list_runs(
    pipeline: PipelineOption = None,
    status: Annotated[
        list[str] | None,
        typer.Option(help="Only runs with this status, such as `failed`. Can be repeated."),
    ] = None,
    tag: Annotated[str | None, typer.Option(help="Only runs of pipelines with this tag.")] = None,
    error_code: Annotated[
        str | None, typer.Option(help="Only runs that failed with this code.")
    ] = None,
    with_failures: Annotated[
        bool,
        typer.Option(
            "--with-failures", help="Only completed runs in which steps or branches failed."
        ),
    ] = False,
    limit: Limit = 20,
) -> None:
    """List runs, newest first."""
    from stepiq.cli.remote import runs as command

    wanted = command.WantedRuns(pipeline, status or (), tag, error_code, with_failures, limit)
    call(lambda client: command.show_list(client, wanted))


@runs.command("show")
def show_run(run: RunId) -> None:
    """Show a run with its steps and its output."""
    from stepiq.cli.remote import runs as command

    call(lambda client: command.show(client, run))


@runs.command("logs")
def show_log(run: RunId, follow: Follow = False, timeout: Timeout = None) -> None:
    """Print the events of a run. With -f, also those that follow, and the output at the end."""
    from stepiq.cli.remote import runs as command
    from stepiq.cli.remote import triggering

    ended = call(lambda client: command.show_log(client, run, is_followed=follow, seconds=timeout))
    triggering.show_end(ended)


@runs.command("cancel")
def cancel_run(run: RunId) -> None:
    """Stop a run and abort its calls."""
    from stepiq.cli.remote import runs as command

    call(lambda client: command.cancel(client, run))


@runs.command("retry")
def retry_run(
    run: RunId,
    start: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="STEP",
            help="Where to start: start, failed, or the id of a step. Default: start.",
        ),
    ] = "start",
    latest: Annotated[
        bool, typer.Option("--latest", help="Use the newest version of the pipeline.")
    ] = False,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            "-i",
            metavar="NAME=VALUE",
            help="Change a field of the run's input: NAME=TEXT, NAME=@FILE or NAME:=JSON. Can be repeated.",
        ),
    ] = None,
    input_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="JSON file with the input, instead of the run's. Use - to read standard input.",
        ),
    ] = None,
    follow: Follow = False,
    timeout: Timeout = None,
) -> None:
    """Repeat a run that has ended, as a new run."""
    from stepiq.cli.remote import runs as command
    from stepiq.cli.remote import triggering

    options = command.RetryChoice(start, latest, inputs or (), input_file, follow, timeout)
    ended = call(lambda client: command.retry(client, run, options))
    triggering.show_end(ended)


@reviews.command("list")
def list_reviews(limit: Limit = 20) -> None:
    """List open reviews, newest first."""
    from stepiq.cli.remote import reviews as command

    call(lambda client: command.show_list(client, limit=limit))


@reviews.command("show")
def show_review(run: RunId, step: StepArgument = None, iteration: Iteration = None) -> None:
    """Show a review with the data to review."""
    from stepiq.cli.remote import reviews as command

    choice = command.ReviewChoice(run, step, iteration)
    call(lambda client: command.show(client, choice))


@reviews.command("approve")
def approve_review(
    run: RunId,
    step: StepArgument = None,
    iteration: Iteration = None,
    comment: Comment = None,
    output: Output = None,
) -> None:
    """Approve a review. The run then continues."""
    _decide("approve", (run, step, iteration), comment, output)


@reviews.command("reject")
def reject_review(
    run: RunId, step: StepArgument = None, iteration: Iteration = None, comment: Comment = None
) -> None:
    """Reject a review. The pipeline decides how the run continues."""
    _decide("reject", (run, step, iteration), comment)


@secrets.command("list")
def list_secrets(pipeline: PipelineOption = None) -> None:
    """List the names of secrets of the workspace, or of one pipeline."""
    from stepiq.cli.remote import stored_secrets

    call(lambda client: stored_secrets.show_list(client, pipeline))


@secrets.command("set")
def set_secret(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the secret.", show_default=False)
    ],
    pipeline: PipelineOption = None,
    hosts: Annotated[
        list[str] | None,
        typer.Option(
            "--host",
            metavar="HOST",
            help="Send the value only to this host. Can be repeated. Default: as before, or all hosts.",
        ),
    ] = None,
) -> None:
    """Store a secret, or replace its value. Reads the value from standard input."""
    from stepiq.cli.remote import stored_secrets

    value = stored_secrets.read_value(name)
    call(
        lambda client: stored_secrets.store(
            client, name, value, pipeline=pipeline, hosts=hosts or ()
        )
    )


@secrets.command("delete")
def delete_secret(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the secret.", show_default=False)
    ],
    pipeline: PipelineOption = None,
) -> None:
    """Delete a secret. Runs that use it then fail."""
    from stepiq.cli.remote import stored_secrets

    call(lambda client: stored_secrets.delete(client, name, pipeline=pipeline))


def _decide(
    decision: str,
    choice: tuple[str, str | None, int | None],
    comment: str | None,
    output: str | None = None,
) -> None:
    from stepiq.cli.remote import reviews as command

    review = command.ReviewChoice(*choice)
    call(lambda client: command.decide(client, review, decision, comment=comment, output=output))
