"""The `stepiq` command. Each command imports its code when it runs, so that all commands start quickly."""

import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from stepiq import __version__
from stepiq.cli.administration import commands as administration
from stepiq.cli.administration import users
from stepiq.cli.command_line import App, Commands, ServerCommand, server_commands
from stepiq.cli.output.console import (
    ExitCode,
    UsageError,
    complain,
    exit_code,
    explain,
    print_block,
    print_text,
    report_fault,
    say,
)
from stepiq.cli.remote import account_commands
from stepiq.cli.remote import commands as remote
from stepiq.core.concurrency import garbage_collection
from stepiq.core.errors import StepIQError
from stepiq.store.states import ReviewDecision

FILES_PANEL = "Pipeline files on this machine"
MACHINE_PANEL = "The server and database of this machine"

app = App(
    name="stepiq",
    cls=Commands,
    help="Define AI pipelines in YAML, run them durably, and watch them live.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
server_command = partial(app.command, rich_help_panel=MACHINE_PANEL, cls=ServerCommand)
keys = server_commands("Change the master key that encrypts stored secrets.")
mail = server_commands("Check the mail server that stepIQ sends email with.")
dev = server_commands("Tools for the development of pipelines and of stepIQ.")
for name, group in {
    "users": users.app,
    "members": administration.members,
    "audit": administration.audit,
    "workspaces": administration.workspaces,
    "keys": keys,
    "mail": mail,
}.items():
    app.add_typer(group, name=name, rich_help_panel=MACHINE_PANEL)
app.add_typer(dev, name="dev", rich_help_panel=FILES_PANEL)
app.add_typer(account_commands.app)
app.add_typer(remote.app)


class SchemaKind(StrEnum):
    """Kinds of files that have a JSON Schema."""

    PIPELINE = "pipeline"
    TESTS = "tests"
    DEPLOY = "deploy"


Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
PipelineFile = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="Pipeline file in YAML or JSON. Use - to read standard input.",
        show_default=False,
    ),
]
Secrets = Annotated[
    list[str] | None,
    typer.Option(
        "--secret",
        "-s",
        metavar="NAME",
        help="Use the environment variable NAME as the secret of that name. Can be repeated.",
    ),
]


def main() -> None:
    """Run the command line and end the process with an `ExitCode`."""
    try:
        app()
    except UsageError as error:
        complain(error.message)
        for choice in error.choices:
            say(f"  {choice}")
        sys.exit(ExitCode.USAGE)
    except StepIQError as error:
        explain(error)
        sys.exit(exit_code(error))
    except Exception as error:
        report_fault(error)
        sys.exit(ExitCode.FAULT)


def _print_version(wanted: bool) -> None:
    if wanted:
        print_text(f"stepiq {__version__}")
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


@server_command()
def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on. Default: STEPIQ_HOST, or 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            help="Port to listen on. Use 0 for any free port. Default: STEPIQ_PORT, or 8080."
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            help="Number of processes, each with API and worker (PostgreSQL only). Default: STEPIQ_PROCESSES, or 1."
        ),
    ] = None,
    has_worker: Annotated[
        bool,
        typer.Option(
            "--worker/--no-worker",
            help="Execute runs too. With --no-worker, start `stepiq worker` as well (PostgreSQL only).",
        ),
    ] = True,
) -> None:
    """Start the server: API and worker in each process. Migrates the database first."""
    garbage_collection.pause_during_start()
    from stepiq.cli.output.server import configured_log
    from stepiq.core.settings import model as settings

    given = {"host": host, "port": port, "processes": processes}
    overrides = {name: value for name, value in given.items() if value is not None}
    with configured_log():
        from stepiq.cli import serve as command

        names = {name: f"--{name}" for name in given}
        command.serve(settings.load(names, **overrides), has_worker=has_worker)


