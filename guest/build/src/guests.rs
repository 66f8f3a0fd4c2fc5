//! Which guests there are.

use std::path::{Path, PathBuf};

/// A crate that becomes a component.
#[derive(Clone, Copy, Debug)]
pub struct Guest<'a> {
    /// The name of its package, a member of the workspace. Its library has the same name.
    pub package: &'a str,
    /// Where its component is kept, relative to the checkout; of an example, relative to the
    /// folder that it is built into.
    pub component: &'a str,
}

/// Every guest whose component is in this repository.
pub const GUESTS: &[Guest<'static>] = &[
    // What the host embeds.
    Guest {
        package: "poolwarden-shipped-policy",
        component: "guest/policy.wasm",
    },
    // What attacks the host in the suite `tests/hostile`.
    Guest {
        package: "poolwarden-hostile-guest",
        component: "tests/guests/hostile.wasm",
    },
];

/// The example policies. Their components are built on demand and kept nowhere.
pub const EXAMPLES: &[Guest<'static>] = &[
    Guest {
        package: "poolwarden-example-age-limit",
        component: "age-limit.wasm",
    },
    Guest {
        package: "poolwarden-example-worker-cap",
        component: "worker-cap.wasm",
    },
];

impl Guest<'_> {
    /// The component's path.
    #[must_use]
    pub fn component_path(&self, root: &Path) -> PathBuf {
        root.join(self.component)
    }

    /// The path of the component's record: beside it, `policy.lock.toml` for `policy.wasm`.
    #[must_use]
    pub fn record_path(&self, root: &Path) -> PathBuf {
        self.component_path(root).with_extension("lock.toml")
    }
}
