//! From a guest's source to its core module.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use toml::Value;

use crate::canonical;
use crate::error::{Error, Result};
use crate::guests::Guest;
use crate::toolchain::{TARGET, Toolchain, run};

/// Compiles a guest and returns its core module.
///
/// The same sources, toolchain and lock file give the same bytes wherever the checkout,
/// the cargo home, the toolchain and `target` are: each path that could end up in a
/// panic message is replaced by a fixed one.
///
/// # Errors
/// When the build fails. Its messages have gone to stderr.
pub fn core_module(
    root: &Path,
    guest: &Guest<'_>,
    toolchain: &Toolchain,
    target: &Path,
) -> Result<Vec<u8>> {
    let build = Build {
        folder: root,
        package: guest.package,
        arguments: &["--locked", "--profile", "guest"],
        output: "guest",
    };
    build.run(toolchain, target)
}

/// Compiles somebody's policy, a package in a folder of its own, as its release profile says,
/// and returns its core module.
///
/// # Errors
/// When the manifest names no package, or the build fails. Its messages have gone to stderr.
pub fn policy_module(folder: &Path, toolchain: &Toolchain) -> Result<Vec<u8>> {
    let manifest = folder.join("Cargo.toml");
    let table = canonical::read_table(&manifest)?;
    let package = table.get("package").and_then(|package| package.get("name"));
    let package = package
        .and_then(Value::as_str)
        .ok_or_else(|| Error::Lacks {
            path: manifest,
            what: "package.name".to_owned(),
        })?;
    let build = Build {
        folder,
        package,
        arguments: &["--release"],
        output: "release",
    };
    // Apart from what an installed Rust builds: two compilers would wipe each other's work.
    build.run(toolchain, &folder.join("target/policy"))
}

/// One call of cargo.
struct Build<'a> {
    /// Where it is called.
    folder: &'a Path,
    /// The package whose library is built.
    package: &'a str,
    /// Which profile, and the like.
    arguments: &'a [&'a str],
    /// The profile's folder in the target's.
    output: &'a str,
}

impl Build<'_> {
    fn run(&self, toolchain: &Toolchain, target: &Path) -> Result<Vec<u8>> {
        let mut cargo = toolchain.cargo();
        cargo
            .current_dir(self.folder)
            // Unlike RUSTFLAGS, this variable takes paths with spaces.
            .env(
                "CARGO_ENCODED_RUSTFLAGS",
                remappings(self.folder, toolchain, target),
            )
            .arg("rustc")
            .args(self.arguments)
            .args(["--target", TARGET])
            // Of a library that is an rlib too, cargo would leave link-time optimisation out.
            .args(["--lib", "--crate-type", "cdylib"])
            .args(["--package", self.package])
            .arg("--target-dir")
            .arg(target);
        run(&mut cargo)?;

        let module = target
            .join(TARGET)
            .join(self.output)
            .join(self.package.replace('-', "_"))
            .with_extension("wasm");
        fs::read(&module).map_err(Error::read(&module))
    }
}

/// The compiler flags that replace the folders of this machine, in cargo's encoding.
fn remappings(root: &Path, toolchain: &Toolchain, target: &Path) -> OsString {
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    let mut folders = vec![
        (root.to_owned(), "/poolwarden"),
        (toolchain.folder().to_owned(), "/toolchain"),
        (target.to_owned(), "/target"),
    ];
    if let Some(home) = home {
        // Packages lie in a folder named after the registry, which on a machine with a
        // mirror is another one. It is there by now: this tool was built from it.
        let registries = fs::read_dir(home.join("registry/src"))
            .into_iter()
            .flatten();
        folders.extend(
            registries
                .flatten()
                .map(|entry| (entry.path(), "/packages")),
        );
        folders.push((home, "/cargo"));
    }
    // Both the path as given and the one without symbolic links can turn up.
    let real: Vec<_> = folders
        .iter()
        .filter_map(|(folder, name)| Some((folder.canonicalize().ok()?, *name)))
        .collect();
    folders.extend(real);
    // The last one that fits is applied (rustc's documentation of the flag): of nested
    // folders, the inner one.
    folders.sort_by_key(|(folder, _)| folder.as_os_str().len());
    folders.dedup();
    let flags: Vec<_> = folders
        .into_iter()
        .map(|(folder, name)| {
            let mut flag = OsString::from("--remap-path-prefix=");
            flag.push(folder);
            flag.push("=");
            flag.push(name);
            flag
        })
        .collect();
    flags.join(OsStr::new("\u{1f}"))
}
