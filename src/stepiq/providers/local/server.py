"""The process that runs the local model: `python -m stepiq.providers.local.server`.

It is a separate process because inference uses every core and native code can crash. It reads one line of JSON
(`LocalServerOptions`) from standard input, prints one line of JSON with its URL once it accepts requests, and runs
until standard input is closed or its parent dies.
"""

import ctypes
import importlib
import json
import os
import signal
import sys
from dataclasses import dataclass
from typing import Any

from stepiq.providers.local.weights import MODEL_NAME

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class LocalServerOptions:
    """Options from the parent. Sent through a pipe, because all users of the machine can read a command line."""

    model_path: str
    api_key: str
    context_window: int
    threads: int


def main() -> None:
    """Serve until the parent dies or closes standard input."""
    _die_with_parent()
    line = sys.stdin.buffer.readline()
    if not line:
        return
    options = LocalServerOptions(**json.loads(line))
    # The library writes to standard output, from which the parent reads the URL, so its output goes to standard error.
    answer = os.dup(1)
    os.dup2(2, 1)
    server = _serve(options)
    os.write(answer, json.dumps({"url": server.listening_address}).encode() + b"\n")
    os.close(answer)
    # Returns when the parent closes the pipe, also on systems without a parent-death signal.
    sys.stdin.buffer.read()
    # No clean exit, because the native server's threads may still be computing an answer that is no longer needed.
    os._exit(0)


def _die_with_parent() -> None:
    if sys.platform == "linux":  # pragma: no branch -- elsewhere the closed pipe ends the process
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _serve(options: LocalServerOptions) -> Any:
    # Imported here: it has no types, and the parent does not need it.
    xllamacpp: Any = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = options.model_path
    params.model_alias = {MODEL_NAME}
    params.n_ctx = options.context_window
    # An answer must depend only on its call. Batched calls, and a prompt that continues a cached one, are rounded
    # differently, which changes answers. Batching saves less than a tenth of the time.
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
    # For calls without a temperature. A model this small works best with greedy decoding.
    params.sampling.temp = 0.0
    params.verbosity = 0
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
