"""Amounts as people read them."""

_MICROS = 1_000_000


def money(micros: int | None, *, is_complete: bool = True) -> str:
    """Micro-dollars as dollars. None is an unknown price."""
    if micros is None:
        return "cost unknown"
    shown = f"${micros / _MICROS:.6f}" if micros else "$0"
    return shown if is_complete else f"{shown} plus calls of unknown price"


def duration(milliseconds: float) -> str:
    """Such as `35 ms`, `1.2 s` or `3 min 5 s`."""
    if milliseconds < 1_000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1_000
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def ending(status: str, failed_steps: int) -> str:
    """The status of a run with the failures that it passed over, such as `completed · 4 failed`."""
    return f"{status} · {failed_steps} failed" if failed_steps else status
