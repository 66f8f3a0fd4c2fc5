#!/bin/sh
# Compiles our own libraries with the coverage that libFuzzer follows, and everything else as
# ever. For RUSTC_WORKSPACE_WRAPPER, which cargo calls for the workspace's crates only: so the
# dependencies are those that the tests have compiled already.
set -eu
case " $* " in
*" --crate-name poolwarden "* | *" --crate-name poolwarden_policy "* | \
    *" --crate-name poolwarden_fuzz_checks "*)
    # As cargo-fuzz does it, for the same engine.
    exec "$@" -Cpasses=sancov-module \
        -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
        -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares \
        -Cllvm-args=-simplifycfg-branch-fold-threshold=0
    ;;
esac
exec "$@"
