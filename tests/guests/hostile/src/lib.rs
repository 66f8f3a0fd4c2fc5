//! A policy that tries to break every rule of the host.
//!
//! The setting `attack` names what to try; every verb tries the same. The answer is a JSON
//! object with what the host said: `{"said": "…"}`.
#![cfg_attr(
    target_family = "wasm",
    expect(
        unreachable_pub,
        reason = "what the export macro makes is for the host"
    )
)]

mod attacks;
pub mod bindings;

use bindings::exports::poolwarden::pool::pool::{
    Description, Failure, Guest, NewEntry, Setting, StopOptions,
};
use bindings::wasi::config::store;

struct Hostile;

impl Guest for Hostile {
    fn describe() -> Description {
        attacks::while_describing(&named());
        Description {
            name: "hostile".into(),
            version: "0".into(),
            settings: attacks::SETTINGS.map(setting).into(),
        }
    }

    fn ensure(_: bool) -> Result<String, Failure> {
        attack()
    }

    fn status(_: Option<String>) -> Result<String, Failure> {
        attack()
    }

    fn stop(_: StopOptions) -> Result<String, Failure> {
        attack()
    }

    fn register(_: NewEntry) -> Result<String, Failure> {
        attack()
    }

    fn forget(_: String, _: bool) -> Result<String, Failure> {
        attack()
    }
}

fn setting((name, description): (&str, &str)) -> Setting {
    Setting {
        name: name.into(),
        description: description.into(),
    }
}

fn attack() -> Result<String, Failure> {
    attacks::run(&named())
}

fn named() -> String {
    store::get("attack").ok().flatten().unwrap_or_default()
}

bindings::export!(Hostile with_types_in bindings);
