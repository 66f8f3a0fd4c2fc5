//! Every attack, with what becomes of it.
//!
//! They run again and again against the library (`endurance.rs`), and each through the built
//! program (`tests/e2e/hostile_policies.rs`). `README.md` says which is for what.

use poolwarden::Fault;

/// Something that a hostile policy tries.
pub(crate) struct Attack {
    /// What that is.
    pub(crate) tries: &'static str,
    pub(crate) guest: Guest,
    pub(crate) ends: Ends,
    pub(crate) how: How,
}

/// Who tries it.
pub(crate) enum Guest {
    /// `tests/guests/hostile`, with this attack and these settings.
    ///
    /// In a setting's value `$pid0` and `$pid1` are the pids of the workers `w0` and `w1`,
    /// `$entry0` and `$entry1` their entries, and `$made0` is when the first was made. `$bare0` is
    /// the first entry without what poolwarden does not know, and `$other` the key of another
    /// program beside `sessions`.
    Hostile(&'static str, &'static [(&'static str, &'static str)]),
    /// A component in the text format: what it imports, and what it does. See `Guest` in
    /// `tests/loading/guest.rs`.
    Text(&'static str, &'static str),
}

/// What becomes of it.
pub(crate) enum Ends {
    /// The policy is ended at a limit or fails, in this way, told in these words.
    Fault(fn(&Fault) -> bool, &'static str),
    /// The host refuses, in these words.
    Refused(&'static str),
    /// The operator did not grant it; the words name the grant.
    Denied(&'static str),
    /// It has achieved nothing that it may not, and reports this, which is an answer to no verb.
    Nothing(&'static str),
}

/// What else there is to know about it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Plain,
    /// By a policy that has no grants.
    Ungranted,
    /// By a policy that may write and signal, and not dismiss.
    Undismissing,
    /// In a `status`.
    AskedForStatus,
    /// In a `stop` of `w0` by TERM and without force.
    AskedToStop,
    /// The same, of a worker that takes no notice of TERM.
    AskedToStopStubborn,
    /// In a `stop` of `w1`.
    AskedToStopAnother,
    /// In a request that lets the entry of `w0` go.
    Forgetting,
    /// In a request to register the session `new` with the process of `w1`.
    Registering,
    /// The worker `w0` is ended by it, as the operator granted.
    EndsWorker,
    /// It takes ten seconds to exceed the limit on the guest's processor time.
    Computes,
    /// The limit on the host's work is not met by the program's limits in less than a minute.
    HostWorks,
    /// The limit cannot be met before another one by the program's limits.
    Shadowed,
}

/// The attacked worker, and that an error is to be passed on.
const OWN: &[(&str, &str)] = &[("sid", "w0"), ("pid", "$pid0"), ("pass-on", "yes")];

/// An attack of the hostile guest on `w0`, or with settings of its own.
macro_rules! hostile {
    ($attack:literal) => {
        Guest::Hostile($attack, super::OWN)
    };
    ($attack:literal, $($name:literal = $value:literal),+) => {
        Guest::Hostile($attack, &[$(($name, $value)),+, ("pass-on", "yes")])
    };
}

mod answers;
mod limits;
mod outside;
mod rules;

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Attack> {
    [
        limits::LIMITS,
        rules::RULES,
        outside::OUTSIDE,
        answers::ANSWERS,
    ]
    .into_iter()
    .flatten()
}

/// Those that make up what clients are told.
pub(crate) fn made_up() -> impl Iterator<Item = &'static Attack> {
    answers::ANSWERS.iter()
}

const fn attack(tries: &'static str, guest: Guest, ends: Ends) -> Attack {
    attack_of(How::Plain, tries, guest, ends)
}

const fn attack_of(how: How, tries: &'static str, guest: Guest, ends: Ends) -> Attack {
    Attack {
        tries,
        guest,
        ends,
        how,
    }
}

/// The policy trapped, told in these words.
const fn trap(words: &'static str) -> Ends {
    Ends::Fault(|fault| matches!(fault, Fault::Trap(_)), words)
}
