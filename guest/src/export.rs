//! From a [`Policy`] to the exported interface `pool`.

use std::marker::PhantomData;

use crate::bindings::exports::poolwarden::pool::pool::Guest;
use crate::host::{Description, Failure, NewEntry, StopOptions};
use crate::imports::Imports;
use crate::policy::Policy;
use crate::settings::Settings;

/// Makes a core module export a policy, once in the crate that is built as a component.
///
/// Outside of WebAssembly nothing is exported: the names mean something to a component
/// only, and native linkers reject them.
#[macro_export]
macro_rules! export {
    ($policy:ty) => {
        const _: () = $crate::export::is_policy::<$policy>();
        #[cfg(target_family = "wasm")]
        const _: () = {
            type Component = $crate::export::Component<$policy>;
    $crate::bindings::export!(Component with_types_in $crate::bindings);
        };
    };
}

/// A policy on the host that instantiated it. Each request makes it anew, from its settings.
#[derive(Debug)]
pub struct Component<P>(PhantomData<P>);

impl<P: Policy> Guest for Component<P> {
    fn describe() -> Description {
        P::describe()
    }

    fn ensure(dry_run: bool) -> Result<String, Failure> {
        configured::<P>()?.ensure(&Imports, dry_run)
    }

    fn status(sid: Option<String>) -> Result<String, Failure> {
        configured::<P>()?.status(&Imports, sid.as_deref())
    }

    fn stop(options: StopOptions) -> Result<String, Failure> {
        configured::<P>()?.stop(&Imports, &options)
    }

    fn register(entry: NewEntry) -> Result<String, Failure> {
        configured::<P>()?.register(&Imports, &entry)
    }

    fn forget(sid: String, even_if_alive: bool) -> Result<String, Failure> {
        configured::<P>()?.forget(&Imports, &sid, even_if_alive)
    }
}

/// Says at compile time whether a type is a policy, on every target.
pub const fn is_policy<P: Policy>() {}

fn configured<P: Policy>() -> Result<P, Failure> {
    P::configure(&Settings::of(&Imports))
}
