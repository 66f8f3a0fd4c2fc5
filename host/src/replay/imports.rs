//! What a policy can import in a replay: the same interfaces, over a recording.

use std::time::UNIX_EPOCH;

use wasmtime::Engine;
use wasmtime::component::types::Component as ComponentType;
use wasmtime::component::{HasData, Linker, Resource};

use crate::capabilities::bindings::poolwarden::pool::registry::Transaction;
use crate::capabilities::bindings::poolwarden::pool::signals::Target;
use crate::capabilities::bindings::poolwarden::pool::{processes, registry, signals, types};
use crate::capabilities::bindings::wasi::clocks::wall_clock;
use crate::capabilities::bindings::wasi::config::store;
use crate::capabilities::bindings::wasi::logging::logging;
use crate::capabilities::{HostError, clock, wasi};
use crate::process::Claim;

use super::ReplayState;
use super::history::Sending;

/// Borrows the state of one replay for the time of one host call.
pub(crate) struct View<'a>(&'a mut ReplayState);

struct Replaying;

impl HasData for Replaying {
    type Data<'a> = View<'a>;
}

/// Links what this component may import, as [`capabilities`](crate::capabilities) does for a
/// pool. What leads nowhere there is the very same here.
pub(crate) fn add_to_linker(
    linker: &mut Linker<ReplayState>,
    engine: &Engine,
    component: &ComponentType,
) -> wasmtime::Result<()> {
    let view: for<'a> fn(&'a mut ReplayState) -> View<'a> = |state| View(state);
    types::add_to_linker::<_, Replaying>(linker, view)?;
    registry::add_to_linker::<_, Replaying>(linker, view)?;
    processes::add_to_linker::<_, Replaying>(linker, view)?;
    signals::add_to_linker::<_, Replaying>(linker, view)?;
    wall_clock::add_to_linker::<_, Replaying>(linker, view)?;
    store::add_to_linker::<_, Replaying>(linker, view)?;
    logging::add_to_linker::<_, Replaying>(linker, view)?;
    clock::add_rest_to_linker(linker)?;
    wasi::add_to_linker(linker, engine, component)
}

impl types::Host for View<'_> {
    fn convert_error(&mut self, error: HostError) -> wasmtime::Result<types::Error> {
        error.into_guest()
    }
}

/// The handle of a transaction is a number and nothing more: there is one at most.
impl registry::Host for View<'_> {
    fn begin(&mut self) -> Result<Resource<Transaction>, HostError> {
        self.0.begin()?;
        Ok(Resource::new_own(0))
    }
}

impl registry::HostTransaction for View<'_> {
    fn read(&mut self, _: Resource<Transaction>) -> Result<Option<Vec<u8>>, HostError> {
        self.0.read()
    }

    fn replace(&mut self, _: Resource<Transaction>, bytes: Vec<u8>) -> Result<(), HostError> {
        self.0.replace(bytes)
    }

    fn drop(&mut self, _: Resource<Transaction>) -> wasmtime::Result<()> {
        self.0.end();
        Ok(())
    }
}

impl processes::Host for View<'_> {
    fn inspect(&mut self, claims: Vec<types::Claim>) -> wasmtime::Result<Vec<types::Finding>> {
        let claims: Vec<Claim> = claims.into_iter().map(Claim::from).collect();
        let found = self.0.inspect(&claims);
        Ok(found.iter().map(types::Finding::from).collect())
    }
}

impl signals::Host for View<'_> {
    fn open(
        &mut self,
        _: Resource<Transaction>,
        sid: String,
        pid: u32,
    ) -> Result<Resource<Target>, HostError> {
        Ok(Resource::new_own(self.0.open_target(&sid, pid)?))
    }

    fn wait(&mut self, targets: Vec<Resource<Target>>, _: u64) -> Result<Vec<bool>, HostError> {
        let targets: Vec<_> = targets.iter().map(Resource::rep).collect();
        self.0.wait(&targets)
    }
}

impl signals::HostTarget for View<'_> {
    fn send(&mut self, target: Resource<Target>, signal: types::Signal) -> Result<(), HostError> {
        let sending = Sending {
            signal: signal.into(),
            group: false,
        };
        self.0.send(target.rep(), sending)
    }

    fn send_group(
        &mut self,
        target: Resource<Target>,
        signal: types::Signal,
    ) -> Result<(), HostError> {
        let sending = Sending {
            signal: signal.into(),
            group: true,
        };
        self.0.send(target.rep(), sending)
    }

    fn drop(&mut self, target: Resource<Target>) -> wasmtime::Result<()> {
        self.0.drop_target(target.rep())
    }
}

impl wall_clock::Host for View<'_> {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        let now = self.0.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(wall_clock::Datetime {
            seconds: now.as_secs(),
            nanoseconds: now.subsec_nanos(),
        })
    }
}

impl store::Host for View<'_> {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, store::Error>> {
        Ok(Ok(self.0.settings.get(&key).cloned()))
    }
}

impl logging::Host for View<'_> {
    fn log(
        &mut self,
        level: logging::Level,
        context: String,
        message: String,
    ) -> wasmtime::Result<()> {
        self.0.log(level, &context, &message);
        Ok(())
    }
}
