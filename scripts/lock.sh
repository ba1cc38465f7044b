#!/bin/sh
# Updates requirements.lock and requirements-dev.lock from pyproject.toml, with hashes, for all supported platforms.
#
# Usage: scripts/lock.sh [options of `uv pip compile`, such as --upgrade or --upgrade-package NAME]
set -eu
cd "$(dirname "$0")/.."
if command -v uv >/dev/null 2>&1; then uv=uv; else uv=.venv/bin/uv; fi

compile() {
    output=$1
    shift
    UV_CUSTOM_COMPILE_COMMAND='make lock' "$uv" pip compile --quiet --universal --python-version 3.11 \
        --generate-hashes --no-emit-index-url --no-emit-find-links --output-file "$output" \
        pyproject.toml --extra local "$@"
}

compile requirements.lock --group build "$@"
# Constrained by the first file, so that both name the same versions.
compile requirements-dev.lock --group dev --constraint requirements.lock "$@"
