//! Stores of one's own.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use poolwarden::answer::SessionStatus;
use poolwarden::process::Signal;
use poolwarden::store::{
    Durability, Ledger, LedgerWrite, LockedStore, MemoryStore, Store, StoreError, StoreErrorKind,
    Trail,
};
use poolwarden::{Cancel, Error, Pool, Request};
use serde_json::json;

use crate::parts::{HOSTILE, Rehearsal, SHIPPED, cancel, part, reported, stop};

/// A pool in memory, some of whose operations fail as long as they are told to.
#[derive(Clone, Default)]
struct Failing {
    store: MemoryStore,
    fails: Arc<Fails>,
}

#[derive(Default)]
struct Fails {
    lock: AtomicBool,
    replace: AtomicBool,
    ledger: AtomicBool,
    trail: AtomicBool,
}

fn check(fails: &AtomicBool, what: &str) -> Result<(), StoreError> {
    if fails.load(Ordering::SeqCst) {
        let error = format!("the shelf cannot {what}");
        return Err(StoreError::own(StoreErrorKind::System, error));
    }
    Ok(())
}

impl Failing {
    /// The pool of a rehearsal, kept here.
    fn of(rehearsal: &Rehearsal) -> (Self, Pool) {
        let failing = Self {
            store: rehearsal.store.clone(),
            fails: Arc::default(),
        };
        let builder = rehearsal.builder().store(Arc::new(failing.clone()));
        (failing, builder.build(SHIPPED.clone()))
    }
}

impl Store for Failing {
    fn lock(&self, wait: Duration, cancel: &Cancel) -> Result<Box<dyn LockedStore>, StoreError> {
        check(&self.fails.lock, "be reached")?;
        Ok(Box::new(Locked {
            locked: self.store.lock(wait, cancel)?,
            fails: self.fails.clone(),
        }))
    }
}

struct Locked {
    locked: Box<dyn LockedStore>,
    fails: Arc<Fails>,
}

impl LockedStore for Locked {
    fn read_registry(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.locked.read_registry()
    }

    fn replace_registry(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        check(&self.fails.replace, "take another registry")?;
        self.locked.replace_registry(bytes)
    }

    fn read_ledger(&self) -> Ledger {
        self.locked.read_ledger()
    }

    fn write_ledger(&mut self, ledger: &Ledger) -> Result<LedgerWrite, StoreError> {
        check(&self.fails.ledger, "take another ledger")?;
        self.locked.write_ledger(ledger)
    }

    fn trail(&self) -> Arc<dyn Trail> {
        Arc::new(Torn {
            trail: self.locked.trail(),
            fails: self.fails.clone(),
        })
    }
}

struct Torn {
    trail: Arc<dyn Trail>,
    fails: Arc<Fails>,
}

impl Trail for Torn {
    fn append(
        &self,
        lines: &[u8],
        durability: Durability,
        wait: Duration,
        cancel: Option<&Cancel>,
    ) -> Result<(), StoreError> {
        check(&self.fails.trail, "take a line")?;
        self.trail.append(lines, durability, wait, cancel)
    }
}

fn set(fails: &AtomicBool, to: bool) {
    fails.store(to, Ordering::SeqCst);
}

#[test]
fn a_busy_one_is_told_from_one_that_cannot_be_reached() {
    let rehearsal = Rehearsal::new();
    let (failing, pool) = Failing::of(&rehearsal);
    let held = rehearsal.store.lock(Duration::ZERO, &cancel());
    let held = held.expect("the lock");
    let busy = pool.status(None, &cancel());
    assert!(
        matches!(&busy, Err(Error::Busy(why)) if why.contains("try again")),
        "{busy:?}"
    );
    drop(held);
    set(&failing.fails.lock, true);
    let unreachable = pool.status(None, &cancel());
    assert!(
        matches!(&unreachable, Err(Error::System(why)) if why == "the shelf cannot be reached"),
        "{unreachable:?}"
    );
    set(&failing.fails.lock, false);
    pool.status(None, &cancel()).expect("it is free");
}

