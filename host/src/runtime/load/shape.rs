//! What a component imports and exports, read from its type; and whether that is a policy.

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::{ComponentInstance, ComponentItem};

use super::{InterfaceName, LoadError};
use crate::capabilities::{LENT, wasi};

/// The interface that every policy exports, and its version.
const EXPORT: (&str, &str) = ("poolwarden:pool/pool", "0.1.0");
/// Its functions. More of them would be optional.
const FUNCTIONS: [&str; 6] = ["describe", "ensure", "status", "stop", "register", "forget"];
/// The package whose version is that of the promise between program and policy.
const PACKAGE: &str = "poolwarden:pool";

/// Imports and exports of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(super) imports: Vec<Import>,
    pub(super) exports: Vec<Export>,
}

/// One interface that a component imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Its name with its version, as the component has it.
    pub name: String,
    /// The functions of it that are imported. A method is `[method]resource.name`.
    pub functions: Vec<String>,
    /// What the host makes of it.
    pub kind: ImportKind,
}

/// What the host makes of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportKind {
    /// The host lends it, within the grants.
    Lent,
    /// It is there, and leads nowhere: no files, no network, no environment.
    Inert,
    /// The host has it in another version, so the component does not load.
    OtherVersion,
    /// The host does not have it, so the component does not load.
    Unknown,
}

/// One item that a component exports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Its name, with its version when it is an interface.
    pub name: String,
    /// The functions of the interface.
    pub functions: Vec<String>,
}

impl Shape {
    pub(crate) fn of(component: &Component, engine: &Engine) -> Self {
        let component = component.component_type();
        let imports = component.imports(engine).map(|(name, item)| Import {
            name: name.to_owned(),
            functions: functions(&item.ty, engine),
            kind: ImportKind::of(name, &item.ty),
        });
        let exports = component.exports(engine).map(|(name, item)| Export {
            name: name.to_owned(),
            functions: functions(&item.ty, engine),
        });
        Self {
            imports: imports.collect(),
            exports: exports.collect(),
        }
    }

    /// The version of the package that its names carry: those of its exports, else of its
    /// imports.
    pub(super) fn version(&self) -> Option<&str> {
        self.names()
            .filter_map(InterfaceName::parse)
            .find(|name| name.package() == PACKAGE)
            .and_then(|name| name.version)
    }

    /// Whether this component imports that function.
    pub(super) fn imports(&self, interface: &str, function: &str) -> bool {
        self.imports.iter().any(|import| {
            InterfaceName::parse(&import.name).is_some_and(|name| name.interface == interface)
                && import.functions.iter().any(|found| found == function)
        })
    }

    /// Checks by their names that its imports can be had and its exports are a policy's.
    /// Types are left to the linker, which knows them.
    ///
    /// # Errors
    /// The one that says most about how the component came to be.
    pub(crate) fn check(&self) -> Result<(), LoadError> {
        let other = self.names().find_map(|name| {
            let parsed = InterfaceName::parse(name)?;
            (parsed.package() == PACKAGE && !parsed.fits(EXPORT.1)).then_some((name, parsed))
        });
        if let Some((name, parsed)) = other {
            return Err(LoadError::OtherVersion {
                found: name.to_owned(),
                wanted: format!("{}@{}", parsed.interface, EXPORT.1),
            });
        }
        let wanted = format!("{}@{}", EXPORT.0, EXPORT.1);
        let pool = self.exports.iter().find(|export| is_pool(&export.name));
        let Some(pool) = pool else {
            return Err(LoadError::OtherWorld {
                wanted,
                found: self.exports.iter().map(|e| e.name.clone()).collect(),
            });
        };
        let unknown = |import: &&Import| {
            matches!(import.kind, ImportKind::Unknown | ImportKind::OtherVersion)
        };
        if let Some(import) = self.imports.iter().find(unknown) {
            return Err(LoadError::UnknownImport {
                name: import.name.clone(),
            });
        }
        let missing = |function: &&&str| !pool.functions.iter().any(|found| found == *function);
        match FUNCTIONS.iter().find(missing) {
            Some(function) => Err(LoadError::MissingExport {
                name: format!("{wanted}#{function}"),
            }),
            None => Ok(()),
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let exports = self.exports.iter().map(|export| export.name.as_str());
        exports.chain(self.imports.iter().map(|import| import.name.as_str()))
    }
}

/// Whether that is the name of the interface that every policy exports, in whatever version.
pub(super) fn is_pool(name: &str) -> bool {
    InterfaceName::parse(name).is_some_and(|name| name.interface == EXPORT.0)
}

impl ImportKind {
    fn of(name: &str, item: &ComponentItem) -> Self {
        let (Some(name), ComponentItem::ComponentInstance(_)) = (InterfaceName::parse(name), item)
        else {
            return Self::Unknown;
        };
        if name.is_lent() {
            Self::Lent
        } else if name.is_inert() {
            Self::Inert
        } else if LENT.iter().any(|lent| lent.0 == name.interface) {
            Self::OtherVersion
        } else {
            Self::Unknown
        }
    }
}

impl InterfaceName<'_> {
    /// Whether it is linked for every policy.
    fn is_lent(&self) -> bool {
        LENT.iter()
            .any(|(interface, version)| self.interface == *interface && self.fits(version))
    }

