#!/bin/sh
# Looks at the system calls of `poolwarden mcp`: what it writes, and how it signals.
#
#     tests/strace/run.sh BINARY
#
# Needs python3, and strace, which is installed where apt-get can. Ends with
# `N passed, 0 failed`, or with exit code 1.
set -eu

if ! command -v strace >/dev/null; then
    apt-get install --yes --quiet strace >/dev/null ||
        { apt-get update --quiet >/dev/null && apt-get install --yes --quiet strace >/dev/null; }
fi
exec python3 "$(dirname "$(realpath "$0")")/check.py" "$(realpath "$1")"
