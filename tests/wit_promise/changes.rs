//! Each kind of change to what there is, on a small package.

use crate::compare::{How, compare};
use crate::promise::Package;

/// A package with all that the rule speaks of.
pub(crate) const BEFORE: &str = "package t:t@0.1.0;
    interface words {
        type pid = u32;
        record claim { sid: string, pid: pid }
        enum standing { alive, gone }
        variant error { busy(string), denied }
        flags how { fast, quiet }
    }
    interface store {
        use words.{claim, error};
        resource transaction {
            constructor();
            read: func() -> result<list<u8>, error>;
            open: static func() -> transaction;
        }
        begin: func(wait: u64, force: bool) -> result<transaction, error>;
        look: func(claims: list<claim>) -> option<bool>;
    }
    interface spare { nothing: func(); }
    interface pool {
        use words.{standing, how};
        ensure: func(dry-run: bool) -> standing;
        stop: func(how: how);
    }
    world policy {
        import store;
        import now: func() -> u64;
        import mine: interface { act: func(); }
        export pool;
        export asked: interface { answer: func(); }
    }";

/// The changes that come of a change to the text.
pub(crate) fn changes(from: &str, to: &str) -> Vec<(String, How)> {
    assert_eq!(BEFORE.matches(from).count(), 1, "{from:?} stands once");
    let after = Package::parse(&BEFORE.replace(from, to));
    compare(Package::parse(BEFORE).resolve(), after.resolve())
        .into_iter()
        .map(|change| (change.item, change.how))
        .collect()
}

/// Asserts that a change to the text breaks this, and nothing else.
#[track_caller]
pub(crate) fn breaks(from: &str, to: &str, item: &str, how: How) {
    assert_eq!(changes(from, to), [(item.to_owned(), how)]);
}

pub(crate) fn changed(was: &str, is: &str) -> How {
    let (was, is) = (was.to_owned(), is.to_owned());
    How::Changed { was, is }
}

#[test]
fn words_for_people_may_change() {
    let documented = BEFORE
        .replace("\n    interface", "\n/// Other words.\n interface")
        .replace("record", "/// Other words.\n record")
        .replace("begin:", "/// Other words.\n begin:")
        .replace("alive,", "/// Other words.\n alive,\n")
        .replace("{ ", "{\n    ");
    let after = Package::parse(&documented);
    assert_eq!(
        compare(Package::parse(BEFORE).resolve(), after.resolve()),
        []
    );
}

#[test]
fn the_order_of_things_with_a_name_means_nothing() {
    let moved = BEFORE
        .replace("interface spare { nothing: func(); }", "")
        .replace(
            "world policy",
            "interface spare { nothing: func(); } world policy",
        )
        .replace("import store;", "")
        .replace("export pool;", "export pool; import store;");
    let after = Package::parse(&moved);
    assert_eq!(
        compare(Package::parse(BEFORE).resolve(), after.resolve()),
        []
    );
}

#[test]
fn an_imported_interface_may_get_more() {
    let store = "t:t/store@0.1";
    for (more, item) in [
        ("more: func();", format!("{store} function more")),
        ("type more = u8;", format!("{store} type more")),
    ] {
        let changes = changes("look: func", &format!("{more} look: func"));
        assert_eq!(changes, [(item, How::Added)]);
    }
    let method = changes("constructor();", "constructor(); more: func();");
    let item = format!("{store} function [method]transaction.more");
    assert_eq!(method, [(item, How::Added)]);
}

#[test]
fn a_package_may_get_more() {
    for (more, item) in [
        ("interface more { do: func(); }", "t:t/more@0.1"),
        (
            "world more { include policy; export spare; }",
            "world t:t/more@0.1",
        ),
    ] {
        let changes = changes("interface spare", &format!("{more} interface spare"));
        assert_eq!(changes, [(item.to_owned(), How::Added)]);
    }
    let import = changes("import store;", "import store; import spare;");
    let item = "world t:t/policy@0.1 import t:t/spare@0.1".to_owned();
    assert_eq!(import, [(item, How::Added)]);
}

