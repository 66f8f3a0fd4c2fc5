//! `policy inspect`: what a component is, needs and lacks.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use poolwarden::{Import, ImportKind, Inspection, Mandate, Needs, Setting};
use serde::Serialize;
use serde_json::{Value, json};

use super::super::policy_source::Given;
use super::super::table::{self, Columns};
use super::super::{Exit, Options, as_json, output};
use super::{given, inspect, reason};

/// The interface that makes a component a policy, and the world that it is of.
const EXPORT: &str = "poolwarden:pool/pool";
const WORLD: &str = "poolwarden:pool/policy";

const INTERFACES: Columns = &[("INTERFACE", "name"), ("FUNCTIONS", "functions")];
const NAMES: Columns = &[("INTERFACE", "name")];
const SETTINGS: Columns = &[
    ("SETTING", "name"),
    ("READ BY", "read_by"),
    ("GIVEN", "given"),
    ("MEANING", "description"),
];

/// What the host's own setting does.
const PROOF: &str = "`strong`: time alone proves no worker; `any`, as without it: it does";

/// A component, as it is shown.
#[derive(Serialize)]
struct Inspected {
    file: String,
    /// What it says about itself, where it does.
    name: Option<String>,
    version: Option<String>,
    sha256: String,
    size: u64,
    /// None when it was built for something else.
    world: Option<String>,
    loads: bool,
    /// Why it cannot be used.
    problem: Option<String>,
    imports: Imports,
    /// What it exports, by name.
    exports: Vec<String>,
    grants: GrantsOf,
    /// The file that gives it some of its grants and settings.
    configuration: Option<String>,
    settings: Vec<SettingOf>,
}

/// What the host makes of the imports.
#[derive(Default, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Imports {
    lent: Vec<Interface>,
    inert: Vec<Interface>,
    other_version: Vec<Interface>,
    unknown: Vec<Interface>,
}

#[derive(Serialize)]
struct Interface {
    name: String,
    functions: Vec<String>,
}

#[derive(Serialize)]
struct GrantsOf {
    /// Those that it can make use of; `signal-*` is one for each signal that it sends.
    needed: Vec<&'static str>,
    given: Vec<String>,
    /// Those of them that the configuration alone gives, to the policy that it names.
    by_configuration: Vec<String>,
}

#[derive(Serialize)]
struct SettingOf {
    name: String,
    read_by: ReadBy,
    /// None where nobody reads it.
    description: Option<String>,
    given: Option<String>,
}

/// Who makes use of a setting.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum ReadBy {
    Policy,
    Host,
    /// It is given, and the policy is refused for it.
    Nobody,
}

/// Inspects the component and prints what was found.
///
/// # Errors
/// When it cannot be read or is no component, or standard output cannot be written.
pub(super) fn run(options: &Options, file: &Path) -> anyhow::Result<Exit> {
    let given = given(options, file)?;
    let inspection = inspect(file, &given);
    let inspection = inspection.with_context(|| format!("cannot inspect {}", file.display()))?;
    let inspected = Inspected::of(file, inspection, given);
    output::print_own(&inspected, as_json(options), show)?;
    Ok(Exit::Ok)
}

impl Inspected {
    fn of(file: &Path, inspection: Inspection, given: Given) -> Self {
        let world = inspection
            .exports
            .iter()
            .filter_map(|export| export.name.split_once('@'))
            .find(|(interface, _)| *interface == EXPORT)
            .map(|(_, version)| format!("{WORLD}@{version}"));
        let mut inspected = Self {
            file: file.display().to_string(),
            name: None,
            version: None,
            sha256: inspection.sha256,
            size: inspection.size,
            world,
            loads: inspection.verdict.is_ok() && inspection.settings.is_ok(),
            problem: None,
            imports: Imports::of(inspection.imports),
            exports: inspection.exports.into_iter().map(|e| e.name).collect(),
            grants: GrantsOf {
                needed: needed(inspection.needs),
                given: given.grants.names(),
                by_configuration: given.by_configuration,
            },
            configuration: given.configuration.map(|path| path.display().to_string()),
            settings: Vec::new(),
        };
        match inspection.verdict {
            Ok(said) => {
                inspected.name = Some(said.name);
                inspected.version = Some(said.version);
                inspected.problem = inspection.settings.err().map(reason);
                inspected.list_settings(said.settings, given.settings);
            }
            Err(unusable) => inspected.problem = Some(reason(unusable)),
        }
        inspected
    }

