//! Policies that decide differently in one point, and what stays the library's.

use serde_json::{Value, json};

use super::*;
use crate::host::{Error, Signal, Standing};
use crate::testing::{FakeHost, Manners, Process, answer, rejection};

/// Dismisses everybody who runs, with this signal.
struct Dismissive(Signal);

impl Default for Dismissive {
    fn default() -> Self {
        Self(Signal::Term)
    }
}

impl Policy for Dismissive {
    fn dismiss(&self, pool: &Pool<'_>) -> Vec<Dismissal> {
        pool.running()
            .map(|worker| worker.dismiss(self.0, "enough"))
            .collect()
    }
}

/// Kills nobody.
#[derive(Default)]
struct Merciful;

impl Policy for Merciful {
    fn dismiss(&self, pool: &Pool<'_>) -> Vec<Dismissal> {
        Dismissive(Signal::Kill).dismiss(pool)
    }

    fn before_kill<H: Host>(
        &self,
        host: &H,
        worker: &Entry<'_>,
        target: &H::Target,
    ) -> Result<(), String> {
        host.send(target, Signal::Quit)
            .map_err(|error| format!("{error:?}"))?;
        Err(format!("{} is spared", worker.sid))
    }
}

/// Admits as many as there are letters in the new sid.
#[derive(Default)]
struct Picky;

impl Policy for Picky {
    fn admit(&self, pool: &Pool<'_>, new: &NewEntry) -> Result<(), String> {
        let room = new.sid.len();
        match pool.kept().count() {
            count if count < room => Ok(()),
            count => Err(format!("{count} are there already")),
        }
    }
}

/// Stops nobody whose sid begins with `keep`.
#[derive(Default)]
struct Protective;

impl Policy for Protective {
    fn verdict(&self, worker: &Surveyed<'_>, options: &StopOptions) -> StopVerdict {
        if worker.entry.sid.starts_with("keep") {
            return StopVerdict::Refuse("it is protected".to_owned());
        }
        DefaultPolicy.verdict(worker, options)
    }
}

fn two() -> FakeHost {
    FakeHost::with_sessions(&[("a", 101, Standing::Alive), ("b", 102, Standing::Gone)])
}

fn stop() -> StopOptions {
    StopOptions {
        sid: None,
        signal: Signal::Term,
        group: false,
        grace: 700,
        force: true,
        dry_run: false,
    }
}

fn new(sid: &str) -> NewEntry {
    NewEntry {
        sid: sid.to_owned(),
        pid: 200,
        sock: String::new(),
        version: String::new(),
    }
}

/// The answer's only dismissal.
fn dismissed(answer: &Value) -> &Value {
    match answer["dismissed"].as_array().map(Vec::as_slice) {
        Some([one]) => one,
        other => panic!("one dismissal in {other:?}"),
    }
}

#[test]
fn a_policy_that_overrides_nothing_is_the_shipped_one() {
    #[derive(Default)]
    struct Same;
    impl Policy for Same {}
    let (ours, theirs) = (two(), two());
    let policy: Same = ours.configured();
    assert_eq!(Same::describe().name, "default");
    assert_eq!(
        answer(policy.ensure(&ours, false)),
        answer(verbs::ensure(&DefaultPolicy, &theirs, false))
    );
    assert_eq!(
        answer(policy.stop(&ours, &stop())),
        answer(verbs::stop(&DefaultPolicy, &theirs, &stop()))
    );
    assert_eq!(ours.calls(), theirs.calls());
}

#[test]
fn the_shipped_policy_is_the_default_one_and_reads_no_settings() {
    let description = DefaultPolicy::describe();
    assert_eq!(description.name, "default");
    assert_eq!(description.version, env!("CARGO_PKG_VERSION"));
    assert!(description.settings.is_empty());
}

#[test]
fn a_description_lists_settings() {
    let description = description("mine", "1.0", &[("limit", "how many; none by default")]);
    assert_eq!((&*description.name, &*description.version), ("mine", "1.0"));
    assert_eq!(description.settings[0].name, "limit");
    assert_eq!(
        description.settings[0].description,
        "how many; none by default"
    );
}

