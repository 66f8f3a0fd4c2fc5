#!/usr/bin/env bash
# Builds the fuzz targets with stable Rust and what `cargo test` has compiled, and runs each
# for some seconds, as many at once as there are processors:
#
#   tests/fuzz/run.sh SECONDS [TARGET...]
#
# What it finds new is kept in fuzz/corpus/TARGET of cargo's target folder, for the next run;
# what breaks a promise in fuzz/artifacts. Fails when there is such a thing.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=$1
shift
[ $# -gt 0 ] || set -- $(sed -n 's|^path = "fuzz_targets/\(.*\)\.rs"$|\1|p' tests/fuzz/Cargo.toml)
target=${CARGO_TARGET_DIR:-$PWD/target}
kept=$target/fuzz

# With `--workspace`, the dependencies have the features that the tests have them with.
RUSTC_WORKSPACE_WRAPPER=$PWD/tests/fuzz/instrument.sh \
    cargo build --workspace --locked $(printf -- '--bin %s ' "$@")

# The checks read files, and the engine leaves them behind. In memory, where that is to be
# had: nothing of it has to last.
scratch=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d)
trap 'rm -rf "$scratch"' EXIT

one() {
    local name=$1 log
    log=$scratch/$name.log
    mkdir -p "$kept/corpus/$name" "$kept/artifacts/$name" "$scratch/$name"
    if TMPDIR=$scratch/$name "$target/debug/$name" -max_total_time="$seconds" \
        -timeout=20 -dict=tests/fuzz/json.dict -artifact_prefix="$kept/artifacts/$name/" \
        "$kept/corpus/$name" "tests/fuzz/corpus/$name" >"$log" 2>&1; then
        printf '%-14s%s\n' "$name" "$(grep -a DONE "$log" | cut -f 2-)"
    else
        sed '/ cov: [0-9]* ft: /d' "$log"
        echo "$name: an input breaks a promise; see tests/fuzz/README.md"
        return 1
    fi
}
export -f one
export kept scratch seconds target
printf '%s\n' "$@" | xargs -n 1 -P "$(nproc)" bash -c 'one "$1"' one