    /// Lists the setting that the host reads, those that the policy says it reads, and those
    /// that it is given besides.
    fn list_settings(&mut self, read: Vec<Setting>, mut given: BTreeMap<String, String>) {
        self.settings.push(SettingOf {
            given: given.get(Mandate::PROOF).cloned(),
            name: Mandate::PROOF.to_owned(),
            read_by: ReadBy::Host,
            description: Some(PROOF.to_owned()),
        });
        let read = read.into_iter().map(|setting| SettingOf {
            given: given.remove(&setting.name),
            name: setting.name,
            read_by: ReadBy::Policy,
            description: Some(setting.description),
        });
        self.settings.extend(read);
        given.remove(Mandate::PROOF);
        let unread = given.into_iter().map(|(name, value)| SettingOf {
            name,
            read_by: ReadBy::Nobody,
            description: None,
            given: Some(value),
        });
        self.settings.extend(unread);
    }
}

impl Imports {
    fn of(imports: Vec<Import>) -> Self {
        let mut sorted = Self::default();
        for Import {
            name,
            functions,
            kind,
        } in imports
        {
            let kind = match kind {
                ImportKind::Lent => &mut sorted.lent,
                ImportKind::Inert => &mut sorted.inert,
                ImportKind::OtherVersion => &mut sorted.other_version,
                ImportKind::Unknown => &mut sorted.unknown,
            };
            kind.push(Interface { name, functions });
        }
        sorted
    }
}

fn needed(needs: Needs) -> Vec<&'static str> {
    let write = needs.registry_write.then_some("registry-write");
    let signals = needs.signals.then_some("signal-*");
    write.into_iter().chain(signals).collect()
}

fn show(inspected: &Value) -> String {
    let loads = match inspected["loads"] {
        Value::Bool(true) => "yes",
        _ => "no",
    };
    let world = match &inspected["world"] {
        Value::Null => &json!("none of this program's"),
        world => world,
    };
    let grants = &inspected["grants"];
    let by_configuration = match words(&grants["by_configuration"]) {
        none if none.is_empty() => Value::Null,
        names => format!("by the configuration, and not with --policy: {names}").into(),
    };
    let mut text = table::record(&[
        ("FILE", &inspected["file"]),
        ("NAME", &inspected["name"]),
        ("VERSION", &inspected["version"]),
        ("SHA256", &inspected["sha256"]),
        ("BYTES", &inspected["size"]),
        ("WORLD", world),
        ("LOADS", &loads.into()),
        ("PROBLEM", &inspected["problem"]),
        ("NEEDS", &listed(&grants["needed"])),
        ("GIVEN", &listed(&grants["given"])),
        ("THEREOF", &by_configuration),
        ("CONFIG", &inspected["configuration"]),
    ]);
    for (heading, kind, columns) in [
        ("imports, lent within the grants:", "lent", INTERFACES),
        ("imports, there and without any effect:", "inert", NAMES),
        ("imports in another version:", "other-version", NAMES),
        ("imports that there are none of:", "unknown", NAMES),
    ] {
        let interfaces = inspected["imports"][kind].as_array();
        let rows = interfaces.into_iter().flatten().map(|interface| {
            let functions = words(&interface["functions"]);
            json!({"name": interface["name"], "functions": functions})
        });
        table::section(&mut text, Some(heading), columns, &rows.collect());
    }
    let settings = &inspected["settings"];
    table::section(&mut text, Some("settings:"), SETTINGS, settings);
    text
}

/// A list in words; an empty one says that it is empty.
fn listed(list: &Value) -> Value {
    match words(list) {
        empty if empty.is_empty() => "no grant".into(),
        words => words.into(),
    }
}

/// The words of a list. A method is told by the dot in its name.
fn words(list: &Value) -> String {
    let words = list.as_array().into_iter().flatten();
    words
        .filter_map(Value::as_str)
        .map(|word| word.trim_start_matches("[method]"))
        .collect::<Vec<_>>()
        .join(", ")
}
