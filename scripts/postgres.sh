#!/bin/sh
# Makes sure that PostgreSQL's programs are here: the suite starts private servers with them.
#
# Installs Debian's package as root where they are missing; elsewhere it says what to install. An installed PostgreSQL,
# running or not, is left as it is.
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
The tests need PostgreSQL 15 or newer, and initdb is neither on PATH nor in /usr/lib/postgresql/*/bin.
Install it, then try again (the tests start servers of their own and leave yours alone):
  Debian, Ubuntu   sudo apt-get install postgresql
  macOS            brew install postgresql@17
TEXT
exit 1
