"""Messages of the API in the words of the commands: the server cannot know who calls it."""

import re

_PIPELINE = r"/api/pipelines/[\w-]+"
_WORDS = (
    (re.compile(r"GET /api/pipelines(?![/\w])"), "`stepiq pipelines list`"),
    (re.compile(r"GET /api/reviews(?![/\w])"), "`stepiq reviews list`"),
    (re.compile(r"GET /api/runs/ID(?![/\w])"), "`stepiq runs show RUN`"),
    (re.compile(r"GET /api/runs(?![/\w])"), "`stepiq runs list`"),
    (re.compile(r"POST /api/user/secrets"), "`stepiq secrets set NAME`"),
    (
        re.compile(rf"POST {_PIPELINE}/restore"),
        "in its settings in the web interface, or with `stepiq apply`",
    ),
    (re.compile(rf"POST {_PIPELINE}/resume"), "on its page in the web interface"),
    (re.compile(r"(?<=Set )`from`(?= to )"), "`--from`"),
    (re.compile(r"(?<=Omit )`output`"), "`--output`"),
    (re.compile(r"has no `hosts`"), "is not limited to hosts"),
    (re.compile(r'`"hosts": \["([^"]*)"\]`'), r"`--host \1`"),
)


def in_commands(message: str) -> str:
    """A message of the API with commands instead of routes, and options instead of fields."""
    for pattern, words in _WORDS:
        message = pattern.sub(words, message)
    return message
