//! What counts as an input of a guest, tried on a little workspace.

use std::fs;
use std::path::Path;

use poolwarden_guest_build::{Guest, Inputs};
use tempfile::TempDir;

const GUEST: Guest<'static> = Guest {
    package: "policy",
    component: "policy/policy.wasm",
};

const ROOT: &str = r#"
[workspace]
members = ["policy", "shared", "build"]
resolver = "2"

[workspace.package]
edition = "2024"
license = "MIT"

[workspace.dependencies]
used = "1"
alias = { package = "renamed", version = "1" }
host-only = "1"

[profile.release]
opt-level = 3

[profile.guest]
inherits = "release"
"#;

const POLICY: &str = r#"
[package]
name = "policy"
edition.workspace = true

[dependencies]
alias.workspace = true
shared = { path = "../shared" }

[target.'cfg(all())'.dependencies]
used.workspace = true

[dev-dependencies]
test-tool = "1"
"#;

const LOCK: &str = r#"
version = 4

[[package]]
name = "policy"
version = "0.1.0"
dependencies = ["renamed", "shared", "test-tool", "used 1.0.0"]

[[package]]
name = "shared"
version = "0.1.0"

[[package]]
name = "poolwarden-guest-build"
version = "0.1.0"
dependencies = ["wit-component", "host-only", "used 2.0.0"]

[[package]]
name = "wit-component"
version = "0.1.0"
source = "registry"
checksum = "encoder"

[[package]]
name = "used"
version = "1.0.0"
source = "registry"
checksum = "used-one"
dependencies = ["below"]

[[package]]
name = "used"
version = "2.0.0"
source = "registry"
checksum = "used-two"

[[package]]
name = "below"
version = "1.0.0"
source = "registry"
checksum = "below"
dependencies = ["used 1.0.0"]

[[package]]
name = "renamed"
version = "1.0.0"
source = "registry"
checksum = "renamed"

[[package]]
name = "host-only"
version = "1.0.0"
source = "registry"
checksum = "host-only"

[[package]]
name = "test-tool"
version = "1.0.0"
source = "registry"
checksum = "test-tool"
"#;

/// A workspace in a temporary folder, with the digests of its inputs as they were made.
struct Checkout {
    folder: TempDir,
    before: Inputs,
}

impl Checkout {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        for (name, content) in [
            ("Cargo.toml", ROOT),
            ("Cargo.lock", LOCK),
            ("policy/Cargo.toml", POLICY),
            ("policy/src/lib.rs", "mod a;\nmod b;\n"),
            ("policy/src/a.rs", "// a\n"),
            ("policy/src/b/mod.rs", "// b\n"),
            ("policy/tests/test.rs", "// a test\n"),
            ("shared/Cargo.toml", "[package]\nname = \"shared\"\n"),
            ("shared/src/lib.rs", "// shared\n"),
            (
                "build/Cargo.toml",
                "[package]\nname = \"poolwarden-guest-build\"\n",
            ),
            ("build/src/lib.rs", "// the tool\n"),
            ("wit/world.wit", "package a:b;\n"),
            ("wit/deps/c/c.wit", "package c:d;\n"),
        ] {
            write(folder.path(), name, content);
        }
        let before = Inputs::of(folder.path(), &GUEST).expect("inputs");
        Self { folder, before }
    }

    /// The digests that differ after one replacement in one file.
    fn after(self, name: &str, old: &str, new: &str) -> Vec<&'static str> {
        let path = self.folder.path().join(name);
        let content = fs::read_to_string(&path).expect("file of the checkout");
        assert!(content.contains(old), "{name} has no {old:?}");
        fs::write(path, content.replace(old, new)).expect("changed file");
        self.differences()
    }

    /// The digests that differ once a new file is there.
    fn with(self, name: &str) -> Vec<&'static str> {
        write(self.folder.path(), name, "new\n");
        self.differences()
    }

    fn differences(&self) -> Vec<&'static str> {
        Inputs::of(self.folder.path(), &GUEST)
            .expect("inputs")
            .differences(&self.before)
    }
}

