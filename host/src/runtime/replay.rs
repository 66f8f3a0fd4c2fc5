//! A policy that is linked to recordings instead of a pool.

use std::path::PathBuf;
use std::sync::Arc;

use wasmtime::component::Linker;

use crate::answer::Answer;
use crate::capabilities::bindings::PolicyPre;
use crate::error::Error;
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

    /// Asks a fresh instance; also returns the state that it leaves, where it was
    /// instantiated. `registry` is the file that an error about it names.
    pub(crate) fn call(
        &self,
        state: ReplayState,
        request: &Request,
        registry: PathBuf,
    ) -> (Result<Answer, Error>, Option<ReplayState>) {
        match instantiate(&self.policy, &self.linked, state) {
            Ok((instance, mut store)) => {
                let answered = answer(&self.policy, &instance, &mut store, request, registry);
                (answered, Some(store.into_data()))
            }
            Err(error) => (Err(error), None),
        }
    }
}