@server_command()
def worker(
    port: Annotated[
        int | None,
        typer.Option(
            help="Port for /health, /ready and /metrics. Default: STEPIQ_WORKER_PORT, or none."
        ),
    ] = None,
) -> None:
    """Execute runs without an API (PostgreSQL only). You can start any number of workers."""
    garbage_collection.pause_during_start()
    from stepiq.cli.output.server import configured_log
    from stepiq.core.settings import model as settings

    overrides = {} if port is None else {"worker_port": port}
    with configured_log():
        from stepiq.cli import worker as command

        command.work(settings.load({"worker_port": "--port"}, **overrides))


@server_command("setup-token")
def setup_token() -> None:
    """Show the token that registers the administrator of a server without accounts."""
    from stepiq.cli.administration import accounts

    accounts.show_setup_token()


@server_command()
def migrate() -> None:
    """Migrate the database to this version. `serve` does this automatically."""
    from stepiq.cli import database

    database.migrate()


@server_command()
def backup(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="File to create. It must not exist.", show_default=False
        ),
    ],
    with_keys: Annotated[
        bool,
        typer.Option(
            "--with-keys", help="Include the server's keys, which decrypt all stored secrets."
        ),
    ] = False,
) -> None:
    """Write a consistent copy of an SQLite database to one file. The server can keep running."""
    from stepiq.cli.backups import commands

    commands.backup(file, with_keys=with_keys)


@server_command()
def restore(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="File created by `stepiq backup`.", show_default=False),
    ],
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing database.")] = False,
) -> None:
    """Restore a backup completely, or change nothing. The server must be stopped."""
    from stepiq.cli.backups import commands

    commands.restore(file, force=force)


@server_command()
def doctor(as_json: Json = False) -> None:
    """Check the configuration, database, secrets and models, and show how to fix problems."""
    from stepiq.cli import doctor as command

    _end(command.run(as_json=as_json))


@server_command()
def demo(
    port: Annotated[
        int,
        typer.Option(help="Port of the demo server. Use 0 for any free port.", min=0, max=65535),
    ] = 0,
) -> None:
    """Start a server, load the example pipelines, run one through the HTTP API, and show it live."""
    from stepiq.cli import demo as command

    _end(command.run(port))


@app.command(rich_help_panel=FILES_PANEL)
def init(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="YAML file to write. Default: pipeline.yaml.", show_default=False
        ),
    ] = Path("pipeline.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
) -> None:
    """Create a pipeline that you can run immediately, with tests and editor support."""
    from stepiq.cli.pipelines import init as first_pipeline

    first_pipeline.write(file, force=force)


