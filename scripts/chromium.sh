#!/bin/sh
# Makes sure that Chromium is installed. The tests of the web interface use it.
#
# If it is missing, installs Debian's package when run as root, and otherwise prints what to install. It does not change a
# Chromium that is already installed.
set -eu

found() {
    command -v "${STEPIQ_TEST_CHROMIUM:-chromium}" >/dev/null 2>&1
}

if found; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing Chromium with apt-get ..." >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2
    apt-get install -y -qq --no-install-recommends chromium >&2
    found && exit 0
fi
cat >&2 <<'TEXT'
The tests of the web interface need Chromium. The command chromium was not found on PATH.
Install it, or set STEPIQ_TEST_CHROMIUM to the path of a Chromium or Chrome, then try again.
  Debian           sudo apt-get install chromium
  macOS            brew install --cask chromium
TEXT
exit 1
