#!/bin/sh
# Runs the shipped policy in a Node.js host, transpiled by jco.
#
#     tests/plugin_hosts/javascript/run.sh [POLICY.wasm]
#
# Needs Node.js 20 or newer with npm, and flock(1). jco is installed on first use and kept
# in ${XDG_CACHE_HOME:-~/.cache}/poolwarden-ci. Ends with the summary of Node's test runner;
# the exit code is not 0 when a test failed.
set -eu

here=$(dirname "$(realpath "$0")")
root=$here/../../..
policy=$(realpath "${1:-$root/guest/policy.wasm}")
locked=$(sha256sum "$here/package-lock.json" | cut -c 1-16)
tools=${XDG_CACHE_HOME:-$HOME/.cache}/poolwarden-ci/jco-$locked
# The marker is made last: an installation that was broken off is made anew.
if [ ! -e "$tools/complete" ]; then
    rm -rf "$tools"
    mkdir -p "$tools"
    cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$tools"
    (cd "$tools" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    touch "$tools/complete"
fi
# A module's imports are looked for beside it.
cp "$here/transpile.js" "$here/package.json" "$tools"

transpiled=$(mktemp -d)
trap 'rm -rf "$transpiled"' EXIT
cp "$here/package.json" "$transpiled"
node "$tools/transpile.js" "$policy" "$transpiled" shipped
node "$tools/transpile.js" "$root/tests/guests/hostile.wasm" "$transpiled" hostile
node "$here/check.js" "$transpiled/shipped" "$transpiled/hostile"
