#!/bin/sh
# Uses `poolwarden mcp` through the official Python SDK for MCP, both lines of it.
#
#     tests/mcp_sdk/run.sh BINARY
#
# Needs python3 with venv. The virtual environments are made on first use and kept in
# ${XDG_CACHE_HOME:-~/.cache}/poolwarden-ci. Ends with `N passed, 0 failed`, or with
# exit code 1.
set -eu

binary=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/poolwarden-ci
passed=0
failed=0

for sdk in 2.3.0 1.30.0; do
    environment=$cache/mcp-$sdk
    # The marker is made last: an environment whose making was broken off is made anew.
    if [ ! -e "$environment/complete" ]; then
        rm -rf "$environment"
        python3 -m venv "$environment"
        "$environment/bin/pip" install --quiet --disable-pip-version-check \
            "mcp==$sdk" "jsonschema==4.26.0"
        touch "$environment/complete"
    fi
    output=$("$environment/bin/python" "$here/check.py" "$binary") || true
    echo "$output"
    totals=$(echo "$output" | sed -n 's/^mcp [^ ]*: \([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p')
    if [ -n "$totals" ]; then
        passed=$((passed + ${totals% *}))
        failed=$((failed + ${totals#* }))
    else
        failed=$((failed + 1))
    fi
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
