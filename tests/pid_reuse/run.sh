#!/bin/sh
# Forces pid reuse against the host and the shipped policy, at every point of a request.
#
#     tests/pid_reuse/run.sh                    at least 10,000 reuses
#     ROUNDS=1000 tests/pid_reuse/run.sh        one pass over all points, at least 1,000
#
# The suite is host/src/process/tests/reuse. It chooses pids, so it runs alone in a pid
# namespace with a /proc of its own: that takes root, or a kernel that lets everybody make
# user namespaces. Without that it says what is missing and exits with 1.
set -eu
cd "$(dirname "$(realpath "$0")")/../.."

namespace="unshare --pid --fork --kill-child --mount-proc"
if [ "$(id -u)" -ne 0 ]; then
    namespace="unshare --user --map-root-user ${namespace#unshare }"
fi
# What the suite needs there: to choose the next pid.
if ! $namespace sh -c 'echo 1000 >/proc/sys/kernel/ns_last_pid'; then
    cat >&2 <<END
The pid reuse suite cannot run here. This failed: $namespace
It needs to make a pid namespace, to mount a /proc for it, and to write
/proc/sys/kernel/ns_last_pid in it. Run it as root, or where user namespaces are open to
everybody (user.max_user_namespaces above 0, no filter on unshare(2)).
END
    exit 1
fi

# Not with `-p`, which would compile the runtime anew: it unifies features differently.
features=${FEATURES:-poolwarden/privileged-suites}
suite="cargo test --workspace --lib --features $features --locked"
$suite --no-run

# Every request writes and syncs files, which is not what is measured here.
if [ -w /dev/shm ]; then
    export TMPDIR=/dev/shm
fi
export POOLWARDEN_REUSE_ROUNDS="${ROUNDS:-10000}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Cargo has found everything built. One shell stays behind as the namespace's init.
# shellcheck disable=SC2016 # expanded by the inner shell
$namespace sh -c '"$@"; exit $?' sh \
    $suite process::tests::reuse:: -- --nocapture --test-threads=1 2>&1 | tee "$log"

# A filter that matches no test would pass too.
if ! grep -q '^test result: ok. [1-9][0-9]* passed; 0 failed' "$log" ||
    ! grep -q '^[0-9]* reuses forced: 0 signals to strangers, 0 living workers lost, 0 promises broken$' "$log"; then
    echo "the pid reuse suite failed" >&2
    exit 1
fi
