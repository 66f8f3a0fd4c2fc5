use poolwarden_policy::testing::{FakeHost, Manners, answer};
use poolwarden_policy::{Failure, Policy, Settings, Signal, Standing};
use serde_json::{Value, json};

use super::AgeLimit;

const HOUR: u64 = 3600;

/// A pool with one worker of this age, in seconds.
fn pool(age: u64) -> FakeHost {
    let mut host = FakeHost::with_sessions(&[("a", 101, Standing::Alive)]);
    host.change(101, |process| {
        process.started = Some(FakeHost::NOW - age);
        process.manners = Manners::EndsOnKill;
    });
    host.with_setting("max-age", "8h")
}

fn ensure(host: &FakeHost) -> Value {
    answer(host.configured::<AgeLimit>().ensure(host, false))
}

#[test]
fn an_old_worker_is_asked_to_end_once_and_kept_until_it_is_dead() {
    let host = pool(8 * HOUR);
    let first = ensure(&host);
    assert_eq!(
        first["dismissed"],
        json!([{
            "sid": "a",
            "pid": 101,
            "signal": "SIGTERM",
            "reason": "it has run for max-age or longer",
            "outcome": "signalled",
        }])
    );
    for later in [first, ensure(&host)] {
        assert_eq!(later["sessions"][0]["status"], "stopping");
    }
    let terms = |call: &&String| *call == "send 101 Term";
    assert_eq!(host.calls().iter().filter(terms).count(), 1);
    assert_eq!(host.sids(), ["a"]);

    host.processes.borrow_mut().clear();
    assert_eq!(ensure(&host)["removed"][0]["sid"], "a");
}

#[test]
fn whoever_is_younger_or_of_unknown_age_stays() {
    let mut unknown = pool(8 * HOUR);
    unknown.change(101, |process| process.started = None);
    for host in [pool(8 * HOUR - 1), unknown] {
        assert_eq!(ensure(&host).get("dismissed"), None);
    }
}

#[test]
fn one_that_takes_no_notice_is_killed_when_its_time_is_over() {
    let host = pool(8 * HOUR).with_setting("kill-after", "30s");
    ensure(&host);
    host.elapsed.set(29);
    assert_eq!(ensure(&host).get("dismissed"), None);
    host.elapsed.set(30);
    assert_eq!(ensure(&host)["dismissed"][0]["signal"], "SIGKILL");
    assert_eq!(ensure(&host)["removed"][0]["standing"], "exited");
}

#[test]
fn somebody_elses_stop_of_a_young_worker_is_left_alone() {
    let mut host = pool(HOUR).with_setting("kill-after", "30s");
    host.change(101, |process| process.was_sent(Signal::Term, 60));
    assert_eq!(ensure(&host).get("dismissed"), None);
}

#[test]
fn without_its_setting_it_is_the_shipped_policy() {
    let mut host = pool(8 * HOUR);
    host.settings.clear();
    assert_eq!(ensure(&host).get("dismissed"), None);
}

#[test]
fn a_setting_that_is_not_understood_fails_the_request() {
    let host = pool(0).with_setting("max-age", "eight");
    let result = AgeLimit::configure(&Settings::of(&host));
    let Err(Failure::Rejected(why)) = result else {
        panic!("it was understood");
    };
    assert!(why.contains("max-age") && why.contains("eight"), "{why}");
}

#[test]
fn it_says_what_it_reads() {
    let settings = AgeLimit::describe().settings;
    let names: Vec<_> = settings.iter().map(|setting| &*setting.name).collect();
    assert_eq!(names, ["max-age", "kill-after"]);
}