#[test]
fn the_dismissed_are_signalled_after_the_dead_are_dropped_and_keep_their_entries() {
    let host = two();
    assert_eq!(
        answer(Dismissive::default().ensure(&host, false)),
        json!({
            "sessions": [{"sid":"a","pid":101,"sock":"/run/a.sock","version":"1.2.3","status":"stopping"}],
            "pool_version": POOL_VERSION,
            "removed": [{"sid":"b","pid":102,"standing":"gone","evidence":"found gone"}],
            "dismissed": [{"sid":"a","pid":101,"signal":"SIGTERM","reason":"enough","outcome":"signalled"}],
        })
    );
    assert_eq!(
        host.calls(),
        [
            "begin",
            "read",
            "inspect 101,102",
            "replace",
            "open a 101",
            "send 101 Term",
            "send 101 Cont",
        ]
    );
    assert!(!host.is_locked());
    let next = answer(Dismissive::default().ensure(&host, false));
    assert_eq!(next["removed"][0]["sid"], "a", "it is found dead");
    assert_eq!(next.get("dismissed"), None);
}

#[test]
fn a_signal_that_asks_nobody_to_end_leaves_a_worker_running() {
    let host = two();
    let answer = answer(Dismissive(Signal::Usr1).ensure(&host, false));
    assert_eq!(dismissed(&answer)["signal"], "SIGUSR1");
    assert_eq!(answer["sessions"][0]["status"], "running");
}

#[test]
fn a_dry_run_says_who_would_be_dismissed() {
    let host = two();
    let answer = answer(Dismissive::default().ensure(&host, true));
    assert_eq!(dismissed(&answer)["outcome"], "would-signal");
    assert_eq!(answer["sessions"][0]["status"], "running");
    assert_eq!(
        host.calls(),
        ["begin", "read", "inspect 101,102", "open a 101"]
    );
}

#[test]
fn a_dismissal_that_fails_is_reported_and_logged() {
    for (error, outcome) in [
        (Error::Denied("no grant".into()), "refused"),
        (Error::Refused("no grant".into()), "refused"),
        (Error::System("no grant".into()), "failed"),
    ] {
        let mut host = two();
        host.change(101, |process| {
            process.send.insert(Signal::Term, error);
        });
        let answer = answer(Dismissive::default().ensure(&host, false));
        assert_eq!(dismissed(&answer)["outcome"], outcome);
        assert_eq!(dismissed(&answer)["evidence"], "no grant");
        assert_eq!(answer["sessions"][0]["status"], "running");
        let warning = "warn ensure: sid=a: SIGTERM was not sent: no grant".to_owned();
        assert!(host.calls().contains(&warning), "{:?}", host.calls());
    }
}

#[test]
fn nobody_is_dismissed_where_the_dead_cannot_be_dropped() {
    let mut host = two();
    let denied = Error::Denied("no grant".into());
    host.failures.insert(("replace", 0), denied);
    let result = Dismissive::default().ensure(&host, false);
    assert!(matches!(result, Err(Failure::Host(Error::Denied(_)))));
    assert!(!host.calls().iter().any(|call| call.starts_with("open")));
}

#[test]
fn a_withdrawn_request_ends_at_once() {
    let mut host =
        FakeHost::with_sessions(&[("a", 101, Standing::Alive), ("b", 102, Standing::Alive)]);
    let cancelled = Error::Cancelled("withdrawn".into());
    host.failures.insert(("open", 0), cancelled);
    let result = Dismissive::default().ensure(&host, false);
    assert!(matches!(result, Err(Failure::Host(Error::Cancelled(_)))));
    assert_eq!(host.calls().last().map(String::as_str), Some("open a 101"));
    assert!(!host.is_locked());
}

