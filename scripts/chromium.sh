#!/bin/sh
# Makes sure that Chromium is installed. The tests of the web interface use it.
#
# They prefer its headless shell, which has no windows and so takes about half the CPU time. If it is missing, installs
# Debian's package when run as root. Otherwise, a Chromium that is already installed is enough; if there is none, prints what
# to install.
set -eu

found() {
    command -v "$1" >/dev/null 2>&1
}

install() {
    apt-get install -y -qq --no-install-recommends "$1" >&2
}

if found "${STEPIQ_TEST_CHROMIUM:-chromium-headless-shell}"; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 && [ -z "${STEPIQ_TEST_CHROMIUM:-}" ]; then
    echo "Installing Chromium with apt-get ..." >&2
    export DEBIAN_FRONTEND=noninteractive
    # Not every distribution has the headless shell as a package.
    if apt-get update -qq >&2; then
        install chromium-headless-shell || found chromium || install chromium || true
    fi
    found chromium-headless-shell && exit 0
fi
found "${STEPIQ_TEST_CHROMIUM:-chromium}" && exit 0
cat >&2 <<'TEXT'
The tests of the web interface need Chromium. Neither chromium-headless-shell nor chromium was found on PATH.
Install it, or set STEPIQ_TEST_CHROMIUM to the path of a Chromium or Chrome, then try again.
  Debian           sudo apt-get install chromium-headless-shell
  macOS            brew install --cask chromium
TEXT
exit 1
