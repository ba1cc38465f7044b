"""Python's cache of encoding look-ups."""

import encodings


def kept_encodings(*parts: str) -> list[str]:
    """The cached names that contain one of these parts, known encodings or not, with `_` for `-`."""
    kept: dict[str, object] = encodings._cache
    plain = (name.replace("-", "_") for name in kept)
    return [name for name in plain if any(part in name for part in parts)]
