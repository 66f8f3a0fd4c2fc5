//! `wasi:config/store`: the settings that the operator gave the policy.

use crate::recording::Call;

use super::View;
use super::bindings::wasi::config::store::{Error, Host};

impl Host for View<'_> {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, Error>> {
        let value = self.0.origin.mandate.settings().get(&key).cloned();
        self.0.note(|| Call::Config {
            key,
            value: value.clone(),
        });
        Ok(Ok(value))
    }
}