#[test]
fn what_comes_before_a_kill_can_prevent_it() {
    let mut host = FakeHost::with_sessions(&[("a", 101, Standing::Alive)]);
    host.change(101, |process| process.manners = Manners::EndsOnKill);
    let stopped = answer(Merciful.stop(&host, &stop()));
    assert_eq!(stopped["outcomes"][0]["outcome"], "still-running");
    let error = stopped["errors"][0].as_str().expect("an error");
    assert!(error.contains("is not killed: a is spared"), "{error}");
    let signals = |host: &FakeHost| -> Vec<String> {
        let calls = host.calls().into_iter();
        calls.filter(|call| call.starts_with("send")).collect()
    };
    let sent = ["send 101 Term", "send 101 Cont", "send 101 Quit"];
    assert_eq!(signals(&host), sent);

    let killing = StopOptions {
        signal: Signal::Kill,
        ..stop()
    };
    let mut host = FakeHost::with_sessions(&[("a", 101, Standing::Alive)]);
    host.change(101, |process| process.manners = Manners::EndsOnKill);
    let stopped = answer(Merciful.stop(&host, &killing));
    assert_eq!(stopped["outcomes"][0]["outcome"], "refused");
    assert_eq!(signals(&host), ["send 101 Quit"]);

    let mut host = FakeHost::with_sessions(&[("a", 101, Standing::Alive)]);
    host.change(101, |process| process.manners = Manners::EndsOnKill);
    let answer = answer(Merciful.ensure(&host, false));
    assert_eq!(dismissed(&answer)["evidence"], "a is spared");
    assert_eq!(signals(&host), ["send 101 Quit"]);
}

#[test]
fn a_newcomer_that_is_not_admitted_changes_nothing() {
    let mut host = two();
    host.process(200, Process::new(Standing::Alive));
    let why = rejection(Picky.register(&host, &new("n")));
    assert_eq!(why, "1 are there already");
    assert_eq!(
        host.calls(),
        ["begin", "read", "inspect 200", "inspect 101,102"]
    );
    assert!(!host.is_locked());
}

#[test]
fn a_policy_that_looks_at_the_pool_has_its_dead_dropped_with_the_newcomer() {
    let mut host = FakeHost::with_sessions(&[
        ("a", 101, Standing::Alive),
        ("b", 102, Standing::Gone),
        ("new", 103, Standing::Exited),
    ]);
    host.process(200, Process::new(Standing::Alive));
    let answer = answer(Picky.register(&host, &new("new")));
    assert_eq!(answer["registered"]["pid"], 200);
    assert_eq!(answer["replaced"]["pid"], 103);
    assert_eq!(
        answer["removed"],
        json!([{"sid":"b","pid":102,"standing":"gone","evidence":"found gone"}])
    );
    assert_eq!(host.sids(), ["a", "new"]);
    let replaces = host
        .calls()
        .iter()
        .filter(|call| *call == "replace")
        .count();
    assert_eq!(replaces, 1);
}

#[test]
fn a_protected_worker_is_neither_stopped_nor_dismissed() {
    let host = FakeHost::with_sessions(&[
        ("a", 101, Standing::Alive),
        ("keep me", 102, Standing::Alive),
    ]);
    let answer = answer(Protective.stop(&host, &stop()));
    assert_eq!(answer["stopped"], json!(["a"]));
    let error = "sid=keep me: not signalled, its entry is kept: it is protected";
    assert_eq!(answer["errors"], json!([error]));
    assert_eq!(host.sids(), ["keep me"]);
}

#[test]
fn a_clock_that_was_stepped_back_makes_nobody_old() {
    #[derive(Default)]
    struct Ages;
    impl Policy for Ages {
        fn dismiss(&self, pool: &Pool<'_>) -> Vec<Dismissal> {
            let now = pool.now();
            let describe = |worker: &Surveyed<'_>| {
                let reason = format!("{:?} {:?}", worker.age(now), worker.since_signal(now));
                worker.dismiss(Signal::Usr1, reason)
            };
            pool.kept().map(|(worker, _)| describe(worker)).collect()
        }
    }
    let mut host = FakeHost::with_sessions(&[("a", 101, Standing::Alive)]);
    let reason = |host: &FakeHost| dismissed(&answer(Ages.ensure(host, false)))["reason"].clone();
    assert_eq!(reason(&host), "None None");
    host.change(101, |process| {
        process.started = Some(FakeHost::NOW - 90);
        process.was_sent(Signal::Term, 30);
    });
    assert_eq!(reason(&host), "Some(90s) Some(30s)");
    host.change(101, |process| process.started = Some(FakeHost::NOW + 90));
    assert_eq!(reason(&host), "Some(0ns) Some(30s)");
}
