#!/bin/sh
# Makes sure that the programs of PostgreSQL are installed. The tests start their own servers with them.
#
# If they are missing, installs Debian's package when run as root, and otherwise prints what to install. It does not change
# a PostgreSQL that is already installed.
set -eu

found() {
    command -v initdb >/dev/null 2>&1 && return
    for program in /usr/lib/postgresql/*/bin/initdb; do
        [ -x "$program" ] && return
    done
    return 1
}

if found; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing PostgreSQL with apt-get ..." >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2
    apt-get install -y -qq --no-install-recommends postgresql >&2
    found && exit 0
fi
cat >&2 <<'TEXT'
The tests need PostgreSQL 15 or newer. initdb was not found on PATH or in /usr/lib/postgresql/*/bin.
Install it, then try again. The tests start their own servers and do not use yours.
  Debian, Ubuntu   sudo apt-get install postgresql
  macOS            brew install postgresql@17
TEXT
exit 1
