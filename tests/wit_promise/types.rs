//! Each kind of change to a type.

use crate::changes::{BEFORE, breaks, changed, changes};
use crate::compare::{How, compare};
use crate::promise::Package;

#[test]
fn a_type_keeps_what_it_is_made_of() {
    for (name, was, is) in [
        (
            "claim",
            "record { sid: string, pid: pid }",
            "record { sid: string, pid: pid, at: u64 }",
        ),
        (
            "claim",
            "record { sid: string, pid: pid }",
            "record { sid: string }",
        ),
        (
            "claim",
            "record { sid: string, pid: pid }",
            "record { pid: pid, sid: string }",
        ),
        (
            "claim",
            "record { sid: string, pid: pid }",
            "record { name: string, pid: pid }",
        ),
        (
            "claim",
            "record { sid: string, pid: pid }",
            "record { sid: string, pid: u64 }",
        ),
        (
            "standing",
            "enum { alive, gone }",
            "enum { alive, gone, reused }",
        ),
        ("standing", "enum { alive, gone }", "enum { gone, alive }"),
        ("standing", "enum { alive, gone }", "enum { alive }"),
        (
            "error",
            "variant { busy(string), denied }",
            "variant { busy(string), denied, late }",
        ),
        (
            "error",
            "variant { busy(string), denied }",
            "variant { busy, denied }",
        ),
        (
            "error",
            "variant { busy(string), denied }",
            "variant { busy(string), refused }",
        ),
        (
            "how",
            "flags { fast, quiet }",
            "flags { fast, quiet, hard }",
        ),
        ("how", "flags { fast, quiet }", "flags { quiet, fast }"),
    ] {
        let written = |text: &str| text.replacen(" {", &format!(" {name} {{"), 1);
        let item = format!("t:t/words@0.1 type {name}");
        breaks(&written(was), &written(is), &item, changed(was, is));
    }
    let kind = changes(
        "enum standing { alive, gone }",
        "flags standing { alive, gone }",
    );
    let item = "t:t/words@0.1 type standing".to_owned();
    assert_eq!(
        kind,
        [(
            item,
            changed("enum { alive, gone }", "flags { alive, gone }")
        )]
    );
}

#[test]
fn a_name_for_a_type_stays_and_means_the_same() {
    breaks(
        "type pid = u32",
        "type pid = u64",
        "t:t/words@0.1 type pid",
        changed("u32", "u64"),
    );
    let unused = BEFORE.replace("pid: pid", "pid: u32");
    let (before, after) = (
        Package::parse(&unused),
        Package::parse(&unused.replace("type pid = u32;", "")),
    );
    let changes = compare(before.resolve(), after.resolve());
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(changes[0].how, How::Removed);
}

#[test]
fn a_type_may_be_written_otherwise() {
    const TEXT: &str = "package t:t@0.1.0;
        interface words {
            type pid = u32;
            record claim { sid: string, pid: pid }
        }
        interface again { use words.{claim}; }
        interface store {
            use words.{pid, claim};
            type claims = list<claim>;
            look: func(pid: pid, claims: claims) -> option<pid>;
        }";
    for (from, to) in [
        ("pid: pid }", "pid: u32 }"),
        ("-> option<pid>", "-> option<u32>"),
        ("claims: claims", "claims: list<claim>"),
        (
            "use words.{pid, claim};",
            "use words.{pid}; use again.{claim};",
        ),
        ("type pid = u32;", "type pid = number; type number = u32;"),
    ] {
        assert_eq!(TEXT.matches(from).count(), 1, "{from:?} stands once");
        let after = Package::parse(&TEXT.replace(from, to));
        let changes = compare(Package::parse(TEXT).resolve(), after.resolve());
        assert!(
            changes.iter().all(|change| !change.breaks()),
            "{to}: {changes:?}"
        );
    }
}

#[test]
fn another_type_of_the_same_name_is_told_where_it_is_taken_from() {
    let other = "interface other { record claim { sid: string } } interface spare";
    let text = BEFORE.replace("interface spare", other);
    let taken = text.replace(
        "use words.{claim, error};",
        "use words.{error}; use other.{claim};",
    );
    let (before, after) = (Package::parse(&text), Package::parse(&taken));
    let changes = compare(before.resolve(), after.resolve());
    let broken: Vec<_> = changes.iter().filter(|change| change.breaks()).collect();
    assert_eq!(broken.len(), 1, "{changes:?}");
    assert_eq!(broken[0].item, "t:t/store@0.1 type claim");
    let how = changed("t:t/words@0.1.claim", "t:t/other@0.1.claim");
    assert_eq!(broken[0].how, how);
}

#[test]
fn a_resource_stays_one() {
    let text = BEFORE.replace("static func() -> transaction", "static func() -> bool");
    let is = text
        .replace("constructor();", "")
        .replace("read: func() -> result<list<u8>, error>;", "")
        .replace("open: static func() -> bool;", "")
        .replace("resource transaction {", "record transaction { id: u32");
    let (before, after) = (Package::parse(&text), Package::parse(&is));
    let changes = compare(before.resolve(), after.resolve());
    let item = "t:t/store@0.1 type transaction";
    assert!(
        changes.iter().any(|change| change.item == item),
        "{changes:?}"
    );
    assert!(changes.iter().all(|change| change.breaks()), "{changes:?}");
}
