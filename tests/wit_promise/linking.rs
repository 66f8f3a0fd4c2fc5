//! The rule against the program: policies that were built for an earlier or a later state of
//! the interface load as the rule says.

use std::fs;
use std::path::Path;

use poolwarden::{LoadError, Policy};
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve};

use crate::{RELEASES, release};

/// A policy that imports every function of the world in this folder, and traps. `change` gets
/// the text of each WIT file.
fn policy(folder: &Path, change: &dyn Fn(String) -> String) -> Vec<u8> {
    let copy = tempfile::tempdir().expect("a temporary directory");
    copy_changed(folder, copy.path(), change);
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(copy.path()).expect("the WIT files");
    let world = resolve.select_world(&[package], Some("policy"));
    let world = world.expect("the world");
    let abi = ManglingAndAbi::Legacy(LiftLowerAbi::Sync);
    let mut module = dummy_module(&resolve, world, abi);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("the world fits into the module");
    let encoder = ComponentEncoder::default().module(&module);
    let mut encoder = encoder.expect("the module fits its world").validate(true);
    encoder.encode().expect("a component")
}

fn copy_changed(from: &Path, to: &Path, change: &dyn Fn(String) -> String) {
    for entry in fs::read_dir(from).expect("a folder of WIT") {
        let from = entry.expect("an entry").path();
        let to = to.join(from.file_name().expect("a name"));
        if from.is_dir() {
            fs::create_dir(&to).expect("mkdir");
            copy_changed(&from, &to, change);
        } else {
            let text = fs::read_to_string(&from).expect("a WIT file");
            fs::write(to, change(text)).expect("write");
        }
    }
}

#[test]
fn a_policy_that_was_built_for_a_release_and_uses_all_of_it_loads() {
    for (version, _) in RELEASES {
        let policy = policy(&release(version), &|text| text);
        let loaded = Policy::from_component(&policy);
        loaded.unwrap_or_else(|error| panic!("built for {version}: {error}"));
    }
}

/// Loads a policy that was built for the first release with this put in place of that.
fn built_with(from: &str, to: &str) -> Result<Policy, LoadError> {
    let folder = release(RELEASES[0].0);
    let stands = std::cell::Cell::new(0);
    let policy = policy(&folder, &|text| {
        stands.set(stands.get() + text.matches(from).count());
        text.replace(from, to)
    });
    assert!(stands.get() > 0, "{from:?} stands nowhere");
    Policy::from_component(&policy)
}

/// For such a policy, the host is the one to which something was added.
#[test]
fn what_the_rule_allows_to_add_breaks_no_policy() {
    for (from, to) in [
        // A function less in an import, a method, an import of the world.
        ("  inspect: func(claims: list<claim>) -> list<finding>;", ""),
        (
            "    send-group: func(signal: signal) -> result<_, error>;",
            "",
        ),
        ("  import processes;", ""),
        // Structure counts, however it is written.
        ("    pid: pid,", "    pid: u32,"),
        // An earlier and a later patch.
        ("poolwarden:pool@0.1.0", "poolwarden:pool@0.1.9"),
    ] {
        if let Err(error) = built_with(from, to) {
            panic!("{to:?} in place of {from:?}: {error}");
        }
    }
}

/// The rule keeps what sources and other hosts go by, beyond what this host links by.
#[test]
fn the_rule_is_stricter_than_the_linker() {
    built_with("timeout: u64)", "patience: u64)").expect("it loads");
}

/// For such a policy, the host is the one that was changed.
#[test]
fn what_the_rule_forbids_breaks_policies() {
    for (from, to) in [
        // A function, a method, an import, a function to export more than there is.
        ("  inspect: func", "  more: func();\n  inspect: func"),
        ("    send: func", "    more: func();\n    send: func"),
        (
            "  import processes;",
            "  import processes;\n  import wasi:config/more@0.2.0-rc.1;",
        ),
        (
            "  ensure: func(dry-run: bool) -> result<string, failure>;",
            "",
        ),
        // Types that are made of something else.
        ("    unknown,\n", ""),
        ("    kill,\n", "    kill,\n    winch,\n"),
        ("    busy(string),", "    busy(u32),"),
        ("    nanoseconds: u32,", "    nanoseconds: u64,"),
        (
            "    sid: string,\n    /// The process",
            "    /// The process",
        ),
        ("type pid = u32;", "type pid = u64;"),
        // Functions with other types.
        ("dry-run: bool)", "dry-run: u32)"),
        ("timeout: u64)", "timeout: u32)"),
        // Another interface.
        ("poolwarden:pool@0.1.0", "poolwarden:pool@0.2.0"),
    ] {
        let to_add = "interface store {";
        let more = format!("interface more {{ do: func(); }}\n{to_add}");
        let loaded = match to.contains("/more@") {
            true => {
                let folder = release(RELEASES[0].0);
                Policy::from_component(&policy(&folder, &|text| {
                    text.replace(from, to).replace(to_add, &more)
                }))
            }
            false => built_with(from, to),
        };
        assert!(loaded.is_err(), "{to:?} in place of {from:?} loads");
    }
}
