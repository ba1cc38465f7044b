"""The report of a trial as text."""

from collections import Counter

from tests.chaos.evidence import Evidence, starts
from tests.chaos.row import Row, spread

_SHOWN = 5


def report(evidence: Evidence, rows: list[Row]) -> str:
    """A table with a line for each promise, followed by the violations."""
    lines = [_summary(evidence), *_faults(evidence), ""]
    for row in rows:
        verdict = "holds" if not row.violations else f"{len(row.violations)} VIOLATIONS"
        lines.append(f"{row.promise:<5} {row.checked:>6} {row.unit:<11} {verdict:<14} {row.claim}")
        lines += [f"{'':<26}{note}" for note in row.notes]
    for row in rows:
        lines += [f"{row.promise}: {violation}" for violation in row.violations[:_SHOWN]]
        if len(row.violations) > _SHOWN:
            lines.append(f"{row.promise}: and {len(row.violations) - _SHOWN} more")
    return "\n".join(lines)


def _summary(evidence: Evidence) -> str:
    options = evidence.options
    layout = f"{options.apis} APIs, {options.workers} workers" if options.is_split else "one server"
    minutes = (evidence.ledger[-1]["at"] - evidence.ledger[0]["at"]) / 60
    states = Counter(run["status"] for run in evidence.listed)
    ends = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    return (
        f"seed {options.seed}, {options.store}, {layout}, {minutes:.1f} minutes: "
        f"{len(evidence.kills)} kills, {len(evidence.listed)} runs ({ends})"
    )


def _faults(evidence: Evidence) -> list[str]:
    counts = Counter(fault["fault"] for fault in evidence.faults)
    lines = [f"  {count:>5}  {fault}" for fault, count in counts.most_common()]
    if evidence.slowness > 1:
        started = spread(starts(evidence.ledger))
        lines.append(
            f"  starts of processes: {started}; limits in seconds are stretched by {evidence.slowness:.1f}"
        )
    return lines
