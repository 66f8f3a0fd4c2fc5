//! What a set of WIT packages consists of, as a component sees it.
//!
//! Documentation and spans are no part of it, and types are compared by what they are made
//! of, through aliases and `use`: a component's type says no more. Of a resource, which has
//! no structure, the name counts.

use std::collections::BTreeMap;

use wit_parser::{
    Function, Handle, Interface, InterfaceId, Resolve, Type, TypeDefKind, TypeId, TypeOwner, World,
    WorldItem,
};

/// Everything that can be named, in order of its names.
pub(crate) type Surface = BTreeMap<String, Item>;

/// One thing that can be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) kind: Kind,
    /// The interface or world that it is in; empty for those that are in none.
    pub(crate) owner: String,
    /// As its author would write it, with the names of other types.
    pub(crate) text: String,
    /// The same, with what those types are made of.
    pub(crate) shape: String,
    /// Whether it is an interface that a policy has to have.
    pub(crate) exported: bool,
}

/// What kind of thing it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Interface,
    World,
    Function,
    Type,
    Import,
    Export,
}

/// How far a type is written out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// Other types by their names.
    Names,
    /// Other types by what they are made of.
    Structure,
}

/// Reads the surface of all packages.
pub(crate) fn surface(resolve: &Resolve) -> Surface {
    let mut surface = Reader {
        resolve,
        items: BTreeMap::new(),
    };
    for (id, interface) in resolve.interfaces.iter() {
        // Those without a name stand in a world, and are read with it.
        if let Some(name) = resolve.canonicalized_id_of(id) {
            surface.interface("", &name, interface);
        }
    }
    for (_, world) in resolve.worlds.iter() {
        surface.world(world);
    }
    surface.items
}

struct Reader<'a> {
    resolve: &'a Resolve,
    items: Surface,
}

