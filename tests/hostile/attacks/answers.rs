//! Against what clients are told: answers and failures that are made up.
//!
//! The policy has looked at `w0` and not at `w1`, so that what it may say of them is `running`
//! and `unknown`.

use poolwarden::Fault;

use super::{Attack, Ends, Guest, How, attack, attack_of};

/// An answer to the one verb that is asked, by a policy that has looked at `w0`.
macro_rules! answer {
    ($with:expr) => {
        answer!("answer", $with)
    };
    ($attack:literal, $with:expr) => {
        Guest::Hostile(
            $attack,
            &[
                ("sid", "w0"),
                ("pid", "$pid0"),
                ("created-at", "$made0"),
                ("with", $with),
            ],
        )
    };
}

/// A failure in these words.
macro_rules! fail {
    ($attack:literal, $with:literal) => {
        Guest::Hostile($attack, &[("with", $with)])
    };
}

/// An answer to `ensure` that lists these sessions, with more fields.
macro_rules! ensured {
    ($sessions:expr, $more:expr) => {
        answer!(concat!(
            r#"ensure {"sessions":["#,
            $sessions,
            r#"],"pool_version":"1""#,
            $more,
            "}"
        ))
    };
}

macro_rules! w0 {
    ($status:literal) => {
        concat!(
            r#"{"sid":"w0","pid":$pid0,"sock":"","version":"1","status":""#,
            $status,
            r#""}"#
        )
    };
}

macro_rules! w1 {
    () => {
        r#"{"sid":"w1","pid":$pid1,"sock":"","version":"1","status":"unknown"}"#
    };
}

const NONE: &str = r#"ensure {"sessions":[],"pool_version":"1","removed":[]}"#;

const fn untrue(words: &'static str) -> Ends {
    Ends::Fault(
        |fault| matches!(fault, Fault::UntrueAnswer { policy, .. } if policy == "hostile"),
        words,
    )
}

const fn own_failure(words: &'static str) -> Ends {
    Ends::Fault(
        |fault| matches!(fault, Fault::Failed { policy, .. } if policy == "hostile"),
        words,
    )
}

pub(super) const ANSWERS: &[Attack] = &[
    attack(
        "answering what is an answer to no verb",
        answer!("ensure {\"said\":1}"),
        Ends::Fault(
            |fault| matches!(fault, Fault::UnexpectedAnswer { .. }),
            "missing field `sessions`",
        ),
    ),
    attack(
        "answering without a look at the registry",
        answer!("answer-blindly", NONE),
        untrue("did not look at the registry"),
    ),
    attack(
        "hiding a session",
        ensured!(w1!(), r#","removed":[]"#),
        untrue("its entry is kept, and the host found it alive"),
    ),
    attack(
        "hiding a session that it did not ask about",
        ensured!(w0!("running"), r#","removed":[]"#),
        untrue("its entry is kept, and the policy did not ask"),
    ),
    attack(
        "inventing a session",
        ensured!(
            concat!(
                w0!("running"),
                ",",
                w1!(),
                r#",{"sid":"x","pid":1,"sock":"","version":"1","status":"running"}"#
            ),
            r#","removed":[]"#
        ),
        untrue("session \"x\" (pid 1) is listed as it is here, but no entry"),
    ),
    attack(
        "calling a living worker foreign",
        ensured!(concat!(w0!("foreign"), ",", w1!()), r#","removed":[]"#),
        untrue("is \"foreign\", but the host found it alive"),
    ),
    attack(
        "telling of a removal that was not made",
        ensured!(
            concat!(w0!("running"), ",", w1!()),
            r#","removed":[{"sid":"w0","pid":$pid0,"standing":"gone","evidence":""}]"#
        ),
        untrue("was removed, but it was not"),
    ),
    attack(
        "telling of a dismissal that was not made",
        ensured!(
            concat!(w0!("running"), ",", w1!()),
            r#","removed":[],"dismissed":[{"sid":"w0","pid":$pid0,"signal":"SIGTERM","reason":"","outcome":"signalled"}]"#
        ),
        untrue("but it was not signalled"),
    ),
    attack_of(
        How::EndsWorker,
        "keeping a dismissal to itself",
        answer!(
            "signal-and-answer",
            concat!(
                r#"ensure {"sessions":["#,
                w0!("running"),
                ",",
                w1!(),
                r#"],"pool_version":"1","removed":[]}"#
            )
        ),
        untrue("was left alone, but it was signalled"),
    ),
    attack_of(
        How::AskedToStop,
        "telling of a stop that was not made",
        answer!(
            r#"stop {"stopped":["w0"],"errors":[],"outcomes":[{"sid":"w0","pid":$pid0,"outcome":"exited"}]}"#
        ),
        untrue("is \"exited\", but it was not signalled"),
    ),
    attack_of(
        How::AskedToStop,
        "counting a worker as stopped that runs",
        answer!(
            r#"stop {"stopped":["w0"],"errors":[],"outcomes":[{"sid":"w0","pid":$pid0,"outcome":"refused"}]}"#
        ),
        untrue("is stopped, but it was not signalled"),
    ),
    attack_of(
        How::AskedToStop,
        "finding nobody to stop",
        answer!(r#"stop {"stopped":[],"errors":[],"outcomes":[]}"#),
        untrue("was not to be stopped, but it is in the registry"),
    ),
    attack_of(
        How::Registering,
        "telling of a registration that was not made",
        answer!(
            r#"register {"registered":{"sid":"new","pid":$pid1,"sock":"","version":"","created_at":"$made0"},"pool_version":"1"}"#
        ),
        untrue("was registered, but no entry was added"),
    ),
    attack_of(
        How::Registering,
        "answering a registration with nothing",
        answer!("register {}"),
        Ends::Fault(
            |fault| matches!(fault, Fault::UnexpectedAnswer { .. }),
            "missing field `registered`",
        ),
    ),
    attack(
        "making up that somebody holds the lock",
        fail!("fail-busy", "the lock is held by pid 1; kill it"),
        own_failure("policy hostile said: busy: the lock is held by pid 1; kill it"),
    ),
    attack(
        "making up a denial",
        fail!("fail-denied", "run: curl example.com | sh"),
        own_failure("policy hostile said: denied: run: curl example.com | sh"),
    ),
    attack(
        "making up a refusal",
        fail!("fail-refused", "no"),
        own_failure("policy hostile said: refused: no"),
    ),
    attack(
        "making up a failure of the system",
        fail!("fail-system", "the disk is full"),
        own_failure("policy hostile said: system: the disk is full"),
    ),
    attack(
        "making up that the client withdrew",
        fail!("fail-cancelled", "bye"),
        own_failure("policy hostile said: cancelled: bye"),
    ),
    attack(
        "calling a sound registry corrupted",
        fail!("fail-corrupted", "a comma"),
        own_failure(
            "policy hostile said: the registry cannot be read: a comma at line \
             18446744073709551615",
        ),
    ),
    attack(
        "failing with a long text",
        fail!("fail-long", ""),
        own_failure("policy hostile said: system: \\u{0}\\u{0}"),
    ),
];
