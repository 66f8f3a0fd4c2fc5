# Helpers of .ci/run: steps with headings and times, jobs in the background.

current_step="setup"
declare -A job_pids=() job_logs=() made=()
logs=$(mktemp -d)

# Runs a command as one step. Nothing may be put before or behind the call that tests its
# status: `set -e` would be off inside, and a failure in its middle would go unnoticed.
step() {
    current_step=$1
    shift
    local start=$SECONDS
    printf '\n=== %s\n' "$current_step"
    "$@"
    printf -- '--- %s: %d s\n' "$current_step" "$((SECONDS - start))"
}

# Makes what several steps build on, once in a run.
needs() {
    [ -z "${made[$1]-}" ] || return 0
    "$1"
    made[$1]=yes
}

# Starts a job beside the steps, in a process group of its own. Its output goes to a file.
background() {
    local name=$1
    shift
    job_logs[$name]=$logs/$name.log
    setsid nice -n 15 "$@" >"${job_logs[$name]}" 2>&1 &
    job_pids[$name]=$!
}

# Waits for all jobs; prints the output of those that fail, and then fails.
await_background() {
    local name status failed=0
    for name in "${!job_pids[@]}"; do
        status=0
        wait "${job_pids[$name]}" || status=$?
        unset "job_pids[$name]"
        if [ "$status" -eq 0 ]; then
            echo "$name: $(tail -n 1 "${job_logs[$name]}")"
        else
            echo "$name failed with status $status:"
            sed 's/^/    /' "${job_logs[$name]}"
            failed=1
        fi
    done
    return "$failed"
}

# Runs a command for a limited number of seconds, then ends it and what it started. Its
# process group is its own; waited for like a job, so that a signal to this run ends it too.
bounded() {
    local status=0
    timeout --kill-after=10 "$@" &
    job_pids[bounded]=$!
    wait "$!" || status=$?
    unset "job_pids[bounded]"
    return "$status"
}

# Runs a command exactly as the README gives it, in an `sh` block; comments do not count.
readme_command() {
    if ! awk '/^```sh$/ { inside = 1; next } /^```/ { inside = 0 } inside' README.md |
        sed 's/[[:space:]]*#.*//' | grep -Fxq -- "$1"; then
        echo "README.md does not give the command: $1" >&2
        return 1
    fi
    bounded 1200 bash -c "$1"
}

# What git sees as changed or new; empty where this is no git checkout.
tree_state() {
    git status --porcelain 2>/dev/null || true
}

# Says where a run failed, and ends the jobs that this run started.
finish() {
    local status=$? pid
    for pid in "${job_pids[@]}"; do
        # The group, or the job alone when it was too young to have one.
        kill -- "-$pid" 2>/dev/null || kill "$pid" 2>/dev/null || true
    done
    rm -rf "$logs"
    if [ "$status" -ne 0 ]; then
        printf '\nci: FAILED in the step "%s" (status %d)\n' "$current_step" "$status"
    fi
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
