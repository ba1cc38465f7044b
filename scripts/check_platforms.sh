#!/bin/sh
# Checks that every locked package of the image has a wheel for each architecture that it is built for. Downloads no wheels.
#
# Usage: scripts/check_platforms.sh
set -eu
cd "$(dirname "$0")/.."
scripts/bootstrap.sh runtime

if command -v uv >/dev/null 2>&1; then uv=uv; else uv=.venv/bin/uv; fi
python=$(sed -n 's/^ARG BASE=python:\([0-9]*\.[0-9]*\).*/\1/p' Dockerfile)
for platform in x86_64-manylinux_2_28 aarch64-manylinux_2_28; do
    for lock in requirements.lock requirements-ui.lock; do
        "$uv" pip install --quiet --dry-run --target .venv/none --python-platform "$platform" --python-version "$python" \
            --only-binary :all: --no-deps --require-hashes --requirement "$lock"
        echo "$lock: a wheel for each package on $platform with Python $python"
    done
done
