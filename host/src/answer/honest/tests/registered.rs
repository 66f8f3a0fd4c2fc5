//! Answers to `register` and `forget`.

use super::*;
use crate::answer::{Forgotten, Registered};
use crate::request::Register;

#[test]
fn who_was_not_added_was_not_registered() {
    let request = Request::Register(Register {
        sid: "a".into(),
        pid: 7,
        sock: "/run/a".into(),
        version: "1".into(),
    });
    let answer = |entry: Value| json!({"registered": entry, "pool_version": "1"});
    let register = |answer: &Value, facts: &Facts| judge::<Registered>(answer, &request, facts);
    let a = entry(&claim("a", 7));
    let mut facts = facts(&[("old", 6, GONE), ("a", 5, GONE)]);
    assert_untrue(register(&answer(a.clone()), &facts), "no entry was added");
    facts.replaced(&[1], Some(&claim("a", 7)));
    assert_eq!(register(&answer(a.clone()), &facts), Ok(()));
    for (field, value) in [
        ("sid", json!("b")),
        ("pid", json!(8)),
        ("sock", json!("")),
        ("created_at", json!("now")),
        ("version", json!("2")),
    ] {
        let mut other = a.clone();
        other[field] = value;
        register(&answer(other), &facts).expect_err(field);
    }
    let mut replaced = answer(a);
    replaced["replaced"] = removed("a", 5, "gone");
    assert_eq!(register(&replaced, &facts), Ok(()));
    replaced["replaced"] = removed("old", 6, "gone");
    assert_untrue(register(&replaced, &facts), "another session");
}

#[test]
fn who_is_still_in_the_registry_was_not_forgotten() {
    let request = Request::Forget {
        sid: "a".into(),
        even_if_alive: true,
        pid: None,
    };
    let answer = |forgotten: &[Value]| json!({"forgotten": forgotten, "pool_version": "1"});
    let forget = |answer: &Value, facts: &Facts| judge::<Forgotten>(answer, &request, facts);
    let mut facts = facts(&[("a", 7, ALIVE), ("b", 8, None)]);
    let a = answer(&[removed("a", 7, "alive")]);
    assert_untrue(forget(&a, &facts), "it was not");
    assert_untrue(forget(&answer(&[]), &facts), "still in the registry");
    facts.replaced(&[0], None);
    assert_eq!(forget(&a, &facts), Ok(()));
    let gone = answer(&[removed("a", 7, "gone")]);
    assert_untrue(forget(&gone, &facts), "found it alive");
}
