"""stepiq.client.sync: the same code as stepiq.client.aio, without `async` and `await`."""

import re

_NAMES = {
    "AsyncExitStack": "ExitStack",
    "AsyncGenerator": "Generator",
    "AsyncIterator": "Iterator",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "aclose": "close",
    "aiter_bytes": "iter_bytes",
    "aread": "read",
    "asyncio": "time",
    "asynccontextmanager": "contextmanager",
}
_WORD = re.compile(r"\b\w+\b")
_KEYWORD = re.compile(r"\b(?:async|await) +")
_PACKAGE = re.compile(r"\bstepiq\.client\.aio\b")
_FOR_TASKS = (", for programs with an event loop", " It can be used by several tasks at once.")


def of(text: str) -> str:
    """The synchronous twin of a module."""
    text = _PACKAGE.sub("stepiq.client.sync", _KEYWORD.sub("", text))
    for words in _FOR_TASKS:
        text = text.replace(words, "")
    return _WORD.sub(_renamed, text)


def _renamed(found: re.Match[str]) -> str:
    word = found.group()
    if word in _NAMES:
        return _NAMES[word]
    is_class = word.startswith("Async") and len(word) > len("Async") and word[5].isupper()
    return word.removeprefix("Async") if is_class else word
