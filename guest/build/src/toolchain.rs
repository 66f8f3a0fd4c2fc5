//! Which Rust builds the guests.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The target of every guest.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Names an unpacked Debian toolchain, which then wins over any other.
const FOLDER_VARIABLE: &str = "POOLWARDEN_WASM_TOOLCHAIN";

/// Beginnings of the variables of cargo that say where things are fetched from and how
/// its messages look. All its other variables could change the bytes of a guest, and are
/// not passed on.
const HARMLESS_VARIABLES: [&str; 6] = [
    "CARGO_HOME",
    "CARGO_HTTP_",
    "CARGO_NET_",
    "CARGO_REGISTRIES_",
    "CARGO_REGISTRY_",
    "CARGO_TERM_",
];

/// Who built a component. Bytes can be compared only between equal builders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Builder {
    /// The first line of `rustc -Vv`.
    pub compiler: String,
    /// The first line of `wasm-ld --version`.
    pub linker: String,
    /// Where the standard library came from: `shipped` with the compiler, or built from
    /// its `source`.
    pub standard_library: String,
}

/// A Rust that can build for the guests' target.
pub struct Toolchain {
    kind: Kind,
    builder: Builder,
}

enum Kind {
    /// The Rust that runs this tool, with its standard library for the target.
    Installed { rustc: PathBuf, sysroot: PathBuf },
    /// Debian's packages unpacked into a folder; builds the standard library from source.
    Debian { folder: PathBuf, linker: PathBuf },
}

impl Toolchain {
    /// Finds a toolchain: the folder that `POOLWARDEN_WASM_TOOLCHAIN` names, the installed
    /// Rust if it has the target, else Debian's, which is fetched once into the cache.
    ///
    /// # Errors
    /// When there is none and none can be fetched, or a part of it does not run.
    pub fn find(root: &Path) -> Result<Self> {
        if let Some(folder) = env::var_os(FOLDER_VARIABLE) {
            return Self::debian(Path::new(&folder));
        }
        let rustc = named_by_cargo("RUSTC", "rustc");
        let sysroot = first_line(Command::new(&rustc).args(["--print", "sysroot"]))?;
        let sysroot = PathBuf::from(sysroot);
        if sysroot
            .join("lib/rustlib")
            .join(TARGET)
            .join("lib")
            .is_dir()
        {
            return Self::installed(rustc, sysroot);
        }
        let folder = cache()?;
        if !folder.exists() {
            eprintln!("the installed Rust cannot build for {TARGET}: fetching Debian's");
            let script = root.join("guest/build/debian-toolchain.sh");
            // What it says is progress; stdout is for results.
            run(Command::new("bash")
                .arg(script)
                .arg(&folder)
                .stdout(io::stderr()))?;
        }
        Self::debian(&folder)
    }

    /// Who builds with this toolchain.
    #[must_use]
    pub fn builder(&self) -> &Builder {
        &self.builder
    }

    /// The folder that holds it, the standard library's source included.
    pub(crate) fn folder(&self) -> &Path {
        match &self.kind {
            Kind::Installed { sysroot, .. } => sysroot,
            Kind::Debian { folder, .. } => folder,
        }
    }

