#!/bin/sh
# Builds this policy as a component.
#
#     guest/examples/python/build.sh OUT.wasm
#
# Needs python3 (3.10 or newer) with venv. componentize-py is installed on first use and kept
# in ${XDG_CACHE_HOME:-~/.cache}/poolwarden-ci.
set -eu

version=0.25.1

here=$(dirname "$(realpath "$0")")
out=$(realpath "$1")
environment=${XDG_CACHE_HOME:-$HOME/.cache}/poolwarden-ci/componentize-py-$version
# The marker is made last: an environment whose making was broken off is made anew.
if [ ! -e "$environment/complete" ]; then
    rm -rf "$environment"
    python3 -m venv "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check "componentize-py==$version"
    touch "$environment/complete"
fi
# The interpreter in the component leaves compiled files beside the sources.
sources=$(mktemp -d)
trap 'rm -rf "$sources"' EXIT
cp "$here"/*.py "$sources"
"$environment/bin/componentize-py" --wit-path "$here/../../../wit" --world policy --quiet \
    componentize --python-path "$sources" policy --output "$out"
