#!/bin/sh
# Lists the packages of a server, or looks for known vulnerabilities in them. The tools are in .venv-audit, so that they
# add no packages to .venv.
#
# Usage: scripts/audit.sh sbom [FOLDER]|vulnerabilities
#   sbom             writes sbom.json and sbom-ui.json, the Python packages and the npm packages, as CycloneDX documents
#   vulnerabilities  queries the advisories of PyPI and of npm's registry for the packages of a server and of the web
#                    interface; fails if it finds any, or if a registry does not answer or does not know a package
set -eu
cd "$(dirname "$0")/.."
scripts/bootstrap.sh runtime

if command -v uv >/dev/null 2>&1; then uv=uv; else uv=.venv/bin/uv; fi
[ -x .venv-audit/bin/python ] || "$uv" venv --quiet --python .venv/bin/python .venv-audit
installed=.venv-audit/.stepiq-installed
if ! cmp -s requirements-audit.lock "$installed"; then
    rm -f "$installed"
    "$uv" pip sync --quiet --python .venv-audit/bin/python --require-hashes requirements-audit.lock
    cp requirements-audit.lock "$installed"
fi

case ${1:-} in
    sbom)
        folder=${2:-.}
        mkdir -p "$folder"
        .venv-audit/bin/cyclonedx-py requirements requirements.lock --pyproject distributions/stepiq/pyproject.toml \
            --output-reproducible --output-file "$folder/sbom.json"
        .venv/bin/python scripts/finish_sbom.py "$folder/sbom.json" requirements.lock
        .venv/bin/python scripts/ui_sbom.py "$folder/sbom-ui.json"
        echo "Wrote $folder/sbom.json and $folder/sbom-ui.json."
        ;;
    vulnerabilities)
        status=0
        .venv/bin/python scripts/audit_python.py .venv-audit/bin/pip-audit --strict --disable-pip --require-hashes \
            --requirement requirements.lock --requirement requirements-ui.lock || status=$?
        .venv/bin/python scripts/audit_ui.py || status=$?
        exit "$status"
        ;;
    *) echo "Usage: scripts/audit.sh sbom [FOLDER]|vulnerabilities" >&2; exit 2 ;;
esac
