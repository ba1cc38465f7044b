"""`stepiq init`: a first pipeline to change, tests of it, and what editors need to help with that."""

import shlex
from pathlib import Path

from stepiq.cli.console import UsageError, say
from stepiq.language.json_schema.document import document_text

SCHEMA = Path(".stepiq") / "pipeline.schema.json"
"""From the folder of a pipeline to its schema. A path within the project holds for everybody who has a copy, offline too."""

_PIPELINE = """\
# yaml-language-server: $schema={schema}
#
# A first pipeline. The line above lets editors complete and check what you write.
#
#   stepiq validate {file}
#   stepiq run {file} --input topic="the sea"
#   stepiq test {file}
name: First pipeline
description: Asks a model for a few sentences, then puts them on a card.

# What a run is started with. A field that is not given has its default.
input:
  schema:
    topic:
      type: string
      default: moss
      description: What to write about.
    sentences:
      type: integer
      default: 2
      minimum: 1
      maximum: 10

# Values that steps share.
variables:
  reader: a curious child

# Steps run one after the other.
steps:
  # Without `type` a step asks a model: without `model`, the default one of wherever it runs. `stepiq models` lists them all.
  - id: write
    system_prompt: You write for {{{{vars.reader}}}}, in plain words.
    prompt: Write {{{{input.sentences}}}} sentences about {{{{input.topic}}}}.
    temperature: 0.7
    max_tokens: 200

  # A transform asks no model: it costs nothing and always gives the same. Other types call systems, branch, wait for people.
  - id: card
    type: transform
    output_format: markdown
    template: |
      # {{{{input.topic}}}}

      {{{{steps.write.output}}}}

# The output of the run; without this, that of the last step.
output:
  from: card
"""

_TESTS = """\
# What the pipeline is to do, tried without asking a model: what one would say is given here.
#
#   stepiq test {file}
tests:
  - name: what the model writes is put on a card
    input: {{topic: rain}}
    given:
      write: {{output: Rain falls. It makes puddles.}}
    expect:
      check:
        - run.output.startsWith('# rain')
        - run.output.contains('It makes puddles.')
        - steps.write.prompt == 'Write 2 sentences about rain.'

  - name: nobody gets more than ten sentences
    input: {{sentences: 11}}
    expect: {{error: input_invalid}}
"""


def write(file: Path, *, force: bool) -> None:
    """Write a pipeline that runs at once, its tests and the schema; say which commands come next.

    Raises:
        UsageError: the file is there already, or cannot be written.
    """
    tests = file.with_name(f"{file.stem}.test.yaml")
    _refuse(file, tests, force=force)
    schema = file.parent / SCHEMA
    name = shlex.quote(str(file))
    try:
        schema.parent.mkdir(exist_ok=True)
        schema.write_text(document_text(), encoding="utf-8")
        for path, text in ((file, _PIPELINE), (tests, _TESTS)):
            with path.open("w" if force else "x", encoding="utf-8") as written:
                written.write(text.format(schema=SCHEMA.as_posix(), file=name))
    except OSError as error:
        raise UsageError(f"{error.filename or file} cannot be written: {error.strerror}.") from None
    say(f"{file}: a pipeline to begin with")
    say(f"{tests}: what it is to do")
    say(f"{schema}: for editors, which complete and check pipelines with it")
    say(
        f'\nNext:\n  stepiq validate {name}\n  stepiq test {name}\n  stepiq run {name} --input topic="the sea"'
    )


def _refuse(file: Path, tests: Path, *, force: bool) -> None:
    # The name is written into the file, too.
    if not str(file).isprintable() or file.suffix.lower() not in (".yaml", ".yml"):
        raise UsageError(
            f"{file} is no name for a YAML file. Name one that ends in .yaml, such as pipeline.yaml."
        )
    if not file.parent.is_dir():
        raise UsageError(f"There is no folder {file.parent}. Make it first, or choose another.")
    for path in (file, tests):
        if path.exists() and not force:
            raise UsageError(
                f"{path} is there already. Name another file, or overwrite it with --force."
            )
