#!/bin/sh
# Updates requirements*.lock from pyproject.toml, with hashes, for all supported platforms.
#
# Usage: scripts/lock.sh [options of `uv pip compile`, such as --upgrade or --upgrade-package NAME]
set -eu
cd "$(dirname "$0")/.."
if command -v uv >/dev/null 2>&1; then uv=uv; else uv=.venv/bin/uv; fi

compile() {
    output=$1
    shift
    UV_CUSTOM_COMPILE_COMMAND='make lock' "$uv" pip compile --quiet --universal --python-version 3.11 \
        --generate-hashes --no-emit-index-url --no-emit-find-links --output-file "$output" "$@"
}

compile requirements.lock pyproject.toml --group server --group local --group build "$@"
# Installed next to the first file by `make serve`.
compile requirements-ui.lock --group ui "$@"
# Constrained by the files before, so that all name the same versions.
compile requirements-dev.lock pyproject.toml --group server --group local --group dev \
    --constraint requirements.lock --constraint requirements-ui.lock "$@"
# Tools with an environment of their own.
compile requirements-uv.lock --group uv "$@"
compile requirements-audit.lock --group audit "$@"
