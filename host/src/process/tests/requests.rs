//! Whole requests, through the shipped policy, over the fake kernel.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use serde_json::{Value, json};

use super::support::*;
use crate::process::fake::FakeKernel;
use crate::process::kernel::FileKind;
use crate::{Cancel, Policy, PoolBuilder, Request, Stop};

/// The answer to a request on a pool with this one entry, and whether the entry is still
/// there.
fn ask_pool(fake: &Arc<FakeKernel>, request: Request) -> (Value, bool) {
    let directory = tempfile::tempdir().expect("a directory");
    let registry = directory.path().join("registry.json");
    let claim = claim_with_sock();
    let entry = json!({
        "sid": claim.sid, "pid": claim.pid, "sock": claim.sock, "version": "",
        "created_at": claim.created_at,
    });
    let bytes = json!({ "sessions": [entry] }).to_string();
    fs::write(&registry, &bytes).expect("the registry");
    fs::set_permissions(&registry, fs::Permissions::from_mode(0o600)).expect("its mode");
    let pool = PoolBuilder::new(directory.path())
        .processes(Arc::new(processes(fake)))
        .build(Policy::shipped().expect("the shipped policy"));
    let answer = pool.call(request, &Cancel::new().expect("an eventfd"));
    let answer = answer.expect("an answer").value();
    let kept = fs::read_to_string(&registry).expect("the registry") == bytes;
    (answer, kept)
}

/// The file that is read between the proof and the signal.
const LAST_LOOK: &str = "/proc/4711/status";

#[test]
fn who_ends_between_proof_and_signal_gets_none_and_its_entry_goes() {
    let fake = machine();
    fake.race(LAST_LOOK, PID);
    let (answer, kept) = ask_pool(&fake, Request::Stop(Stop::default()));
    assert_eq!(answer["stopped"], json!(["w"]), "{answer}");
    assert_eq!(answer["outcomes"][0]["outcome"], "already-dead");
    assert!(!kept);
    assert_eq!(fake.sent(), []);
}

#[test]
fn who_ends_between_proof_and_signal_while_its_socket_answers_keeps_its_entry() {
    let fake = machine();
    fake.listen(PID, SOCK);
    fake.socket(SOCK, FileKind::Socket, Ok(()));
    fake.race(LAST_LOOK, PID);
    let (answer, kept) = ask_pool(&fake, Request::Stop(Stop::default()));
    assert_eq!(answer["stopped"], json!([]), "{answer}");
    assert_eq!(answer["outcomes"][0]["outcome"], "refused");
    let error = answer["errors"][0].as_str().expect("an error");
    assert!(error.contains("still answers"), "{error}");
    assert!(kept);
    assert_eq!(fake.sent(), []);
}
