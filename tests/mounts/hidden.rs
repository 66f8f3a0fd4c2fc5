//! A `/proc` that hides the processes of others from an ordinary user (`hidepid`, proc(5)).

use std::fs;

use nix::unistd::geteuid;

use crate::harness::TestPool;
use crate::pids::PidNamespace;

/// The ordinary user.
const USER: u32 = 4321;

/// A pool of an ordinary user in a pid namespace where `hidepid` is on. There, `user` runs a
/// command as that user, `pw` the program on the pool, and `session` does so in a session that
/// begins with the command: below a process of root's.
fn namespace(pool: &TestPool) -> PidNamespace {
    assert!(
        geteuid().is_root(),
        "only root can run commands for another user: run this suite as root"
    );
    let mut namespace = PidNamespace::on(pool);
    let (root, directory) = (pool.root().display(), pool.directory().display());
    // Where the user reaches it, wherever it was built.
    let program = format!("{root}/poolwarden");
    fs::copy(env!("CARGO_BIN_EXE_poolwarden"), &program).expect("a copy");
    let (code, said) = namespace.run(&format!(
        "mount -o remount,hidepid=invisible /proc && chown -R {USER}:{USER} {root} && \
         user() {{ setpriv --reuid {USER} --regid {USER} --clear-groups \"$@\"; }} && \
         pw() {{ user {program} --state-dir {directory} --json \"$@\"; }} && \
         printf '%s\\n' 'setpriv --reuid {USER} --regid {USER} --clear-groups {program} \
         --state-dir {directory} --json \"$@\"' 'exit $?' >{root}/session && \
         session() {{ sh {root}/session \"$@\"; }} && \
         user sh -c 'test ! -e /proc/1'"
    ));
    assert_eq!(code, 0, "hidepid: {said:?}");
    namespace
}

#[test]
fn a_later_session_stops_and_replaces_the_users_workers() {
    let pool = TestPool::new();
    let mut namespace = namespace(&pool);
    for stop in ["stop a", "stop a --force", "stop a --group", "stop --all"] {
        namespace.ask("run --sid a -- sleep 600", 0);
        let (code, said) = namespace.run(&format!("session {stop}"));
        assert_eq!(code, 0, "{stop}: {said:?}");
        assert!(said[0].contains("\"outcome\":\"exited\""), "{said:?}");
    }
    namespace.ask("run --sid a -- sleep 600", 0);
    let (code, said) = namespace.run("session run --sid a --replace -- sleep 600");
    assert_eq!(code, 0, "{said:?}");
    namespace.ask("stop a", 0);
}

/// As with `sudo`: what is between the worker and the program is hidden, and not above it.
#[test]
fn a_worker_that_is_above_a_hidden_process_is_not_signalled() {
    let pool = TestPool::new();
    let mut namespace = namespace(&pool);
    let root = pool.root().display();
    let (code, said) = namespace.run(&format!(
        "cd {root} && install -m 4755 /bin/sh ./like-sudo && user mkfifo cue done && \
         printf '%s\\n' 'read cue <cue' \
         './like-sudo -p -c \"exec >said 2>&1; set -- stop a; . ./session\"' \
         'echo done >done' 'exec sleep 600' >worker"
    ));
    assert_eq!(code, 0, "{said:?}");
    namespace.ask("run --sid a -- sh ./worker", 0);
    let (_, said) = namespace.run("echo go >cue; read done <done; cat said");
    let said = said.join("\n");
    assert!(said.contains("is an ancestor of this program"), "{said}");
    namespace.ask("stop a", 0);
}
