"""Looks for known vulnerabilities in Python packages.

Usage: python scripts/audit_python.py COMMAND ARGUMENT ...    COMMAND is pip-audit

If PyPI cannot be reached, one sentence replaces the traceback of pip-audit. All other errors appear as it reports them.
"""

import re
import subprocess
import sys

_FAILED_REQUEST = re.compile(r"^requests\.exceptions\.(\w+)", re.MULTILINE)
_NO_RESPONSE = re.compile(
    r"requests\.exceptions\.\w+: .*"  # no connection
    r"|pip_audit\._service\.interface\.ServiceError"  # a status such as 503
    r"|ERROR:pip_audit\._cli:Tip: your network may be blocking this service\..*"  # a timeout
)
"""The last line of an audit that got no usable response from PyPI."""
_ADVICE = (
    "The Python packages have the vulnerabilities that are listed above, or they could not be checked: then the last error"
    " above is the reason. Advisories come only from https://pypi.org/pypi/NAME/VERSION/json, which mirrors often lack. If"
    " it cannot be reached, run `make audit` on another machine."
)


def advice(errors: str) -> str:
    """What to print after a failure.

    Args:
        errors: what pip-audit wrote to standard error.
    """
    if not _NO_RESPONSE.fullmatch(errors.rstrip().rpartition("\n")[2]):
        return errors + _ADVICE
    reason = ["ConnectTimeout", *_FAILED_REQUEST.findall(errors)][-1]
    return (
        f"The Python packages could not be checked, because https://pypi.org gave no usable response ({reason}): run"
        " `make audit` on a machine that can reach it."
    )


if __name__ == "__main__":
    # pip-audit writes its tables to standard output, and only this summary to standard error.
    audited = subprocess.run(sys.argv[1:], stderr=subprocess.PIPE, text=True, check=False)
    if audited.returncode != 0:
        sys.exit(advice(audited.stderr))
    print(audited.stderr, end="")
