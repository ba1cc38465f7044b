#!/bin/sh
# Lists the packages of a server, or looks for known vulnerabilities in them. The tools are in .venv-audit, so that they
# add no packages to .venv.
#
# Usage: scripts/audit.sh sbom|vulnerabilities
#   sbom             writes sbom.json, a CycloneDX document
#   vulnerabilities  queries the advisory database of PyPI; fails if it finds any, or if it does not know a package
set -eu
cd "$(dirname "$0")/.."
scripts/bootstrap.sh runtime

if command -v uv >/dev/null 2>&1; then uv=uv; else uv=.venv/bin/uv; fi
[ -x .venv-audit/bin/python ] || "$uv" venv --quiet --python .venv/bin/python .venv-audit
"$uv" pip sync --quiet --python .venv-audit/bin/python --require-hashes requirements-audit.lock

case ${1:-} in
    sbom)
        .venv-audit/bin/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml \
            --output-reproducible --output-file sbom.json
        echo "Wrote sbom.json."
        ;;
    vulnerabilities)
        .venv-audit/bin/pip-audit --strict --disable-pip --require-hashes --requirement requirements.lock
        ;;
    *) echo "Usage: scripts/audit.sh sbom|vulnerabilities" >&2; exit 2 ;;
esac
