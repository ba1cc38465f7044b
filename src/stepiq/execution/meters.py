"""Tokens and cost of executions of steps."""

from dataclasses import dataclass

from stepiq.providers.base import Usage


@dataclass(slots=True)
class Meter:
    """Tokens and cost of one execution of a step, over all its attempts."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    credit_tokens: int = 0
    """Tokens of models that the server pays for."""
    tokens_estimated: bool = False
    cost: dict[str, int] | None = None
    """Micro-dollars by `input`, `cached` and `output`; None if no cost is known."""
    cost_complete: bool = True
    """False once a model without a known price was used."""

    @property
    def cost_usd_micros(self) -> int:
        """Sum of the known costs."""
        return sum(self.cost.values()) if self.cost else 0

    def add(self, usage: Usage, credit_tokens: int, parts: dict[str, int] | None) -> None:
        """Add one call.

        Args:
            usage: its tokens.
            credit_tokens: those that cost credits.
            parts: its cost; None if the price of its model is unknown.
        """
        self.input_tokens += usage.input_tokens
        self.cached_tokens += usage.cached_tokens
        self.output_tokens += usage.output_tokens
        self.tokens_estimated |= usage.estimated
        self.credit_tokens += credit_tokens
        if parts is None:
            self.cost_complete = False
            return
        found = self.cost or {}
        self.cost = {part: found.get(part, 0) + value for part, value in parts.items()}

    def since(self, earlier: "Meter") -> "Meter":
        """What was added since `earlier`, for the run's totals."""
        return Meter(
            input_tokens=self.input_tokens - earlier.input_tokens,
            cached_tokens=self.cached_tokens - earlier.cached_tokens,
            output_tokens=self.output_tokens - earlier.output_tokens,
            credit_tokens=self.credit_tokens - earlier.credit_tokens,
            cost={"total": self.cost_usd_micros - earlier.cost_usd_micros},
            cost_complete=self.cost_complete,
        )
