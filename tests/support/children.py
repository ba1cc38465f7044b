"""A program of `server.parent` without a server: each child prints its number and its process, and waits for a signal."""

import json
import os
import signal
import sys

from stepiq.core.observability import log_output
from stepiq.core.settings.model import Settings
from stepiq.server.parent import divide

log_output.configure("json")
child = divide(Settings(port=0), int(sys.argv[1]))
port = child.sockets.api.getsockname()[1]
facts = {"number": child.number, "pid": os.getpid(), "port": port, "is_first": child.is_first}
if "fail" in sys.argv:
    sys.exit(3)
# SIGTERM has its default action: a handler in Python would not run if the signal came just before `pause`.
# One write, which the line of another child cannot divide.
os.write(1, json.dumps(facts).encode() + b"\n")
child.report_ready()
signal.pause()