@app.command(rich_help_panel=FILES_PANEL, cls=ServerCommand)
def run(
    file: PipelineFile,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            "-i",
            metavar="NAME=VALUE",
            help="Set a field of the input: NAME=TEXT, NAME=@FILE or NAME:=JSON. Can be repeated.",
        ),
    ] = None,
    input_file: Annotated[
        Path | None, typer.Option(help="JSON file with the input. Use - to read standard input.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Use this model in every step that calls a model.")
    ] = None,
    secret: Secrets = None,
    review: Annotated[
        ReviewDecision | None,
        typer.Option(help="Decide every `human_review` this way instead of prompting you."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a pipeline without a server. Nothing is stored."""
    from stepiq.cli.pipelines import run as local_run

    request = local_run.LocalRunRequest(
        file, inputs or (), input_file, model, as_json, secret or (), review
    )
    _end(local_run.run_file(request))


@app.command(rich_help_panel=FILES_PANEL)
def validate(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="Pipeline files in YAML or JSON, or folders with them. Use - to read standard input.",
            show_default=False,
        ),
    ],
    secret: Secrets = None,
    as_json: Json = False,
) -> None:
    """Check pipelines without running them, and report every error with its line and column."""
    from stepiq.cli.pipelines import validate as documents

    raise typer.Exit(documents.validate(files, as_json=as_json, secrets=secret))


@app.command("test", rich_help_panel=FILES_PANEL, cls=ServerCommand)
def try_out(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="Pipeline files in YAML or JSON, or folders. The tests of `a.yaml` must be in `a.test.yaml`, in the same "
            "folder. In a folder, pipelines without tests are skipped.",
            show_default=False,
        ),
    ],
    only: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Run only tests with this text in their name."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--junit",
            metavar="FILE",
            help="Write the results to FILE as JUnit XML, for CI systems.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run the tests of pipelines. The tests provide the responses of models, HTTP servers and reviewers."""
    from stepiq.cli.pipelines import test as pipeline_tests

    _end(pipeline_tests.run_tests(files, only=only, as_json=as_json, report=report))


@app.command(rich_help_panel=FILES_PANEL)
def schema(
    of: Annotated[
        SchemaKind,
        typer.Argument(metavar="KIND", help="Kind of files: `pipeline`, `tests` or `deploy`."),
    ] = SchemaKind.PIPELINE,
) -> None:
    """Print the JSON Schema of pipeline files, test files or deploy files, for editors and other tools."""
    match of:
        case SchemaKind.PIPELINE:
            from stepiq.language.definitions.json_schema import document_text
        case SchemaKind.TESTS:
            from stepiq.trials.json_schema import document_text
        case SchemaKind.DEPLOY:
            from stepiq.cli.remote.deployment.deploy_files import document_text

    print_block(document_text(), newline=False)


@app.command(rich_help_panel=FILES_PANEL)
def docs(
    topic: Annotated[
        str | None,
        typer.Argument(
            metavar="TOPIC",
            help="Page to show, such as `language`, `llm` or `errors#http_error`. `skill` is the skill for coding agents.",
            show_default=False,
        ),
    ] = None,
    skills_folder: Annotated[
        Path | None,
        typer.Option(
            "--install-skill",
            metavar="FOLDER",
            help="Write the skill into the folder where a coding agent looks for skills, such as `.claude/skills`.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite a skill that differs from this version's.")
    ] = False,
) -> None:
    """Read the documentation of this version. Without a topic, list all topics."""
    from stepiq.cli import documentation

    if skills_folder is not None:
        documentation.install_skill(skills_folder, force=force)
    elif topic is None:
        documentation.show_topics()
    else:
        documentation.show(topic)


@app.command(rich_help_panel=FILES_PANEL)
def models(
    everything: Annotated[
        bool, typer.Option("--all", help="Include models that cannot be used here.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the models that can be used here, with their prices."""
    from stepiq.cli import models as command

    command.show(everything=everything, as_json=as_json)


@app.command(rich_help_panel=FILES_PANEL)
def version() -> None:
    """Print the version."""
    _print_version(wanted=True)


@keys.command("rotate")
def rotate_keys(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count the secrets to re-encrypt.")
    ] = False,
    generate: Annotated[
        bool,
        typer.Option(
            "--generate",
            help="First create a new master.key. The old key is kept in the same folder.",
        ),
    ] = False,
) -> None:
    """Re-encrypt stored secrets with the current master key. The server can keep running. You can repeat the command."""
    from stepiq.cli.administration import keys as command

    _end(command.rotate(dry_run=dry_run, generate=generate))


@mail.command("test")
def send_test_mail(
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="Address of the recipient.", show_default=False)
    ],
) -> None:
    """Send a test message with the configured mail server, and explain why if it fails."""
    from stepiq.cli import doctor as command

    _end(command.send_test_mail(address))


@dev.command("fake-provider")
def fake_provider(
    port: Annotated[
        int, typer.Option(help="Port to listen on. Use 0 for any free port.", min=0, max=65535)
    ] = 9911,
    latency_ms: Annotated[
        float, typer.Option(help="Milliseconds before the first token.", min=0)
    ] = 0,
    token_ms: Annotated[
        float, typer.Option(help="Milliseconds before each further token.", min=0)
    ] = 0,
    text: Annotated[
        str | None, typer.Option(help="Text of every response. Default: an echo of the prompt.")
    ] = None,
    api_key: Annotated[
        str | None, typer.Option(help="The only API key to accept. Default: any.")
    ] = None,
) -> None:
    """Serve OpenAI's Chat Completions API without a model, for tests. It can simulate failures."""
    from stepiq.cli.fake_provider import server

    server.serve(
        port=port,
        announce=say,
        latency_ms=latency_ms,
        token_ms=token_ms,
        text=text,
        api_key=api_key,
    )
