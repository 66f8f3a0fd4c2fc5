#!/bin/sh
# Builds this policy as a component.
#
#     guest/examples/javascript/build.sh OUT.wasm
#
# Needs Node.js 20 or newer with npm. componentize-js is installed on first use and kept in
# ${XDG_CACHE_HOME:-~/.cache}/poolwarden-ci.
set -eu

here=$(dirname "$(realpath "$0")")
out=$(realpath "$1")
locked=$(sha256sum "$here/package-lock.json" | cut -c 1-16)
tools=${XDG_CACHE_HOME:-$HOME/.cache}/poolwarden-ci/componentize-js-$locked
# The marker is made last: an installation that was broken off is made anew.
if [ ! -e "$tools/complete" ]; then
    rm -rf "$tools"
    mkdir -p "$tools"
    cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$tools"
    (cd "$tools" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    touch "$tools/complete"
fi
# A module's imports are looked for beside it.
cp "$here/build.js" "$tools"
node "$tools/build.js" "$here/policy.js" "$here/../../../wit" "$out"