    /// Begins a call of this toolchain's cargo, with an environment that cannot change
    /// what it builds. The subcommand is still to be added.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = Command::new(match &self.kind {
            Kind::Installed { .. } => named_by_cargo("CARGO", "cargo"),
            Kind::Debian { folder, .. } => folder.join("usr/bin/cargo"),
        });
        for (name, _) in env::vars_os() {
            if changes_bytes(&name.to_string_lossy()) {
                cargo.env_remove(name);
            }
        }
        // Macros and build scripts run once: optimising them takes longer than all the rest.
        cargo.env("CARGO_PROFILE_GUEST_BUILD_OVERRIDE_OPT_LEVEL", "0");
        match &self.kind {
            Kind::Installed { rustc, .. } => {
                cargo.env("RUSTC", rustc);
            }
            Kind::Debian { folder, linker } => {
                cargo
                    .env("LD_LIBRARY_PATH", libraries(folder))
                    .env("RUSTC", folder.join("usr/bin/rustc"))
                    .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
                    // Building the standard library is an unstable feature.
                    .env("RUSTC_BOOTSTRAP", "1")
                    .arg("-Zbuild-std=std,panic_abort");
            }
        }
        cargo
    }

    fn installed(rustc: PathBuf, sysroot: PathBuf) -> Result<Self> {
        let host = sysroot
            .join("lib/rustlib")
            .join(env::consts::ARCH.to_owned() + "-unknown-linux-gnu");
        let linker = host.join("bin/rust-lld");
        let builder = Builder {
            compiler: first_line(Command::new(&rustc).arg("-Vv"))?,
            linker: first_line(Command::new(linker).args(["-flavor", "wasm", "--version"]))?,
            standard_library: "shipped".to_owned(),
        };
        Ok(Self {
            kind: Kind::Installed { rustc, sysroot },
            builder,
        })
    }

    fn debian(folder: &Path) -> Result<Self> {
        // Without symbolic links: that is the path which rustc writes into panic messages.
        let folder = folder.canonicalize().map_err(Error::read(folder))?;
        let programs = folder.join("usr/bin");
        let linker = find(&programs, "wasm-ld")?;
        let version = |program: &Path, argument: &str| {
            let mut command = Command::new(program);
            first_line(
                command
                    .arg(argument)
                    .env("LD_LIBRARY_PATH", libraries(&folder)),
            )
        };
        let builder = Builder {
            compiler: version(&programs.join("rustc"), "-Vv")?,
            linker: version(&linker, "--version")?,
            standard_library: "source".to_owned(),
        };
        Ok(Self {
            kind: Kind::Debian { folder, linker },
            builder,
        })
    }
}

/// The program that cargo named when it started this tool, else the one on the path.
fn named_by_cargo(variable: &str, program: &str) -> PathBuf {
    env::var_os(variable).map_or_else(|| PathBuf::from(program), PathBuf::from)
}

/// Whether a variable of the environment could change what cargo builds.
fn changes_bytes(variable: &str) -> bool {
    let harmless = HARMLESS_VARIABLES
        .iter()
        .any(|prefix| variable.starts_with(prefix));
    variable.starts_with("RUSTC")
        || variable == "RUSTFLAGS"
        || variable.starts_with("CARGO_") && !harmless
}

/// Where a fetched toolchain is kept.
fn cache() -> Result<PathBuf> {
    env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(env::home_dir()?.join(".cache")))
        .map(|cache| cache.join("poolwarden/wasm-toolchain"))
        .ok_or(Error::NoCache)
}

/// Where Debian puts shared libraries of this architecture.
fn libraries(folder: &Path) -> PathBuf {
    folder
        .join("usr/lib")
        .join(env::consts::ARCH.to_owned() + "-linux-gnu")
}

/// The file in a folder whose name begins so; the name ends in a version.
fn find(folder: &Path, prefix: &str) -> Result<PathBuf> {
    for entry in fs::read_dir(folder).map_err(Error::read(folder))? {
        let entry = entry.map_err(Error::read(folder))?;
        if entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(prefix.as_bytes())
        {
            return Ok(entry.path());
        }
    }
    Err(Error::Lacks {
        path: folder.to_owned(),
        what: prefix.to_owned(),
    })
}

/// Runs a command to its end.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Error::Failed {
            program,
            status,
            detail: String::new(),
        }),
        Err(source) => Err(Error::Run { program, source }),
    }
}

/// Runs a command and returns the first line that it prints.
fn first_line(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(source) => return Err(Error::Run { program, source }),
    };
    if !output.status.success() {
        let detail = format!(": {}", String::from_utf8_lossy(&output.stderr).trim());
        return Err(Error::Failed {
            program,
            status: output.status,
            detail,
        });
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned())
}
