"""Python code that runs in the sandbox before and after the user's source. Monty executes it, not this interpreter."""

INPUT_NAME = "_stepiq_input"

PRELUDE = """
def _stepiq_make():
    import json as json_
    from math import isfinite as isfinite_
    type_, str_, len_, abs_ = type, str, len, abs
    dict_, list_, tuple_, int_, float_, bool_ = dict, list, tuple, int, float, bool
    is_a = isinstance
    ValueError_, TypeError_, RecursionError_ = ValueError, TypeError, RecursionError
    enumerate_, longest, most, deepest = enumerate, 10**400, 1_048_576, 100

    async def nothing():
        pass

    coroutine = type_(nothing())

    def is_coroutine(value):
        return type_(value) is coroutine

    def problem(value, where, depth):
        kind = type_(value)
        if value is None or kind is bool_:
            return None
        if kind is str_:
            return where + "` has the character U+0000, which cannot be stored." if "\\0" in value else None
        if kind is int_:
            return None if abs_(value) < longest else where + "` is an integer of more than 400 digits."
        if kind is float_:
            return None if isfinite_(value) else where + "` is " + str_(value) + "."
        if depth == deepest:
            return "`result` nests deeper than 100 levels, or contains itself."
        if is_a(value, (list_, tuple_)):
            for index, item in enumerate_(value):
                found = problem(item, where + "[" + str_(index) + "]", depth + 1)
                if found is not None:
                    return found
            return None
        if is_a(value, dict_):
            for key, item in value.items():
                if type_(key) is not str_:
                    return where + "` has a key of type " + type_(key).__name__ + "."
                if "\\0" in key:
                    return where + "` has a key with the character U+0000, which cannot be stored."
                found = problem(item, where + "." + key[:60], depth + 1)
                if found is not None:
                    return found
            return None
        return where + "` is of type " + kind.__name__ + "."

    def write(value):
        try:
            text = json_.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        except (ValueError_, TypeError_, RecursionError_) as error:
            return "E" + (problem(value, "`result", 0) or str_(error) + ".")
        if len_(text) > most:
            return "L"
        # Looking at every value takes longer than this, and only explains.
        if "\\\\u0000" in text or json_.loads(text) != value:
            found = problem(value, "`result", 0)
            if found is not None:
                return "E" + found
        return "R" + text

    return is_coroutine, write

_stepiq_is_coroutine, _stepiq_write = _stepiq_make()
"""

CALL = f"""
_stepiq_result = main({INPUT_NAME})
if _stepiq_is_coroutine(_stepiq_result):
    _stepiq_result = await _stepiq_result
_stepiq_write(_stepiq_result)
"""
