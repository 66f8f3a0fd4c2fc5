mod deciding;
mod retiring;
mod waiting;

use serde_json::{Value, json};

use super::*;
use crate::host::Standing;
use crate::policy::DefaultPolicy;
use crate::testing::{FakeHost, Manners, answer, entry, rejection};

fn stop(host: &FakeHost, options: &StopOptions) -> Result<String, Failure> {
    super::stop(&DefaultPolicy, host, options)
}

const GRACE: u64 = 700;

fn all() -> StopOptions {
    StopOptions {
        sid: None,
        signal: Signal::Term,
        group: false,
        grace: GRACE,
        force: false,
        dry_run: false,
    }
}

fn only(sid: &str) -> StopOptions {
    StopOptions {
        sid: Some(sid.to_owned()),
        ..all()
    }
}

fn forced() -> StopOptions {
    StopOptions {
        force: true,
        ..all()
    }
}

fn unwaited() -> StopOptions {
    StopOptions { grace: 0, ..all() }
}

fn one() -> FakeHost {
    FakeHost::with_sessions(&[("a", 101, Standing::Alive)])
}

fn one_that(manners: Manners) -> FakeHost {
    let mut host = one();
    host.change(101, |process| process.manners = manners);
    host
}

/// The only outcome's word.
fn outcome(answer: &Value) -> &str {
    let [outcome] = answer["outcomes"].as_array().expect("a list").as_slice() else {
        panic!("one outcome in {answer}");
    };
    outcome["outcome"].as_str().expect("a word")
}

/// The only error's text.
fn error(answer: &Value) -> &str {
    let [error] = answer["errors"].as_array().expect("a list").as_slice() else {
        panic!("one error in {answer}");
    };
    error.as_str().expect("a text")
}
