"""The `stepiq` command. Each command imports what it runs when it runs, so that all of them start quickly."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from stepiq import __version__
from stepiq.cli.console import ExitCode, UsageError, complain, explain, report_fault
from stepiq.core.errors import StepIQError
from stepiq.store.states import ReviewDecision

app = typer.Typer(
    name="stepiq",
    help="Define AI pipelines in YAML, run them durably, watch them live.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
users = typer.Typer(help="Accounts of this server.", no_args_is_help=True)
keys = typer.Typer(help="The master key of stored secrets.", no_args_is_help=True)
dev = typer.Typer(help="Tools for those who develop pipelines or stepIQ.", no_args_is_help=True)
app.add_typer(users, name="users")
app.add_typer(keys, name="keys")
app.add_typer(dev, name="dev")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
PipelineFile = Annotated[
    Path,
    typer.Argument(
        help="YAML or JSON file of the pipeline; - reads standard input.", show_default=False
    ),
]
Secrets = Annotated[
    list[str] | None,
    typer.Option(
        "--secret",
        "-s",
        metavar="NAME",
        help="A secret: its value is the environment variable of that name. May be repeated.",
    ),
]


def main() -> None:
    """Run the command line and end the process: 0 worked, 1 failed, 2 used wrongly, 70 a fault of ours."""
    try:
        app()
    except UsageError as error:
        complain(error.message)
        sys.exit(ExitCode.USAGE)
    except StepIQError as error:
        explain(error)
        sys.exit(ExitCode.FAILED)
    except Exception as error:
        report_fault(error)
        sys.exit(ExitCode.FAULT)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stepiq {__version__}")
        raise typer.Exit


def _end(worked: bool) -> None:
    if not worked:
        raise typer.Exit(ExitCode.FAILED)


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    pass


@app.command()
def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on. Default: STEPIQ_HOST or 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port to listen on, 0 for a free one. Default: STEPIQ_PORT or 8080."),
    ] = None,
    has_worker: Annotated[
        bool,
        typer.Option(
            "--worker/--no-worker",
            help="Whether this process also carries runs. Without a worker, `stepiq worker` elsewhere must (PostgreSQL only).",
        ),
    ] = True,
) -> None:
    """Start the server: API and worker in one process. Brings the database up to date first."""
    from stepiq.cli.server_output import configured_log, to_people_at_once
    from stepiq.core import settings

    given = {"host": host, "port": port}
    overrides = {name: value for name, value in given.items() if value is not None}
    with configured_log():
        from stepiq.server import process

        configured = settings.load({"host": "--host", "port": "--port"}, **overrides)
        if not has_worker and configured.sqlite_path is not None:
            raise UsageError(
                f"An API without a worker needs PostgreSQL: the SQLite file {configured.sqlite_path} belongs to one process."
                " Leave --no-worker out, or set STEPIQ_DATABASE_URL to postgresql://…"
            )
        process.serve(
            configured,
            to_people_at_once(),
            shows_secrets=sys.stdout.isatty(),
            has_worker=has_worker,
        )


@app.command()
def worker(
    port: Annotated[
        int | None,
        typer.Option(
            help="Port to answer /health, /ready and /metrics on. Default: STEPIQ_WORKER_PORT, or none."
        ),
    ] = None,
) -> None:
    """Carry runs without an API (PostgreSQL only); there may be any number of workers."""
    from stepiq.cli.server_output import configured_log
    from stepiq.core import settings

    overrides = {} if port is None else {"worker_port": port}
    with configured_log():
        from stepiq.cli import worker as command

        command.work(settings.load({"worker_port": "--port"}, **overrides))


@app.command("setup-token")
def setup_token() -> None:
    """Show the token that registers the administrator of a server without accounts."""
    from stepiq.cli import accounts

    accounts.show_setup_token()


@app.command()
def migrate() -> None:
    """Bring the database up to this version; `serve` does that by itself."""
    from stepiq.cli import database

    database.migrate()


@app.command()
def backup(
    file: Annotated[
        Path, typer.Argument(help="File to make, which is not there yet.", show_default=False)
    ],
    with_keys: Annotated[
        bool,
        typer.Option("--with-keys", help="Also the server's keys, which open every stored secret."),
    ] = False,
) -> None:
    """Copy the database, as it is at one moment, into one file. The server may run."""
    from stepiq.cli.backups import commands

    commands.backup(file, with_keys=with_keys)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What `backup` made.", show_default=False)],
    force: Annotated[
        bool, typer.Option("--force", help="Even if there is a database: it is replaced.")
    ] = False,
) -> None:
    """Bring a backup back, all of it or nothing. The server must be stopped."""
    from stepiq.cli.backups import commands

    commands.restore(file, force=force)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check what is configured, reachable and usable here, and say what to do about the rest."""
    from stepiq.cli import doctor as command

    _end(command.run(as_json=as_json))


@app.command()
def demo(
    port: Annotated[
        int, typer.Option(help="Port of the demo's server; 0 takes a free one.", min=0, max=65535)
    ] = 0,
) -> None:
    """Start a server, load the example pipelines, run one through the HTTP API and show it live."""
    from stepiq.cli import demo as command

    _end(command.run(port))


