//! `wasi:config/store`: the settings that the operator gave the policy.

use super::View;
use super::bindings::wasi::config::store::{Error, Host};

impl Host for View<'_> {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, Error>> {
        Ok(Ok(self.0.origin.mandate.settings().get(&key).cloned()))
    }
}
