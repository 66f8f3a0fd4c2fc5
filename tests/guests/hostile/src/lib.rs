//! A policy that tries to break every rule of the host.
//!
//! The setting `attack` names what to try; every verb tries the same. The answer is a JSON
//! object with what the host said, `{"said": "…"}`, which is an answer to no verb; but for the
//! attacks that answer as they are told.
#![cfg_attr(
    target_family = "wasm",
    expect(
        unreachable_pub,
        reason = "what the export macro makes is for the host"
    )
)]

mod answers;
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
        attack("ensure")
    }

    fn status(_: Option<String>) -> Result<String, Failure> {
        attack("status")
    }

    fn stop(_: StopOptions) -> Result<String, Failure> {
        attack("stop")
    }

    fn register(_: NewEntry) -> Result<String, Failure> {
        attack("register")
    }

    fn forget(_: String, _: bool) -> Result<String, Failure> {
        attack("forget")
    }
}

fn setting((name, description): (&str, &str)) -> Setting {
    Setting {
        name: name.into(),
        description: description.into(),
    }
}

fn attack(verb: &str) -> Result<String, Failure> {
    attacks::run(&named(), verb)
}

fn named() -> String {
    store::get("attack").ok().flatten().unwrap_or_default()
}

bindings::export!(Hostile with_types_in bindings);
