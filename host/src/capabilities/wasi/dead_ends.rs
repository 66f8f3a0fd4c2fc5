//! What has a name in WASI and leads nowhere here.

use wasmtime::component::types::{Component as ComponentType, ComponentItem};
use wasmtime::component::{Linker, LinkerInstance, ResourceType};
use wasmtime::{Engine, bail};

use super::VERSION;
use crate::error::{Error, Fault};
use crate::runtime::InterfaceName;

/// The resources of dead ends: none is ever made.
enum Never {}

/// Defines every function and resource that the component imports of these packages, and
/// says whether there is any. What the host lends to every policy stays as it is.
pub(super) fn add_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    engine: &Engine,
    component: &ComponentType,
) -> wasmtime::Result<bool> {
    let mut any = false;
    // A resource that one interface takes from another is the same one in both, and is
    // defined where it comes from, which is imported first.
    let mut defined = Vec::new();
    for (name, item) in component.imports(engine) {
        let ComponentItem::ComponentInstance(interface) = item.ty else {
            continue;
        };
        let Some(linked) = InterfaceName::parse(name).filter(InterfaceName::is_inert) else {
            continue;
        };
        any = true;
        let linked = format!("{}@{VERSION}", linked.interface);
        let mut instance = linker.instance(&linked)?;
        for (item_name, item) in interface.exports(engine) {
            match item.ty {
                ComponentItem::ComponentFunc(_) => {
                    define_function(&mut instance, item_name, name)?;
                }
                ComponentItem::Resource(resource) if !defined.contains(&resource) => {
                    defined.push(resource);
                    let never = ResourceType::host::<Never>();
                    instance.resource(item_name, never, |_, _| bail!("no such handle"))?;
                }
                // Types need no definition.
                _ => {}
            }
        }
    }
    Ok(any)
}

fn define_function<T: 'static>(
    instance: &mut LinkerInstance<'_, T>,
    name: &str,
    interface: &str,
) -> wasmtime::Result<()> {
    let function = format!("{interface}#{name}");
    instance.func_new(name, move |_, _, _, _| {
        Err(Error::from(Fault::DeadEnd(function.clone())).into())
    })
}
