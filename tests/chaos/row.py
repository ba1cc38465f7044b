"""The result of the check of a promise."""

from dataclasses import dataclass, field


@dataclass
class Row:
    """One line of the report."""

    promise: str
    claim: str
    checked: int = 0
    unit: str = "runs"
    violations: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Figures for information, without influence on the result."""

    def expect(self, holds: object, violation: str) -> None:
        """Add a violation unless `holds` is true."""
        if not holds:
            self.violations.append(violation)


def spread(seconds: list[float], limit: float | None = None) -> str:
    """Median, 95th percentile and maximum of some times, and how many exceed a limit."""
    if not seconds:
        return "none"
    found = sorted(seconds)
    at = [found[len(found) // 2], found[int(len(found) * 0.95)], found[-1]]
    text = "{}: p50 {:.2f}, p95 {:.2f}, max {:.2f} s".format(len(found), *at)
    if limit is None:
        return text
    return f"{text}; {sum(value > limit for value in found)} over {limit:g} s"
