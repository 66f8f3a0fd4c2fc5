#!/bin/sh
# Runs the shipped policy in a Python host, with the package `wasmtime`.
#
#     tests/plugin_hosts/python/run.sh [POLICY.wasm]
#
# Needs python3 (3.11 or newer) with venv. The virtual environment is made on first use and
# kept in ${XDG_CACHE_HOME:-~/.cache}/poolwarden-ci. Ends with `N passed, 0 failed`, or with
# exit code 1.
set -eu

wasmtime=50.0.1

here=$(dirname "$(realpath "$0")")
root=$here/../../..
policy=$(realpath "${1:-$root/guest/policy.wasm}")
environment=${XDG_CACHE_HOME:-$HOME/.cache}/poolwarden-ci/wasmtime-$wasmtime
# The marker is made last: an environment whose making was broken off is made anew.
if [ ! -e "$environment/complete" ]; then
    rm -rf "$environment"
    python3 -m venv "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check "wasmtime==$wasmtime"
    touch "$environment/complete"
fi
# -B: no compiled files in the checkout.
exec "$environment/bin/python" -B "$here/check.py" "$policy" "$root/tests/guests/hostile.wasm"
