#!/bin/sh
# Uses `poolwarden mcp` through the official SDKs for MCP: both lines of the Python one, and the
# TypeScript one.
#
#     tests/mcp_sdk/run.sh BINARY
#
# Needs python3 with venv, and Node 20 with npm. What each SDK needs is installed on first use
# and kept in ${XDG_CACHE_HOME:-~/.cache}/poolwarden-ci. The SDKs run side by side: each has a
# stop that lasts for POOLWARDEN_SDK_LONG seconds (90). Ends with `N passed, 0 failed`, or with
# exit code 1.
set -eu

binary=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
lying_policy=$here/../guests/hostile.wasm
cache=${XDG_CACHE_HOME:-$HOME/.cache}/poolwarden-ci
outputs=$(mktemp -d)
trap 'rm -rf "$outputs"' EXIT

# The markers are made last: an environment whose making was broken off is made anew.
python() {
    environment=$cache/mcp-$1
    if [ ! -e "$environment/complete" ]; then
        rm -rf "$environment"
        python3 -m venv "$environment"
        "$environment/bin/pip" install --quiet --disable-pip-version-check \
            "mcp==$1" "jsonschema==4.26.0"
        touch "$environment/complete"
    fi
    "$environment/bin/python" "$here/check.py" "$binary" "$lying_policy"
}

typescript() {
    environment=$cache/mcp-typescript
    lock=package-lock.json
    if ! cmp -s "$here/typescript/$lock" "$environment/complete"; then
        rm -rf "$environment"
        mkdir -p "$environment"
        cp "$here/typescript/package.json" "$here/typescript/$lock" "$environment"
        (cd "$environment" && npm ci --silent --no-audit --no-fund --ignore-scripts)
        cp "$environment/$lock" "$environment/complete"
    fi
    # Node looks for packages beside the script.
    cp "$here/typescript/check.js" "$environment"
    node "$environment/check.js" "$binary" "$lying_policy"
}

python 2.3.0 >"$outputs/python-2" 2>&1 &
python 1.30.0 >"$outputs/python-1" 2>&1 &
typescript >"$outputs/typescript" 2>&1 &
# Whether one failed is read in what it says.
wait

passed=0
failed=0
for output in "$outputs"/*; do
    cat "$output"
    totals=$(sed -n 's/^mcp [^ ]*: \([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$output")
    if [ -n "$totals" ]; then
        passed=$((passed + ${totals% *}))
        failed=$((failed + ${totals#* }))
    else
        failed=$((failed + 1))
    fi
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
