//! A policy that is ready to run.

use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store};

use crate::capabilities::bindings::PolicyPre;
use crate::capabilities::{RequestState, add_to_linker};

use super::engine;
use super::executable::executable_memory;
use super::limits::Bounded;
use super::load::{LoadError, Shape, check_exports};
use super::ticker::{TickGuard, Ticker};

/// Code of the shipped policy, made by the build script.
static SHIPPED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/policy.cwasm"));

/// SHA-256 of the component that it was made from.
static SHIPPED_SHA256: &str = include_str!(concat!(env!("OUT_DIR"), "/policy.sha256"));

/// Bytes of that component, in decimal digits.
static SHIPPED_SIZE: &str = include_str!(concat!(env!("OUT_DIR"), "/policy.size"));

/// A compiled and linked component. Each request runs in a fresh instance of it.
pub struct Policy {
    engine: Engine,
    pre: PolicyPre<RequestState>,
    ticker: Ticker,
    sha256: String,
    shipped: bool,
}

/// What a policy says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The settings that it reads, and so all that it can be given.
    pub settings: Vec<Setting>,
}

/// A setting that a policy reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// What it does, its unit and its default.
    pub description: String,
}

impl Policy {
    /// The policy that poolwarden ships, from code that was compiled with the program.
    ///
    /// # Errors
    /// When the engine does not start here or does not take the code.
    pub fn shipped() -> Result<Self, LoadError> {
        let Code {
            engine,
            component,
            sha256,
            ..
        } = Code::shipped()?;
        let policy = Self::link(engine, &component, sha256)?;
        Ok(Self {
            shipped: true,
            ..policy
        })
    }

    /// Links a compiled component, which has to fit the world `policy`.
    pub(super) fn link(
        engine: Engine,
        component: &Component,
        sha256: String,
    ) -> Result<Self, LoadError> {
        Shape::of(component, &engine).check()?;
        check_exports(component, &engine)?;
        let misfit = |error: wasmtime::Error| LoadError::Misfit(format!("{error:#}"));
        let mut linker = Linker::new(&engine);
        add_to_linker(&mut linker, &engine, &component.component_type()).map_err(misfit)?;
        let pre = linker
            .instantiate_pre(component)
            .and_then(PolicyPre::new)
            .map_err(misfit)?;
        let ticker = Ticker::start(engine.weak()).map_err(LoadError::Ticker)?;
        Ok(Self {
            engine,
            pre,
            ticker,
            sha256,
            shipped: false,
        })
    }

    /// SHA-256 of the component, in lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Whether it is the one that this program ships.
    pub fn is_shipped(&self) -> bool {
        self.shipped
    }

    /// A store for one request, with every limit in place.
    pub(super) fn store<T: Bounded>(&self, state: T) -> Store<T> {
        let handles = state.limits().handles;
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| state.memory());
        // A handle that is lent for a call counts twice. The table of what handles stand for
        // has its own bound, which is met first.
        store.set_max_component_handles(handles.saturating_mul(2));
        let passed = store.data().limits().passed;
        store.set_hostcall_fuel(passed);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|context| {
            let state = context.data();
            if state.meter().exceeded().is_some() || state.is_withdrawn() {
                return Ok(wasmtime::UpdateDeadline::Interrupt);
            }
            Ok(wasmtime::UpdateDeadline::Continue(1))
        });
        store
    }

    pub(super) fn pre(&self) -> &PolicyPre<RequestState> {
        &self.pre
    }

    /// Keeps the epoch advancing while a guest runs.
    pub(super) fn tick(&self) -> TickGuard {
        self.ticker.run()
    }
}

/// A component's code, and what is known of the component itself.
pub(super) struct Code {
    pub(super) engine: Engine,
    pub(super) component: Component,
    /// SHA-256 of the component, in lower-case hexadecimal.
    pub(super) sha256: String,
    /// Bytes of the component.
    pub(super) size: u64,
}

impl Code {
    /// That of the shipped policy.
    ///
    /// # Errors
    /// As [`Policy::shipped`].
    pub(super) fn shipped() -> Result<Self, LoadError> {
        let engine = new_engine()?;
        // SAFETY: the bytes were made by `Engine::precompile_component` in this crate's
        // build script and are part of this program; nobody can have changed them
        // without changing the program.
        let component = unsafe { Component::deserialize(&engine, SHIPPED) }
            .map_err(|error| LoadError::Damaged(format!("{error:#}")))?;
        Ok(Self {
            engine,
            component,
            sha256: SHIPPED_SHA256.to_owned(),
            size: SHIPPED_SIZE.parse().unwrap_or_default(),
        })
    }
}

/// An engine, where code can run at all.
pub(super) fn new_engine() -> Result<Engine, LoadError> {
    executable_memory().map_err(LoadError::Executable)?;
    Engine::new(&engine::config()).map_err(|error| LoadError::Engine(format!("{error:#}")))
}