#[test]
fn a_policy_is_not_to_export_more() {
    for (from, to, item) in [
        (
            "stop: func",
            "more: func(); stop: func",
            "t:t/pool@0.1 function more",
        ),
        (
            "export pool;",
            "export pool; export spare;",
            "world t:t/policy@0.1 export t:t/spare@0.1",
        ),
        (
            "export pool;",
            "export pool; export more: func();",
            "world t:t/policy@0.1 export more",
        ),
        (
            "answer: func();",
            "answer: func(); more: func();",
            "world t:t/policy@0.1 interface asked function more",
        ),
    ] {
        breaks(from, to, item, How::Demanded);
    }
}

#[test]
fn nothing_goes() {
    for (from, item) in [
        (
            "look: func(claims: list<claim>) -> option<bool>;",
            "t:t/store@0.1 function look",
        ),
        ("stop: func(how: how);", "t:t/pool@0.1 function stop"),
        (
            "read: func() -> result<list<u8>, error>;",
            "t:t/store@0.1 function [method]transaction.read",
        ),
        (
            "constructor();",
            "t:t/store@0.1 function [constructor]transaction",
        ),
        ("interface spare { nothing: func(); }", "t:t/spare@0.1"),
        (
            "import now: func() -> u64;",
            "world t:t/policy@0.1 import now",
        ),
        ("export pool;", "world t:t/policy@0.1 export t:t/pool@0.1"),
        (
            "act: func();",
            "world t:t/policy@0.1 interface mine function act",
        ),
    ] {
        breaks(from, "", item, How::Removed);
    }
    // What it uses goes with it, and is told once.
    let item = "world t:t/policy@0.1 import t:t/store@0.1";
    assert!(changes("import store;", "").contains(&(item.to_owned(), How::Removed)));
}

#[test]
fn another_name_is_another_function() {
    let changes = changes("look: func", "inspect: func");
    let name = |name| format!("t:t/store@0.1 function {name}");
    assert_eq!(
        changes,
        [(name("look"), How::Removed), (name("inspect"), How::Added)]
    );
}

#[test]
fn a_function_keeps_its_parameters_and_its_result() {
    let was = "func(wait: u64, force: bool) -> result<transaction, error>";
    let item = "t:t/store@0.1 function begin";
    for is in [
        // The type, the name, the order, one more and one less.
        "func(wait: u32, force: bool) -> result<transaction, error>",
        "func(grace: u64, force: bool) -> result<transaction, error>",
        "func(force: bool, wait: u64) -> result<transaction, error>",
        "func(wait: u64, force: bool, how: u8) -> result<transaction, error>",
        "func(wait: u64) -> result<transaction, error>",
        "func(wait: u64, force: bool) -> result<transaction, string>",
        "func(wait: u64, force: bool) -> result<transaction, _>",
        "func(wait: u64, force: bool) -> transaction",
        "func(wait: u64, force: bool)",
        "async func(wait: u64, force: bool) -> result<transaction, error>",
    ] {
        let is = is.replace(", _>", ">");
        let text = is.replace("<transaction>", "<transaction, _>");
        breaks(was, &is, item, changed(was, &text));
    }
    breaks(
        "constructor();",
        "constructor(wait: u64);",
        "t:t/store@0.1 function [constructor]transaction",
        changed("func() -> transaction", "func(wait: u64) -> transaction"),
    );
    breaks(
        "import now: func() -> u64;",
        "import now: func() -> u32;",
        "world t:t/policy@0.1 import now",
        changed("func() -> u64", "func() -> u32"),
    );
}

#[test]
fn what_others_declare_is_compared_as_well() {
    let using = |version: &str, result: &str| {
        Package::parse(&format!(
            "package t:t@0.1.0;
             world policy {{ import other:clock/wall@{version}; }}
             package other:clock@{version} {{ interface wall {{ now: func() -> {result}; }} }}"
        ))
    };
    let before = using("0.2.0", "u64");
    let same = compare(before.resolve(), using("0.2.6", "u64").resolve());
    assert_eq!(same, [], "a version that stands in for the other");
    let other = compare(before.resolve(), using("0.2.6", "u32").resolve());
    assert_eq!(other[0].item, "other:clock/wall@0.2 function now");
    for version in ["0.3.0", "0.2.0-rc.1"] {
        let gone = compare(before.resolve(), using(version, "u64").resolve());
        let item = "world t:t/policy@0.1 import other:clock/wall@0.2";
        let removed = |change: &&crate::compare::Change| change.item == item;
        assert_eq!(
            gone.iter().find(removed).map(|c| &c.how),
            Some(&How::Removed),
            "{gone:?}"
        );
    }
}
