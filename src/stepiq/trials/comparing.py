"""Compares a run with the expected result of a test."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from stepiq.core import json
from stepiq.core.json import Json
from stepiq.language.data import is_array, is_object
from stepiq.language.expressions import Expression, ExpressionError
from stepiq.trials.reading import RUN_FIELDS, STEP_FIELDS, PipelineCase
from stepiq.trials.shapes import StepEnd

_SHOWN_DIFFERENCES = 10
_SHOWN_CHARACTERS = 200


def problems(case: PipelineCase, run: Mapping[str, Any]) -> list[str]:
    """One message for each difference between a run and its expected result. At most ten are about the output.

    Args:
        case: the test.
        run: the run in the format of the API. If the input was rejected, it has no steps and an `error`.
    """
    expect, error = case.test.expect, run["error"]
    code = None if error is None else error["code"]
    if code != expect.error:
        return [_wrong_end(expect.error, error)]
    found: list[str] = []
    if case.expects_output:
        differences = list(
            islice(_differences("output", expect.output, run["output"]), _SHOWN_DIFFERENCES + 1)
        )
        found += differences[:_SHOWN_DIFFERENCES]
        if len(differences) > _SHOWN_DIFFERENCES:
            found.append("… and more.")
    last = {step["step_id"]: step for step in run["steps"]}
    for step_id, status in expect.steps.items():
        actual = last[step_id]["status"] if step_id in last else StepEnd.NOT_RUN
        if actual != status:
            found.append(f"steps.{step_id}: expected {status}, got {actual}")
    scope: dict[str, Json] = {
        "input": case.schema.with_absent(run["input_data"]),
        "run": {name: run[name] for name in RUN_FIELDS},
        "steps": {step_id: _shown(step) for step_id, step in last.items()},
    }
    found += [problem for check in case.checks if (problem := _unfulfilled(check, scope))]
    return found


def _shown(step: Mapping[str, Any]) -> dict[str, Json]:
    return {name: step[name] for name in STEP_FIELDS}


def _wrong_end(expected: str | None, error: Mapping[str, Any] | None) -> str:
    if error is None:
        return f"expected the run to fail with {expected}, but it completed"
    wanted = "to complete" if expected is None else f"to fail with {expected}"
    return f"expected the run {wanted}, but it failed with {error['code']}. {error['message']}"


def _unfulfilled(check: Expression, scope: Mapping[str, Json]) -> str | None:
    try:
        if check.decide(scope):
            return None
    except ExpressionError as error:
        message = str(error)
        return message if check.source in message else f"check `{check.source}`: {message}"
    read = {".".join(reference.parts): reference.parts for reference in check.references}
    values = ", ".join(f"{path} = {_short(_at(scope, parts))}" for path, parts in read.items())
    return f"check `{check.source}` is false" + (f": {values}" if values else "")


def _at(scope: Mapping[str, Json], parts: Sequence[str]) -> Json:
    value: Json = dict(scope)
    for part in parts:
        value = value.get(part) if is_object(value) else None
    return value


def _differences(path: str, expected: Json, actual: Json) -> Iterator[str]:
    if is_object(expected) and is_object(actual):
        for name in dict.fromkeys([*expected, *actual]):
            inner = f"{path}.{name}"
            if name not in actual:
                yield f"{inner}: expected {_short(expected[name])}, but it is missing"
            elif name not in expected:
                yield f"{inner}: not expected, got {_short(actual[name])}"
            else:
                yield from _differences(inner, expected[name], actual[name])
    elif is_array(expected) and is_array(actual) and len(expected) == len(actual):
        for index, (one, other) in enumerate(zip(expected, actual, strict=True)):
            yield from _differences(f"{path}[{index}]", one, other)
    elif expected != actual or isinstance(expected, bool) is not isinstance(actual, bool):
        yield f"{path}: expected {_short(expected)}, got {_short(actual)}"


def _short(value: Json) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