fn write(root: &Path, name: &str, content: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().expect("parent")).expect("folder");
    fs::write(path, content).expect("file");
}

const NOTHING: [&str; 0] = [];

#[test]
fn another_folder_gives_the_same_digests() {
    assert_eq!(Checkout::new().before, Checkout::new().before);
}

#[test]
fn every_source_counts() {
    assert_eq!(
        Checkout::new().after("policy/src/a.rs", "a", "x"),
        ["sources"]
    );
    assert_eq!(
        Checkout::new().after("policy/src/b/mod.rs", "b", "x"),
        ["sources"]
    );
    assert_eq!(
        Checkout::new().after("shared/src/lib.rs", "shared", "x"),
        ["sources"]
    );
    assert_eq!(Checkout::new().with("policy/src/c.rs"), ["sources"]);
    assert_eq!(Checkout::new().with("policy/build.rs"), ["sources"]);
}

#[test]
fn every_interface_counts() {
    assert_eq!(
        Checkout::new().after("wit/deps/c/c.wit", "c:d", "c:e"),
        ["interfaces"]
    );
    assert_eq!(Checkout::new().with("wit/new.wit"), ["interfaces"]);
}

#[test]
fn what_no_guest_is_built_from_does_not_count() {
    assert_eq!(
        Checkout::new().after("policy/tests/test.rs", "test", "x"),
        NOTHING
    );
    assert_eq!(
        Checkout::new().after("build/src/lib.rs", "tool", "x"),
        NOTHING
    );
    assert_eq!(Checkout::new().with("policy/src/a.rs.orig"), NOTHING);
    assert_eq!(Checkout::new().with("policy/src/.a.rs.swp"), NOTHING);
    assert_eq!(Checkout::new().with("wit/notes.md"), NOTHING);
}

#[test]
fn line_endings_do_not_count() {
    for name in [
        "policy/src/lib.rs",
        "policy/Cargo.toml",
        "wit/world.wit",
        "Cargo.toml",
        "Cargo.lock",
    ] {
        assert_eq!(Checkout::new().after(name, "\n", "\r\n"), NOTHING, "{name}");
    }
}

#[test]
fn the_manifests_count_as_far_as_the_guest_uses_them() {
    let after = |old, new| Checkout::new().after("Cargo.toml", old, new);
    assert_eq!(after("opt-level = 3", "opt-level = 2"), ["manifests"]);
    assert_eq!(
        after(
            "used = \"1\"",
            "used = { version = \"1\", features = [\"f\"] }"
        ),
        ["manifests"]
    );
    assert_eq!(
        after("edition = \"2024\"", "edition = \"2021\""),
        ["manifests"]
    );
    assert_eq!(after("license = \"MIT\"", "license = \"0BSD\""), NOTHING);
    assert_eq!(after("host-only = \"1\"", "host-only = \"2\""), NOTHING);
    assert_eq!(after("resolver", "# a comment\nresolver"), NOTHING);
    let policy = Checkout::new().after(
        "policy/Cargo.toml",
        "[dependencies]",
        "[features]\nf = []\n[dependencies]",
    );
    assert_eq!(policy, ["manifests"]);
}

#[test]
fn the_lock_counts_as_far_as_the_guest_uses_it() {
    let after = |old: &str| {
        Checkout::new().after(
            "Cargo.lock",
            &format!("checksum = \"{old}\""),
            "checksum = \"x\"",
        )
    };
    for used in ["used-one", "below", "renamed", "encoder"] {
        assert_eq!(after(used), ["packages"], "{used}");
    }
    for unused in ["used-two", "host-only", "test-tool"] {
        assert_eq!(after(unused), NOTHING, "{unused}");
    }
}

#[test]
fn a_lock_that_does_not_fit_is_an_error() {
    let checkout = Checkout::new();
    write(
        checkout.folder.path(),
        "Cargo.lock",
        &LOCK.replace("name = \"below\"", "name = \"other\""),
    );
    let error = Inputs::of(checkout.folder.path(), &GUEST).expect_err("no package below");
    assert!(error.to_string().contains("below"), "{error}");
}
