//! Whether a policy's functions have the types of the interface.

use wasmtime::Engine;
use wasmtime::component::types::{ComponentInstance, ComponentItem};
use wasmtime::component::{Component, ComponentNamedList, Lift, Lower};

use super::LoadError;
use super::shape::is_pool;
use crate::capabilities::bindings::exports::poolwarden::pool::pool::{
    Description, Failure, NewEntry, StopOptions,
};

type Answer = (Result<String, Failure>,);

/// Checks the types of the functions that a policy exports. The generated bindings do so
/// only in an instance, which is made for the first request: too late for whoever wants to
/// know whether a policy can take over.
///
/// # Errors
/// [`LoadError::Misfit`] names the function, [`LoadError::MissingExport`] one that is not
/// there.
pub(crate) fn check_exports(component: &Component, engine: &Engine) -> Result<(), LoadError> {
    let exports = Exports { component, engine };
    exports.check::<(), (Description,)>("describe")?;
    exports.check::<(bool,), Answer>("ensure")?;
    exports.check::<(Option<&str>,), Answer>("status")?;
    exports.check::<(&StopOptions,), Answer>("stop")?;
    exports.check::<(&NewEntry,), Answer>("register")?;
    exports.check::<(&str, bool), Answer>("forget")
}

struct Exports<'a> {
    component: &'a Component,
    engine: &'a Engine,
}

impl Exports<'_> {
    fn check<Parameters, Results>(&self, function: &str) -> Result<(), LoadError>
    where
        Parameters: ComponentNamedList + Lower,
        Results: ComponentNamedList + Lift,
    {
        let component = self.component.component_type();
        let found = component
            .exports(self.engine)
            .find(|(name, _)| is_pool(name))
            .and_then(|(_, item)| match item.ty {
                ComponentItem::ComponentInstance(pool) => self.function(&pool, function),
                _ => None,
            });
        let Some(ComponentItem::ComponentFunc(found)) = found else {
            return Err(LoadError::MissingExport {
                name: function.to_owned(),
            });
        };
        found
            .typecheck::<Parameters, Results>(&component.instance_type())
            .map_err(|error| {
                LoadError::Misfit(format!(
                    "the function {function} has another type: {error:#}"
                ))
            })
    }

    fn function(&self, pool: &ComponentInstance, name: &str) -> Option<ComponentItem> {
        Some(pool.get_export(self.engine, name)?.ty)
    }
}
