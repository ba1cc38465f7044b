"""The process that runs the local model: `python -m stepiq.providers.local_server`.

It is a process of its own because inference takes every core and native code can crash. It reads one line of JSON
(`LocalServerOptions`) from standard input, prints one line of JSON with its URL once it answers, and lives until
standard input is closed or its parent is gone.
"""

import ctypes
import importlib
import json
import os
import signal
import sys
from dataclasses import dataclass
from typing import Any

from stepiq.providers.local_weights import MODEL_NAME

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class LocalServerOptions:
    """What the parent decides. Sent through a pipe: a command line is visible to every user of the machine."""

    model_path: str
    api_key: str
    context_window: int
    threads: int


def main() -> None:
    """Serve until the parent is gone."""
    _die_with_parent()
    line = sys.stdin.buffer.readline()
    if not line:
        return
    options = LocalServerOptions(**json.loads(line))
    # The library writes to standard output, where the parent reads the URL: give it another way out.
    answer = os.dup(1)
    os.dup2(2, 1)
    server = _serve(options)
    os.write(answer, json.dumps({"url": server.listening_address}).encode() + b"\n")
    os.close(answer)
    # Ends with the pipe, which also holds on systems without a parent-death signal.
    sys.stdin.buffer.read()
    # Not a clean exit: the native server's threads may be in the middle of an answer that nobody reads any more.
    os._exit(0)


def _die_with_parent() -> None:
    if sys.platform == "linux":  # pragma: no branch -- elsewhere the closed pipe alone tells
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _serve(options: LocalServerOptions) -> Any:
    # It has no types, and the processes that only start this one need not have it.
    xllamacpp: Any = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = options.model_path
    params.model_alias = {MODEL_NAME}
    params.n_ctx = options.context_window
    # The answer to a call must depend on nothing but the call. Calls that are computed together, and a prompt that continues
    # a cached one, are rounded differently, which changes answers. Computing together saves less than a tenth of the time.
    params.n_parallel = 1
    params.cache_prompt = False
    params.cpuparams.n_threads = options.threads
    params.cpuparams_batch.n_threads = options.threads
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [options.api_key]
    params.ui = False
    params.endpoint_props = False
    params.endpoint_slots = False
    params.warmup = False
    params.cache_ram_mib = 0
    # For calls that give no temperature. A model this small is best when it takes its most likely word.
    params.sampling.temp = 0.0
    params.verbosity = 0
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
