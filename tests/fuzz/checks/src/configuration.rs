//! `poolwarden.toml`: it says what a policy may do, so nothing in it may pass unseen.

use std::path::Path;

use poolwarden::Grants;
use poolwarden::config::{Config, ConfigError};
use toml::{Table, Value};

use crate::program::{assert_harmless, line};

const PATH: &str = "/etc/pool/poolwarden.toml";

/// What is accepted is all that the file says and no more, as any reader of TOML sees it. What is
/// refused is refused with the file's name.
pub fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    match Config::parse(text, Path::new(PATH)) {
        Ok(config) => {
            let said: Table = toml::from_str(text).expect("it is TOML");
            check_accepted(&config, &said);
            let again = Config::parse(&written(&config), Path::new(PATH));
            assert_eq!(again.expect("it is accepted again"), config);
        }
        Err(error) => {
            let why = error.to_string();
            assert!(why.contains(PATH), "{why}");
            assert_harmless(&line(&why));
            assert!(
                !matches!(error, ConfigError::Read { .. } | ConfigError::Unsafe { .. }),
                "no file is looked at"
            );
        }
    }
}

fn check_accepted(config: &Config, said: &Table) {
    for name in said.keys() {
        assert!(matches!(name.as_str(), "policy" | "settings"), "{name}");
    }
    let settings = said.get("settings").and_then(Value::as_table);
    let settings: Vec<_> = settings.into_iter().flatten().collect();
    assert_eq!(settings.len(), config.settings.len());
    for (name, value) in settings {
        assert_eq!(value.as_str(), Some(config.settings[name].as_str()));
    }

    let policy = said.get("policy").and_then(Value::as_table);
    assert_eq!(policy.is_some(), config.policy.is_some());
    let (Some(said), Some(policy)) = (policy, &config.policy) else {
        return;
    };
    for name in said.keys() {
        assert!(matches!(name.as_str(), "path" | "sha256" | "grants"));
    }
    let path = said["path"].as_str().expect("a path");
    // The program makes a leading `~` the home, so it comes as it was written.
    let written = Path::new(path);
    let expected = if written.starts_with("~") {
        written.to_owned()
    } else {
        Path::new("/etc/pool").join(path)
    };
    assert_eq!(policy.path, expected);
    let digest = said.get("sha256").and_then(Value::as_str);
    assert_eq!(policy.sha256, digest.map(str::to_ascii_lowercase));
    assert!(policy.sha256.as_ref().is_none_or(|hex| hex.len() == 64));
    let named = said.get("grants").and_then(Value::as_array);
    let named: Vec<_> = named.into_iter().flatten().collect();
    let named: Vec<_> = named.iter().filter_map(|name| name.as_str()).collect();
    assert_eq!(Grants::named(&named), Ok(policy.grants.clone()));
    for grant in policy.grants.names() {
        assert!(named.contains(&grant.as_str()), "{grant} was not named");
    }
}

/// The configuration as a file that says the same.
fn written(config: &Config) -> String {
    let mut file = Table::new();
    if let Some(policy) = &config.policy {
        let path = policy.path.to_str().expect("it came from text").to_owned();
        let grants = policy.grants.names().into_iter().map(Value::String);
        let mut table = Table::new();
        table.insert("path".into(), Value::String(path));
        table.insert("grants".into(), Value::Array(grants.collect()));
        if let Some(digest) = &policy.sha256 {
            table.insert("sha256".into(), Value::String(digest.clone()));
        }
        file.insert("policy".into(), Value::Table(table));
    }
    let settings = config.settings.iter();
    let settings = settings.map(|(name, value)| (name.clone(), Value::String(value.clone())));
    file.insert("settings".into(), Value::Table(settings.collect()));
    toml::to_string(&file).expect("TOML")
}
