//! A policy that is linked to recordings instead of a pool.

use std::path::PathBuf;
use std::sync::Arc;

use wasmtime::component::Linker;

use crate::answer::Answer;
use crate::capabilities::bindings::PolicyPre;
use crate::error::{Error, Fault};
use crate::replay::{ReplayState, add_to_linker};
use crate::request::Request;

use super::call::{answer, instantiate};
use super::{LoadError, Policy};

/// A compiled policy, linked to what answers from a recording. Nothing that it imports
/// leads to a process, a lock or a file.
pub(crate) struct ReplayPolicy {
    policy: Arc<Policy>,
    linked: PolicyPre<ReplayState>,
}

impl ReplayPolicy {
    /// # Errors
    /// When the component does not fit the policy's world.
    pub(crate) fn new(policy: Arc<Policy>) -> Result<Self, LoadError> {
        let misfit = |error: wasmtime::Error| LoadError::Misfit(format!("{error:#}"));
        let component = policy.pre().instance_pre().component();
        let engine = component.engine();
        let mut linker = Linker::new(engine);
        add_to_linker(&mut linker, engine, &component.component_type()).map_err(misfit)?;
        let linked = linker
            .instantiate_pre(component)
            .and_then(PolicyPre::new)
            .map_err(misfit)?;
        Ok(Self { policy, linked })
    }

    /// Asks a fresh instance. What it says is taken at its word: nothing here was found or
    /// done that it could be held against. Also returns the state that it leaves, where it was
    /// instantiated. `registry` is the file that an error about it names.
    pub(crate) fn call(
        &self,
        state: ReplayState,
        request: &Request,
        registry: PathBuf,
    ) -> (Result<Answer, Error>, Option<ReplayState>) {
        match instantiate(&self.policy, &self.linked, state) {
            Ok((instance, mut store)) => {
                let said = answer(&self.policy, &instance, &mut store, request);
                let said = said.map_err(|unanswered| unanswered.into_error(registry));
                let answered = said.and_then(|text| {
                    let answer = Answer::check(text);
                    Ok(answer.map_err(|error| Fault::NotJson(error.to_string()))?)
                });
                (answered, Some(store.into_data()))
            }
            Err(error) => (Err(error), None),
        }
    }
}
