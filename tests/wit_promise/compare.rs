//! What changed from one set of WIT packages to another, and whom it breaks.

use std::fmt;

use wit_parser::Resolve;

use crate::surface::{Item, Kind, Surface, surface};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// The name of what changed.
    pub(crate) item: String,
    /// How it changed.
    pub(crate) how: How,
}

/// How something changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// It is there no more.
    Removed,
    /// It is another one.
    Changed { was: String, is: String },
    /// It is new, and a policy that was built before would have to have it.
    Demanded,
    /// It is new, and whoever does not know it can do without.
    Added,
}

impl Change {
    /// Whether policies that were built before cannot be loaded any more.
    pub(crate) fn breaks(&self) -> bool {
        self.how != How::Added
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { item, how } = self;
        match how {
            How::Removed => write!(f, "{item}: removed"),
            How::Changed { was, is } => write!(f, "{item}: changed\n    was {was}\n    is  {is}"),
            How::Demanded => write!(
                f,
                "{item}: added where a policy that was built before would have to export it"
            ),
            How::Added => write!(f, "{item}: added"),
        }
    }
}

/// All changes between two sets of packages, each told once, where it was made.
pub(crate) fn compare(frozen: &Resolve, shipped: &Resolve) -> Vec<Change> {
    let (before, after) = (surface(frozen), surface(shipped));
    let mut changes = removed(&before, &after);
    changes.extend(changed(&before, &after));
    changes.extend(added(&before, &after));
    changes
}

fn removed(before: &Surface, after: &Surface) -> Vec<Change> {
    let gone = before.iter().filter(|(name, item)| {
        // What an interface held is gone with it.
        !after.contains_key(*name) && (item.owner.is_empty() || after.contains_key(&item.owner))
    });
    gone.map(|(name, _)| change(name, How::Removed)).collect()
}

fn changed(before: &Surface, after: &Surface) -> Vec<Change> {
    let both = before
        .iter()
        .filter_map(|(name, was)| Some((name, was, after.get(name)?)));
    let other: Vec<_> = both.filter(|(_, was, is)| was.shape != is.shape).collect();
    // A type that changed changes whatever uses it, which then reads as before.
    let written = |(_, was, is): &&(&String, &Item, &Item)| was.text != is.text;
    let roots: Vec<_> = other.iter().filter(written).collect();
    let told: Vec<_> = if roots.is_empty() {
        other
            .iter()
            .map(|one| (one.0, &one.1.shape, &one.2.shape))
            .collect()
    } else {
        roots
            .into_iter()
            .map(|one| (one.0, &one.1.text, &one.2.text))
            .collect()
    };
    let tell = |(name, was, is): (&String, &String, &String)| {
        let (was, is) = (was.clone(), is.clone());
        change(name, How::Changed { was, is })
    };
    told.into_iter().map(tell).collect()
}

fn added(before: &Surface, after: &Surface) -> Vec<Change> {
    let new = after.iter().filter(|(name, item)| {
        !before.contains_key(*name) && (item.owner.is_empty() || before.contains_key(&item.owner))
    });
    new.map(|(name, item)| {
        let demanded = match item.kind {
            Kind::Export => true,
            Kind::Function => before[&item.owner].exported,
            Kind::Interface | Kind::World | Kind::Type | Kind::Import => false,
        };
        change(name, if demanded { How::Demanded } else { How::Added })
    })
    .collect()
}

fn change(item: &str, how: How) -> Change {
    let item = item.to_owned();
    Change { item, how }
}
