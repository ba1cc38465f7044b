"""`stepiq init`: writes a first pipeline with comments, its tests, and the schema for editors."""

import shlex
from pathlib import Path

from stepiq.cli.output.console import UsageError, say_block, this_command
from stepiq.language.definitions.json_schema import document_text
from stepiq.trials import json_schema as tests_schema

SCHEMA = Path(".stepiq") / "pipeline.schema.json"
"""The schema, relative to the pipeline's folder. The copy in the project also works offline and for other users."""
TESTS_SCHEMA = Path(".stepiq") / "tests.schema.json"
"""The schema of the tests."""

_MESSAGE = "Where is my order A-60212?"

_PIPELINE = """\
# yaml-language-server: $schema={schema}
#
# A first pipeline. With the line above, editors complete and check what you write.
#
#   stepiq validate {file}
#   stepiq test {file}
#   stepiq run {file} --input message="{message}"
name: Ticket
description: Reads the order number from a customer's message, and writes a ticket.

# The fields of the input. A run can leave out a field that has a default.
input:
  schema:
    message:
      type: string
      default: My order A-48213 arrived with a broken lid.
      description: The customer's message.
    priority:
      type: string
      enum: [low, normal, high]
      default: normal

# Values that several steps use.
variables:
  answer_within: two working days

# Steps run one after another.
steps:
  # A step without `type` calls a model. Without `model`, it uses the default model; `stepiq models` lists the models that you can use.
  # The answer must match output_schema. With temperature 0, a model gives its most likely answer.
  - id: read
    prompt: |
      Read this message and fill in the form. Without an order number, write null.
      {{{{input.message}}}}
    temperature: 0
    max_tokens: 60
    output_schema:
      type: object
      properties:
        order_number: {{type: [string, "null"], pattern: "^A-[0-9]{{5}}$"}}
      required: [order_number]

  # A transform step does not call a model. Other types of steps call systems, branch, run code or wait for people.
  # A small model may invent a number. If the number is not in the message, this step is skipped, and its output is null.
  - id: order
    type: transform
    if: steps.read.output.order_number != null && input.message.contains(steps.read.output.order_number)
    template: "Order {{{{steps.read.output.order_number}}}}"

  - id: ticket
    type: transform
    output_format: markdown
    template: |
      # {{{{default steps.order.output "No order number"}}}}

      Priority: {{{{input.priority}}}}. Answer within {{{{vars.answer_within}}}}.

      > {{{{input.message}}}}

# The step whose output is the output of the run. The default is the last step.
output:
  from: ticket
"""

_TESTS = """\
# yaml-language-server: $schema={tests_schema}
#
# Tests of the pipeline. They call no model: each test gives the model's answer.
#
#   stepiq test {file}
tests:
  - name: the ticket has the order number that the model found
    input: {{message: "{message}"}}
    given:
      read: {{output: {{order_number: A-60212}}}}
    expect:
      check:
        - run.output.startsWith('# Order A-60212')
        - run.output.contains('normal')
        - steps.read.prompt.contains('{message}')

  - name: a number that is not in the message is not used
    input: {{message: Where is my order?}}
    given:
      read: {{output: {{order_number: A-12345}}}}
    expect:
      steps: {{order: skipped}}
      check: [run.output.startsWith('# No order number')]

  - name: an unknown priority is refused
    input: {{priority: urgent}}
    expect: {{error: input_invalid}}
"""


def write(file: Path, *, force: bool) -> None:
    """Write the pipeline, its tests and the schema, and print the next commands."""
    tests = file.with_name(f"{file.stem}.test.yaml")
    _refuse(file, tests, force=force)
    schema = file.parent / SCHEMA
    name = shlex.quote(str(file))
    values = {
        "schema": SCHEMA.as_posix(),
        "tests_schema": TESTS_SCHEMA.as_posix(),
        "file": name,
        "message": _MESSAGE,
    }
    try:
        schema.parent.mkdir(exist_ok=True)
        schema.write_text(document_text(), encoding="utf-8")
        (file.parent / TESTS_SCHEMA).write_text(tests_schema.document_text(), encoding="utf-8")
        for path, text in ((file, _PIPELINE), (tests, _TESTS)):
            with path.open("w" if force else "x", encoding="utf-8") as written:
                written.write(text.format(**values))
    except OSError as error:
        raise UsageError(f"{error.filename or file} cannot be written: {error.strerror}.") from None
    command = this_command()
    say_block(f"""\
{file}: the pipeline
{tests}: its tests
{schema.parent}: the schemas that editors use to complete and check pipelines and tests

Next:
  {command} validate {name}
  {command} test {name}
  {command} run {name} --input message="{_MESSAGE}\"""")


def _refuse(file: Path, tests: Path, *, force: bool) -> None:
    # The file also contains its own name.
    if not str(file).isprintable() or file.suffix.lower() not in (".yaml", ".yml"):
        raise UsageError(
            f"{file} is not the name of a YAML file. Use one that ends in .yaml, such as pipeline.yaml."
        )
    if file.stem.endswith(".test"):
        raise UsageError(
            f"{file} is the name of a file of tests. Use the name of the pipeline, such as {file.stem.removesuffix('.test')}.yaml."
        )
    if not file.parent.is_dir():
        raise UsageError(
            f"The folder {file.parent} does not exist. Create it first, or use another one."
        )
    for path in (file, tests):
        if path.exists() and not force:
            raise UsageError(
                f"{path} already exists. Use another name, or overwrite it with --force."
            )