impl Reader<'_> {
    fn interface(&mut self, owner: &str, name: &str, interface: &Interface) {
        self.add(Kind::Interface, owner, name, [String::new(), String::new()]);
        for (of_type, id) in &interface.types {
            let texts = [Depth::Names, Depth::Structure].map(|depth| self.definition(*id, depth));
            self.add(Kind::Type, name, of_type, texts);
        }
        for (of_function, function) in &interface.functions {
            self.function(name, of_function, Kind::Function, function);
        }
    }

    fn world(&mut self, world: &World) {
        let package = world.package.expect("every world is in a package");
        let name = self.resolve.canonicalized_id_of_name(package, &world.name);
        let name = format!("world {name}");
        self.add(Kind::World, "", &name, [String::new(), String::new()]);
        for (kind, items) in [
            (Kind::Import, &world.imports),
            (Kind::Export, &world.exports),
        ] {
            for (key, item) in items {
                let key = self.resolve.name_canonicalized_world_key(key);
                self.world_item(&name, kind, &key, item);
            }
        }
    }

    fn world_item(&mut self, world: &str, kind: Kind, key: &str, item: &WorldItem) {
        match item {
            WorldItem::Interface { id, .. } => {
                self.add(kind, world, key, [String::new(), String::new()]);
                let interface = &self.resolve.interfaces[*id];
                let mut name = key.to_owned();
                if interface.name.is_none() {
                    name = format!("{world} interface {key}");
                    self.interface(world, &name, interface);
                }
                if let (Kind::Export, Some(item)) = (kind, self.items.get_mut(&name)) {
                    item.exported = true;
                }
            }
            WorldItem::Function(function) => self.function(world, key, kind, function),
            WorldItem::Type { id, .. } => {
                let texts =
                    [Depth::Names, Depth::Structure].map(|depth| self.definition(*id, depth));
                self.add(Kind::Type, world, key, texts);
            }
        }
    }

    fn function(&mut self, owner: &str, name: &str, kind: Kind, function: &Function) {
        let texts = [Depth::Names, Depth::Structure].map(|depth| {
            let parameters = function.params.iter();
            let parameters: Vec<_> = parameters
                .map(|one| format!("{}: {}", one.name, self.value(&one.ty, depth)))
                .collect();
            let begin = match function.kind.is_async() {
                true => "async func",
                false => "func",
            };
            let parameters = parameters.join(", ");
            match &function.result {
                Some(result) => format!("{begin}({parameters}) -> {}", self.value(result, depth)),
                None => format!("{begin}({parameters})"),
            }
        });
        self.add(kind, owner, name, texts);
    }

    fn add(&mut self, kind: Kind, owner: &str, name: &str, [text, shape]: [String; 2]) {
        let path = match kind {
            Kind::Interface | Kind::World => name.to_owned(),
            Kind::Function => format!("{owner} function {name}"),
            Kind::Type => format!("{owner} type {name}"),
            Kind::Import => format!("{owner} import {name}"),
            Kind::Export => format!("{owner} export {name}"),
        };
        let item = Item {
            kind,
            owner: owner.to_owned(),
            text,
            shape,
            exported: false,
        };
        self.items.insert(path, item);
    }

    /// What a type is defined as.
    fn definition(&self, id: TypeId, depth: Depth) -> String {
        match &self.resolve.types[id].kind {
            TypeDefKind::Type(Type::Id(target)) if depth == Depth::Names => {
                self.place(*target).unwrap_or_else(|| self.made(id, depth))
            }
            _ => self.made(id, depth),
        }
    }

    /// What a type is where it is used.
    fn value(&self, of: &Type, depth: Depth) -> String {
        match of {
            Type::Id(id) => match (&self.resolve.types[*id].name, depth) {
                (Some(name), Depth::Names) => name.clone(),
                _ => self.made(*id, depth),
            },
            Type::Bool => "bool".into(),
            Type::U8 => "u8".into(),
            Type::U16 => "u16".into(),
            Type::U32 => "u32".into(),
            Type::U64 => "u64".into(),
            Type::S8 => "s8".into(),
            Type::S16 => "s16".into(),
            Type::S32 => "s32".into(),
            Type::S64 => "s64".into(),
            Type::F32 => "f32".into(),
            Type::F64 => "f64".into(),
            Type::Char => "char".into(),
            Type::String => "string".into(),
            Type::ErrorContext => "error-context".into(),
        }
    }

    /// What a type is made of.
    fn made(&self, id: TypeId, depth: Depth) -> String {
        let value = |of: &Type| self.value(of, depth);
        let or_nothing = |of: &Option<Type>| of.as_ref().map_or_else(|| "_".to_owned(), value);
        let named = |name: &str, of: &Type| format!("{name}: {}", value(of));
        match &self.resolve.types[id].kind {
            TypeDefKind::Record(record) => {
                let fields = record.fields.iter();
                block("record", fields.map(|field| named(&field.name, &field.ty)))
            }
            TypeDefKind::Variant(variant) => {
                let case = |case: &wit_parser::Case| match &case.ty {
                    Some(of) => format!("{}({})", case.name, value(of)),
                    None => case.name.clone(),
                };
                block("variant", variant.cases.iter().map(case))
            }
            TypeDefKind::Enum(cases) => {
                block("enum", cases.cases.iter().map(|case| case.name.clone()))
            }
            TypeDefKind::Flags(flags) => {
                block("flags", flags.flags.iter().map(|flag| flag.name.clone()))
            }
            TypeDefKind::Tuple(tuple) => {
                let types: Vec<_> = tuple.types.iter().map(value).collect();
                format!("tuple<{}>", types.join(", "))
            }
            TypeDefKind::Option(of) => format!("option<{}>", value(of)),
            TypeDefKind::Result(result) => {
                let (ok, err) = (or_nothing(&result.ok), or_nothing(&result.err));
                format!("result<{ok}, {err}>")
            }
            TypeDefKind::List(of) => format!("list<{}>", value(of)),
            TypeDefKind::Map(key, of) => format!("map<{}, {}>", value(key), value(of)),
            TypeDefKind::FixedLengthList(of, length) => format!("list<{}, {length}>", value(of)),
            TypeDefKind::Future(of) => format!("future<{}>", or_nothing(of)),
            TypeDefKind::Stream(of) => format!("stream<{}>", or_nothing(of)),
            TypeDefKind::Handle(Handle::Own(of)) => value(&Type::Id(*of)),
            TypeDefKind::Handle(Handle::Borrow(of)) => format!("borrow<{}>", value(&Type::Id(*of))),
            TypeDefKind::Type(of) => value(of),
            TypeDefKind::Resource => {
                let place = self.place(id).expect("a resource has a name");
                format!("resource {place}")
            }
            TypeDefKind::Unknown => unreachable!("every type is known once it is resolved"),
        }
    }

    /// Where a type with a name is defined.
    fn place(&self, id: TypeId) -> Option<String> {
        let of = &self.resolve.types[id];
        let owner = match of.owner {
            TypeOwner::Interface(interface) => self.interface_name(interface),
            TypeOwner::World(world) => self.resolve.worlds[world].name.clone(),
            TypeOwner::None => return None,
        };
        Some(format!("{owner}.{}", of.name.as_ref()?))
    }

    fn interface_name(&self, id: InterfaceId) -> String {
        let name = self.resolve.canonicalized_id_of(id);
        name.unwrap_or_else(|| "its interface".to_owned())
    }
}

fn block(keyword: &str, lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<_> = lines.collect();
    format!("{keyword} {{ {} }}", lines.join(", "))
}
