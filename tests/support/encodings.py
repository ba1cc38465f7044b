"""What Python remembers of encodings that were looked up."""

import encodings


def kept_encodings(*parts: str) -> list[str]:
    """The names with one of these parts that Python keeps, known or unknown ones, with `_` for punctuation."""
    kept: dict[str, object] = encodings._cache
    plain = (name.replace("-", "_") for name in kept)
    return [name for name in plain if any(part in name for part in parts)]
