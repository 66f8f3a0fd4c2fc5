//! Replacements that lose, forge or change entries.

use poolwarden::{Grants, Register, Request};
use serde_json::{Value, json};

use crate::harness::Attacked;

/// Tries to write this registry; it must be refused and leave the file alone.
fn refused(pool: &Attacked, registry: &Value, request: &Request) -> String {
    refused_text(pool, &registry.to_string(), request)
}

fn refused_text(pool: &Attacked, with: &str, request: &Request) -> String {
    let before = pool.registry_file();
    let said = pool.said_to("replace", &[("with", with)], request.clone());
    assert!(said.starts_with("refused: "), "{said}");
    assert_eq!(pool.registry_file(), before);
    pool.assert_sound(&[0, 1]);
    said
}

const ENSURE: Request = Request::Ensure { dry_run: false };

#[test]
fn a_live_worker_is_not_lost() {
    let pool = Attacked::with_workers(2);
    let said = refused(&pool, &json!({"sessions": [pool.entry(1)]}), &ENSURE);
    assert!(said.contains("\"w0\""), "{said}");
    refused(&pool, &json!({"sessions": []}), &ENSURE);
}

#[test]
fn a_kept_entry_keeps_what_identifies_it() {
    let pool = Attacked::with_workers(2);
    for (field, value) in [
        ("sid", json!("other")),
        ("pid", json!(1)),
        ("sock", json!("/tmp/other")),
        ("created_at", json!("2020-01-01T00:00:00Z")),
    ] {
        let mut changed = pool.entry(0);
        changed[field] = value;
        refused(
            &pool,
            &json!({"sessions": [changed, pool.entry(1)]}),
            &ENSURE,
        );
    }
}

#[test]
fn an_entry_is_not_forged() {
    let pool = Attacked::with_workers(2);
    let mut forged = pool.entry(0);
    forged["sid"] = json!("forged");
    forged["pid"] = json!(std::process::id());
    let registry = json!({"sessions": [pool.entry(0), pool.entry(1), forged]});
    refused(&pool, &registry, &ENSURE);
    // Not even by a request that registers something else.
    let register = Request::Register(Register {
        sid: "named".into(),
        pid: pool.pid(0),
        sock: String::new(),
        version: String::new(),
    });
    refused(&pool, &registry, &register);
}

#[test]
fn an_entry_is_registered_only_for_a_process_that_was_found() {
    let pool = Attacked::with_workers(2);
    let now = jiff::Timestamp::now().to_string();
    let named =
        json!({"sid": "named", "pid": pool.pid(0), "sock": "", "version": "", "created_at": now});
    let register = Request::Register(Register {
        sid: "named".into(),
        pid: pool.pid(0),
        sock: String::new(),
        version: String::new(),
    });
    // The guest never asked the host about the process.
    refused(
        &pool,
        &json!({"sessions": [pool.entry(0), pool.entry(1), named]}),
        &register,
    );
}

#[test]
fn a_replacement_is_a_registry() {
    let pool = Attacked::with_workers(2);
    for text in ["", "{", "{}", "[]", "null", "{\"sessions\":[{}]}"] {
        refused_text(&pool, text, &ENSURE);
    }
}

#[test]
fn a_dead_entry_goes_only_after_it_was_found_dead() {
    let pool = Attacked::with_workers(2);
    pool.worker(0).end();
    let rest = json!({"sessions": [pool.entry(1)]}).to_string();
    let before = pool.registry_file();
    let said = pool.said("replace", &[("with", &rest)]);
    assert!(said.starts_with("refused: "), "{said}");
    assert_eq!(pool.registry_file(), before);

    let (pid, created_at) = (pool.pid(0).to_string(), pool.created_at(0).to_owned());
    let settings = [
        ("with", &*rest),
        ("sid", "w0"),
        ("pid", &pid),
        ("created-at", &created_at),
    ];
    assert_eq!(pool.said("replace", &settings), "done");
    pool.assert_sound(&[1]);
}

#[test]
fn a_claim_that_the_registry_does_not_make_frees_no_entry() {
    let pool = Attacked::with_workers(2);
    // The same sid with a dead pid: true of a process, but not of this entry.
    let rest = json!({"sessions": [pool.entry(1)]}).to_string();
    let created_at = pool.created_at(0).to_owned();
    let settings = [
        ("with", &*rest),
        ("sid", "w0"),
        ("pid", "2147483647"),
        ("created-at", &created_at),
    ];
    let said = pool.said("replace", &settings);
    assert!(said.starts_with("refused: "), "{said}");
    pool.assert_sound(&[0, 1]);
}

#[test]
fn an_unreadable_registry_is_not_replaced() {
    let pool = Attacked::with_workers(0);
    let path = pool.directory().join("registry.json");
    std::fs::write(&path, "{\"sessions\": [").expect("a damaged registry");
    let said = pool.said("replace", &[("with", "{\"sessions\":[]}")]);
    assert!(said.starts_with("refused: "), "{said}");
    assert_eq!(
        std::fs::read_to_string(path).expect("the registry"),
        "{\"sessions\": ["
    );
}

#[test]
fn writing_takes_a_grant() {
    let mut pool = Attacked::with_workers(2);
    pool.grants = Grants::none();
    let same = pool.registry().to_string();
    let before = pool.registry_file();
    let said = pool.said("replace", &[("with", &same)]);
    assert!(
        said.starts_with("denied: ") && said.contains("registry-write"),
        "{said}"
    );
    assert_eq!(pool.registry_file(), before);
}

#[test]
fn a_dry_run_writes_nothing() {
    let pool = Attacked::with_workers(2);
    let same = pool.registry().to_string();
    refused_text(&pool, &same, &Request::Ensure { dry_run: true });
}

#[test]
fn what_is_not_known_stays_byte_for_byte() {
    let pool = Attacked::shared();
    let [first, second] = [0, 1].map(|index| pool.entry(index));
    let other = pool.registry()["other"].take();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut registry = json!({"other": other, "sessions": [first, second]});
        change(&mut registry);
        registry
    };
    let remove = |place: &mut Value, key: &str| {
        place.as_object_mut().expect("an object").remove(key);
    };
    for changed in [
        with(&|registry| remove(&mut registry["sessions"][0], "note")),
        with(&|registry| registry["sessions"][1]["version"] = json!("2")),
        with(&|registry| registry["sessions"][0]["more"] = json!(1)),
        with(&|registry| remove(registry, "other")),
        with(&|registry| registry["other"] = json!(null)),
        with(&|registry| registry["more"] = json!(1)),
    ] {
        refused(&pool, &changed, &ENSURE);
    }
    // The same values, written otherwise.
    let same = with(&|_| ()).to_string();
    refused_text(&pool, &same.replace("1.5", "1.50"), &ENSURE);
    refused_text(&pool, &same.replace("{\"other\"", "{ \"other\""), &ENSURE);
    let before = pool.registry_file();
    assert_eq!(pool.said("replace", &[("with", &same)]), "done");
    assert_eq!(pool.registry_file().1, before.1);
}