@app.command()
def init(
    file: Annotated[
        Path, typer.Argument(help="YAML file to write. Default: pipeline.yaml.", show_default=False)
    ] = Path("pipeline.yaml"),
    force: Annotated[
        bool, typer.Option("--force", help="Even if there is such a file: it is replaced.")
    ] = False,
) -> None:
    """Write a first pipeline that runs at once, tests of it, and what editors need to complete and check it."""
    from stepiq.cli import first_pipeline

    first_pipeline.write(file, force=force)


@app.command()
def run(
    file: PipelineFile,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            "-i",
            metavar="NAME=VALUE",
            help="A field of the input: NAME=text, or NAME:=JSON. May be repeated.",
        ),
    ] = None,
    input_file: Annotated[
        Path | None, typer.Option(help="JSON file with the input; - reads standard input.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Ask this model in every step that asks one.")
    ] = None,
    secret: Secrets = None,
    review: Annotated[
        ReviewDecision | None,
        typer.Option(help="Answer every human_review so, instead of asking at the terminal."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a pipeline here and now, without a server; nothing of it is kept."""
    from stepiq.cli import local_run
    from stepiq.language.inputs import InputInvalid

    request = local_run.Request(
        file, inputs or (), input_file, model, as_json, secret or (), review
    )
    try:
        worked = local_run.run_file(request)
    except InputInvalid as error:
        explain(error)
        raise typer.Exit(ExitCode.USAGE) from None
    _end(worked)


@app.command()
def validate(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="YAML or JSON files of pipelines; - reads standard input.",
            show_default=False,
        ),
    ],
    secret: Secrets = None,
    as_json: Json = False,
) -> None:
    """Check pipelines without running them, and report every error with its line and column."""
    from stepiq.cli import documents

    _end(documents.validate(files, as_json=as_json, secrets=secret))


@app.command("test")
def try_out(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="YAML or JSON files of pipelines, with their tests beside them: `a.test.yaml` for `a.yaml`.",
            show_default=False,
        ),
    ],
    only: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only tests that have this in their name.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run the tests of pipelines, without a server, models, calls or people: what those would say is given."""
    from stepiq.cli.pipeline_tests import command

    _end(command.run_tests(files, only=only, as_json=as_json))


@app.command()
def schema() -> None:
    """Print the JSON Schema of pipelines, for editors and other tools."""
    from stepiq.language.json_schema.document import document_text

    typer.echo(document_text(), nl=False)


@app.command()
def models(
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that cannot be used here.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the models that steps may name, with what they cost."""
    from stepiq.cli import models as command

    command.show(everything=everything, as_json=as_json)


@app.command()
def version() -> None:
    """Print the version."""
    _print_version(wanted=True)


@users.command("create")
def create_user(
    email: Annotated[str, typer.Argument(help="Address to log in with.", show_default=False)],
    name: Annotated[
        str | None, typer.Option(help="Default: what stands before the @.", show_default=False)
    ] = None,
    plan: Annotated[
        str | None, typer.Option(help="Default: STEPIQ_DEFAULT_PLAN; `enterprise` with --admin.")
    ] = None,
    admin: Annotated[bool, typer.Option("--admin", help="Make it an administrator.")] = False,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
) -> None:
    """Create an account, whoever may register. Asks for the password. The first account is an administrator."""
    from stepiq.cli import accounts

    accounts.create(email, name=name, plan=plan, is_admin=admin, from_stdin=password_stdin)


@users.command("invite")
def invite_user(
    email: Annotated[str, typer.Argument(help="Address to invite.", show_default=False)],
) -> None:
    """Invite somebody to register, whoever else may: prints the token, and mails it if STEPIQ_SMTP_URL is set."""
    from stepiq.cli import accounts

    accounts.invite(email)


@users.command("set-plan")
def set_plan(
    email: Annotated[str, typer.Argument(help="Whose account.", show_default=False)],
    plan: Annotated[str, typer.Argument(help="Name of a plan.", show_default=False)],
) -> None:
    """Put an account on another plan; it counts within five seconds, also on a running server."""
    from stepiq.cli import accounts

    accounts.set_plan(email, plan)


@keys.command("rotate")
def rotate_keys(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count what would be moved.")
    ] = False,
    generate: Annotated[
        bool,
        typer.Option(
            "--generate", help="First make a new master.key; the old one is kept beside it."
        ),
    ] = False,
) -> None:
    """Move stored secrets to the current master key, a batch at a time. The server may run; it may be stopped and repeated."""
    from stepiq.cli import keys as command

    _end(command.rotate(dry_run=dry_run, generate=generate))


@dev.command("fake-provider")
def fake_provider(
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 9911,
    latency_ms: Annotated[float, typer.Option(help="Pause before the first token.", min=0)] = 0,
    token_ms: Annotated[float, typer.Option(help="Pause before each further token.", min=0)] = 0,
    text: Annotated[
        str | None, typer.Option(help="What to answer. Default: echoes the question.")
    ] = None,
    api_key: Annotated[str | None, typer.Option(help="The only key let in. Default: any.")] = None,
) -> None:
    """Serve OpenAI's Chat Completions on this machine, without a model, and misbehave on command."""
    from stepiq.cli import fake_provider as server

    typer.echo(
        f"Listening. Use it with: OPENAI_BASE_URL=http://127.0.0.1:{port}/v1 OPENAI_API_KEY=any",
        err=True,
    )
    server.serve(port=port, latency_ms=latency_ms, token_ms=token_ms, text=text, api_key=api_key)