    /// Whether it is of WASI 0.2 and linked without effect.
    pub(crate) fn is_inert(&self) -> bool {
        !self.is_lent() && wasi::PACKAGES.contains(&self.package()) && self.fits(wasi::VERSION)
    }
}

fn functions(item: &ComponentItem, engine: &Engine) -> Vec<String> {
    let of_interface = |interface: &ComponentInstance| {
        interface
            .exports(engine)
            .filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_)))
            .map(|(name, _)| name.to_owned())
            .collect()
    };
    match item {
        ComponentItem::ComponentInstance(interface) => of_interface(interface),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(name: &str, kind: ImportKind) -> Import {
        Import {
            name: name.into(),
            functions: Vec::new(),
            kind,
        }
    }

    fn policy() -> Shape {
        Shape {
            imports: vec![import("poolwarden:pool/registry@0.1.0", ImportKind::Lent)],
            exports: vec![Export {
                name: "poolwarden:pool/pool@0.1.0".into(),
                functions: FUNCTIONS.map(String::from).into(),
            }],
        }
    }

    #[test]
    fn a_policy_is_one() {
        policy().check().expect("it fits");
        assert_eq!(policy().version(), Some("0.1.0"));
    }

    #[test]
    fn another_version_is_named_whether_imported_or_exported() {
        for name in [
            "poolwarden:pool/registry@0.2.0",
            "poolwarden:pool/later@1.0.0",
        ] {
            let mut shape = policy();
            shape.imports.push(import(name, ImportKind::Unknown));
            let error = shape.check().expect_err("another version");
            assert!(matches!(error, LoadError::OtherVersion { .. }), "{error}");
            assert!(error.to_string().contains(name), "{error}");
        }
        let mut shape = policy();
        shape.exports[0].name = "poolwarden:pool/pool@0.2.0".into();
        let error = shape.check().expect_err("another version").to_string();
        assert!(error.contains("pool/pool@0.2.0"), "{error}");
        assert!(error.contains("pool/pool@0.1.0"), "{error}");
    }

    #[test]
    fn a_component_for_something_else_is_told_by_what_it_exports() {
        let mut shape = policy();
        shape.exports[0].name = "wasi:http/incoming-handler@0.2.6".into();
        let error = shape.check().expect_err("another world");
        assert!(matches!(error, LoadError::OtherWorld { .. }), "{error}");
        assert!(error.to_string().contains("incoming-handler"), "{error}");
    }

    #[test]
    fn what_cannot_be_had_is_named() {
        let mut shape = policy();
        let name = "wasi:keyvalue/store@0.2.0-draft";
        shape.imports.push(import(name, ImportKind::Unknown));
        let error = shape.check().expect_err("unknown").to_string();
        assert!(error.contains(name), "{error}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut shape = policy();
        shape.exports[0].functions.retain(|name| name != "stop");
        let error = shape.check().expect_err("missing").to_string();
        assert!(error.contains("poolwarden:pool/pool@0.1.0#stop"), "{error}");
    }
}
