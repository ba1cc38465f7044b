#!/bin/sh
# Creates .venv and installs into it exactly the packages of a lock file, then stepIQ itself from this folder.
#
# Usage: scripts/bootstrap.sh runtime|dev
#   runtime  the packages for `make serve` and `make demo`, with Node for the web interface
#   dev      also the tools for `make check` and `make test`
#
# Needs Python 3.11 to 3.14. $PYTHON selects one; the default is 3.13, or else the first one found. Uses uv; if it is not
# installed, pip installs the version of requirements-uv.lock into .venv, and checks its hash. Changes nothing outside this
# folder. A second call only generates the client library again, if its sources have changed.
set -eu
cd "$(dirname "$0")/.."

wanted=${1:-runtime}
stamp=.venv/.stepiq-installed
supported='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))'

# Use the machine's certificates, as pip does: a company may have its own. A minimal container has none.
if [ -e /etc/ssl/certs/ca-certificates.crt ] || [ -e /etc/pki/tls/certs/ca-bundle.crt ]; then
    export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
fi

say() { printf '%s\n' "$*" >&2; }

is_supported() { "$1" -c "$supported" >/dev/null 2>&1; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        if is_supported "$PYTHON"; then
            printf '%s' "$PYTHON"
            return
        fi
        say "PYTHON is \`$PYTHON\`, which is not Python 3.11, 3.12, 3.13 or 3.14."
        say "Set PYTHON to one of these, such as /usr/bin/python3.13, or unset it."
        exit 1
    fi
    # The container image uses 3.13, so a checkout runs and tests with the same version if possible.
    for candidate in python3.13 python3 python3.12 python3.11 python3.14 python; do
        # Run it, because the shim of a version manager may point to a version that is not installed.
        if is_supported "$candidate"; then
            printf '%s' "$candidate"
            return
        fi
    done
    say "stepIQ needs Python 3.11, 3.12, 3.13 or 3.14. None was found on PATH."
    say "Install one (Debian and Ubuntu: apt-get install python3 python3-venv; macOS: brew install python@3.13),"
    say "or set PYTHON, such as: PYTHON=/path/to/python3.13 make demo"
    exit 1
}

uv_on_path() {
    # Older versions do not know all options that are used here.
    command -v uv >/dev/null 2>&1 && uv pip sync --help 2>/dev/null | grep -q -e --require-hashes
}

install_venv_module() {
    # Debian's python3 does not include ensurepip.
    version=$("$1" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    say "This Python cannot create virtual environments: the module ensurepip is missing."
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        say "Installing $version-venv with apt-get ..."
        if { apt-get install -y -qq "$version-venv" || { apt-get update -qq && apt-get install -y -qq "$version-venv"; }; } >/dev/null 2>&1; then
            return
        fi
        say "apt-get could not install it."
    fi
    say "Run: sudo apt-get install $version-venv    (or install uv), then try again."
    exit 1
}

make_venv() {
    python=$(find_python)
    say "Creating .venv with $("$python" -c 'import sys; print(f"Python {sys.version.split()[0]} ({sys.executable})")') ..."
    if uv_on_path; then
        # With pip, which fetches the weights of the local model later.
        uv venv --quiet --seed --python "$python" .venv
        return
    fi
    "$python" -c 'import ensurepip, venv' 2>/dev/null || install_venv_module "$python"
    "$python" -m venv .venv
    install_uv
}

install_uv() {
    say "Installing uv ..."
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
        --requirement requirements-uv.lock
}

# If the tools are installed, `runtime` keeps them.
installed=$(cat "$stamp" 2>/dev/null || true)
case $installed in dev\ *) wanted=dev ;; esac
case $wanted in
    runtime) locks="requirements.lock requirements-ui.lock" ;;
    dev) locks=requirements-dev.lock ;;
    *) say "Usage: scripts/bootstrap.sh runtime|dev"; exit 2 ;;
esac

# An environment contains its own path, so it does not work after it was moved.
state="$wanted $(cat $locks pyproject.toml | cksum) $(pwd)"
if [ "$installed" = "$state" ]; then
    exec .venv/bin/python scripts/generate_client.py
fi
if [ -n "$installed" ] && [ "${installed#* * * }" != "$(pwd)" ]; then
    rm -rf .venv
fi
if ! is_supported .venv/bin/python; then
    rm -rf .venv
    make_venv
fi

if uv_on_path; then uv=uv; else uv=.venv/bin/uv; fi
if [ "$uv" = .venv/bin/uv ] && [ ! -x "$uv" ]; then
    install_uv
fi
say "Installing the packages of $locks ..."
rm -f "$stamp"
"$uv" pip sync --quiet --compile-bytecode --python .venv/bin/python --require-hashes $locks
# The build hook generates the client library.
"$uv" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
printf '%s\n' "$state" >"$stamp"
