//! The registry: the host and the policy each read it for themselves, and have to read the
//! same.

use std::time::{Duration, UNIX_EPOCH};

use poolwarden::{Register, Request, fuzzing};
use poolwarden_policy::Entry;
use poolwarden_policy::registry::Registry;
use poolwarden_policy::rewrite::rewrite;

/// When the new entry is made, in seconds since 1970 and as text.
const NOW: (u64, &str) = (1_767_323_045, "2026-01-02T03:04:05Z");
/// How many entries are taken away one by one.
const SINGLY: usize = 8;

/// Both readers accept the bytes and see the same entries, or both refuse them and say
/// where. What the policy writes, the floor lets pass, and what stays in it keeps every byte.
pub fn check(data: &[u8]) {
    match (Registry::parse(Some(data)), fuzzing::entries(data)) {
        (Err(policys), Err((line, column, detail))) => {
            assert!(policys.line >= 1 && policys.column >= 1, "{policys:?}");
            assert!(line >= 1 && column >= 1, "line {line} column {column}");
            assert!(!policys.detail.is_empty() && !detail.is_empty());
        }
        (Ok(registry), Ok(entries)) => check_registry(data, &registry, &entries),
        (policys, hosts) => panic!("the policy reads {policys:?}, the host {hosts:?}"),
    }
}

type Read = (poolwarden::process::Claim, String);

fn check_registry(data: &[u8], registry: &Registry<'_>, entries: &[Read]) {
    assert_eq!(registry.sessions.len(), entries.len());
    for (policys, (hosts, raw)) in registry.sessions.iter().zip(entries) {
        assert_eq!(policys.sid, hosts.sid);
        assert_eq!(policys.pid, hosts.pid);
        assert_eq!(policys.sock, hosts.sock);
        assert_eq!(policys.created_at, hosts.created_at);
        assert!(raw.starts_with('{') && raw.ends_with('}'), "{raw}");
    }

    if !entries.is_empty() {
        let unchanged = rewrite(registry, &|_| false, None).expect("text");
        assert_text(&unchanged, data);
    }
    check_addition(data, registry, entries);
    for index in 0..entries.len().min(SINGLY) {
        check_removal(data, registry, entries, &|place| place == index);
    }
    check_removal(data, registry, entries, &|_| true);
    check_removal(data, registry, entries, &|place| place % 2 == 0);
}

/// With one more entry, every byte of before is still there, around one insertion.
fn check_addition(data: &[u8], registry: &Registry<'_>, entries: &[Read]) {
    let sid = unused(entries);
    let entry = Entry {
        sid: sid.as_str().into(),
        pid: 4711,
        sock: "/run/\"new\".sock".into(),
        version: "1".into(),
        created_at: NOW.1.into(),
    };
    let after = rewrite(registry, &|_| false, Some(&entry)).expect("text");
    if entries.is_empty() {
        // The first entry takes the place of the white space between the brackets.
        assert_inserted(&without_space(data), &without_space(&after));
    } else {
        assert_inserted(data, &after);
    }

    let with_new = fuzzing::entries(&after).expect("it is a registry");
    let (new, old) = with_new.split_last().expect("the new entry");
    assert_eq!(old, entries);
    assert_eq!((new.0.sid.as_str(), new.0.pid), (sid.as_str(), 4711));
    let request = Request::Register(Register {
        sid,
        pid: 4711,
        sock: "/run/\"new\".sock".into(),
        version: "1".into(),
    });
    let now = UNIX_EPOCH + Duration::from_secs(NOW.0);
    let allowed = fuzzing::replace((data, &after), &request, now, |_| false);
    assert_eq!(allowed, Ok((0, true)));
    let unasked = Request::Ensure { dry_run: false };
    let forged = fuzzing::replace((data, &after), &unasked, now, |_| false);
    assert!(forged.is_err(), "nobody registered it");

    // Away again, and nothing is left of it.
    if !entries.is_empty() {
        let again = Registry::parse(Some(&after)).expect("it is a registry");
        let place = entries.len();
        let restored = rewrite(&again, &|index| index == place, None).expect("text");
        assert_text(&restored, data);
    }
}

/// Fails unless some bytes were inserted at one place, and none was lost.
fn assert_inserted(before: &[u8], after: &[u8]) {
    let same_before = before.iter().zip(after);
    let same_before = same_before.take_while(|(one, other)| one == other).count();
    let same_behind = before.iter().rev().zip(after.iter().rev());
    let same_behind = same_behind.take_while(|(one, other)| one == other).count();
    assert!(
        same_before + same_behind >= before.len(),
        "bytes were lost: {}",
        after.escape_ascii()
    );
}

fn assert_text(text: &[u8], expected: &[u8]) {
    let shown = (text.escape_ascii(), expected.escape_ascii());
    assert!(text == expected, "{}\nis not\n{}", shown.0, shown.1);
}

fn without_space(text: &[u8]) -> Vec<u8> {
    let kept = text.iter().filter(|byte| !b" \t\r\n".contains(byte));
    kept.copied().collect()
}

/// Without some entries, the others are the same text in the same order, and so is all that
/// stands around them.
fn check_removal(
    data: &[u8],
    registry: &Registry<'_>,
    entries: &[Read],
    goes: &dyn Fn(usize) -> bool,
) {
    let after = rewrite(registry, goes, None).expect("text");
    let left = fuzzing::entries(&after).expect("it is a registry");
    let places = 0..entries.len();
    let stays: Vec<_> = places.clone().filter(|&index| !goes(index)).collect();
    let expected: Vec<_> = stays.iter().map(|&index| entries[index].clone()).collect();
    assert_eq!(left, expected);

    let array = |bytes: &[u8], entries: &[Read]| {
        let text = str::from_utf8(bytes).expect("a registry is text");
        let around: String = entries.iter().fold(text.to_owned(), |text, (_, raw)| {
            text.replacen(raw.as_str(), "", 1)
        });
        // White space and commas between entries may go with them.
        around.replace([' ', '\t', '\r', '\n', ','], "")
    };
    assert_eq!(array(&after, &left), array(data, entries));

    let request = Request::Ensure { dry_run: false };
    let gone: Vec<_> = places.filter(|&index| goes(index)).collect();
    // Of equal claims, which are about one process, either may be the one that went.
    let is_dead = |index: usize| gone.iter().any(|&dead| entries[dead].0 == entries[index].0);
    let allowed = fuzzing::replace((data, &after), &request, UNIX_EPOCH, is_dead);
    assert_eq!(allowed, Ok((gone.len(), false)));
    let lost = fuzzing::replace((data, &after), &request, UNIX_EPOCH, |_| false);
    assert!(gone.is_empty() || lost.is_err(), "the living are lost");
}

/// A session id that no entry has.
fn unused(entries: &[Read]) -> String {
    let mut sid = "\u{1b}\"new\u{7f}\u{202e}".to_owned();
    while entries.iter().any(|(claim, _)| claim.sid == sid) {
        sid.push('x');
    }
    sid
}