#[test]
fn one_that_fails_to_replace_leaves_everything_as_it_was() {
    let rehearsal = Rehearsal::new();
    let (failing, pool) = Failing::of(&rehearsal);
    let actor = rehearsal.with_worker("a", 77);
    rehearsal.stage.enter(78).expect("a pipe");
    let before = rehearsal.store.registry();
    set(&failing.fails.replace, true);

    match pool.register(part("b", 78), &cancel()) {
        Err(Error::System(why)) => assert_eq!(why, "the shelf cannot take another registry"),
        other => panic!("{other:?}"),
    }
    let stopped = pool.stop(stop("a"), &cancel()).expect("an answer");
    let [error] = stopped.errors.as_slice() else {
        panic!("{stopped:?}");
    };
    assert!(error.contains("the shelf cannot take another registry"));
    assert_eq!(rehearsal.store.registry(), before);

    // The worker was signalled before, and the trail says that, and what failed.
    assert_eq!(actor.heard(), [Signal::Term]);
    let lines = rehearsal.trail();
    let results: Vec<_> = lines
        .iter()
        .filter_map(|line| line["result"].as_str())
        .collect();
    let removal = "failed: the shelf cannot take another registry";
    assert_eq!(results, ["sent", removal]);

    // The lock is free, and the next request goes on where this one broke off.
    set(&failing.fails.replace, false);
    let listed = pool.status(None, &cancel()).expect("listed");
    assert!(listed.sessions.is_empty());
    assert_eq!(listed.removed[0].sid, "a");
}

#[test]
fn what_it_cannot_record_does_not_happen() {
    let rehearsal = Rehearsal::new();
    let (failing, pool) = Failing::of(&rehearsal);
    let (actor, dead) = (
        rehearsal.with_worker("a", 77),
        rehearsal.with_worker("dead", 78),
    );
    dead.leave().expect("a pipe");
    let before = rehearsal.store.registry();
    set(&failing.fails.trail, true);

    let stopped = pool.stop(stop("a"), &cancel());
    let text = format!("{stopped:?}");
    assert!(text.contains("no signal was sent"), "{text}");
    assert!(text.contains("the shelf cannot take a line"), "{text}");
    assert!(actor.heard().is_empty());
    let listed = pool.status(None, &cancel());
    let text = format!("{listed:?}");
    assert!(text.contains("the registry was not changed"), "{text}");
    assert_eq!(rehearsal.store.registry(), before);
}

#[test]
fn one_that_loses_its_ledger_costs_proof_and_no_request() {
    let rehearsal = Rehearsal::new();
    let (failing, pool) = Failing::of(&rehearsal);
    set(&failing.fails.ledger, true);
    rehearsal.stage.enter(77).expect("a pipe");
    pool.register(part("a", 77), &cancel()).expect("registered");
    assert_eq!(rehearsal.store.ledger().rows().len(), 0);
    set(&failing.fails.ledger, false);
    // What was proven anew is kept.
    let listed = pool.status(None, &cancel()).expect("listed");
    assert_eq!(listed.sessions[0].status, SessionStatus::Running);
    assert_eq!(rehearsal.store.ledger().rows().len(), 1);
}

/// What the host refuses a policy, it refuses over any store.
#[test]
fn the_floor_holds_over_it() {
    let rehearsal = Rehearsal::new();
    let actor = rehearsal.with_worker("a", 77);
    let before = rehearsal.store.registry();
    let text = String::from_utf8(before.clone().unwrap_or_default()).expect("text");
    let entry = json!({"sid": "b", "pid": 2, "sock": "", "version": "", "created_at": ""});
    let forged = text.replace("}]", &format!("}},{entry}]"));
    for (with, why) in [("{\"sessions\":[]}\n", "\"a\""), (&forged, "\"b\"")] {
        let pool = rehearsal
            .builder()
            .grants(poolwarden::Grants::shipped().with_dismiss())
            .setting("attack", "replace")
            .setting("with", with)
            .build(HOSTILE.clone());
        let answer = pool.call(Request::Ensure { dry_run: false }, &cancel());
        let value = reported(answer);
        let said = value["said"].as_str().expect("what the host said");
        assert!(
            said.starts_with("refused: ") && said.contains(why),
            "{said}"
        );
        assert_eq!(rehearsal.store.registry(), before);
    }
    assert!(actor.heard().is_empty());
}

#[test]
fn only_a_directory_is_watched() {
    let rehearsal = Rehearsal::new();
    let error = rehearsal
        .pool()
        .watch(&cancel(), |_| ControlFlow::Break(()))
        .expect_err("there is nothing to watch");
    assert!(matches!(error, Error::System(_)), "{error:?}");
    assert!(
        error.to_string().contains("not kept in a directory"),
        "{error}"
    );
}
