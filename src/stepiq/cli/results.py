"""Prints the result of a run that has ended."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from stepiq.cli.output.console import complain, json_text, print_output, say
from stepiq.cli.output.progress import tokens
from stepiq.core.amounts import duration, ending, money


def show_result(run: Mapping[str, Any]) -> bool:
    """Print a run: its output to standard output, the rest to standard error. Returns whether it completed."""
    completed = run["status"] == "completed"
    if completed:
        print_output(as_text(run["output"]))
    else:
        complain(failure(run))
    say(summary(run))
    return completed


def as_text(output: Any) -> str:
    """An output as text: strings unchanged, all other values as JSON."""
    return output if isinstance(output, str) else json_text(output)


def failure(run: Mapping[str, Any]) -> str:
    """Why a run did not complete."""
    error = run["error"]
    if not error:
        return f"The run ended with the status `{run['status']}`."
    return f"The run failed ({error['code']}). {error['message']}"


def summary(run: Mapping[str, Any]) -> str:
    """Such as `completed · 1 failed · 243 tokens (212 in, 31 out) · $0.000050 · 1.3 s`."""
    facts = [ending(str(run["status"]), run.get("failed_steps") or 0)]
    if run["total_tokens"]:
        parts = f"{run['input_tokens']:,} in, {run['output_tokens']:,} out"
        facts.append(f"{tokens(run['total_tokens'])} ({parts})")
        facts.append(money(run["cost_usd_micros"], is_complete=run["cost_complete"]))
    if run["started_at"] and run["completed_at"]:
        started = datetime.fromisoformat(run["started_at"])
        took = datetime.fromisoformat(run["completed_at"]) - started
        facts.append(duration(took.total_seconds() * 1_000))
    return " · ".join(facts)
