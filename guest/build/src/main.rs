//! `poolwarden-guest-build`: see the library's documentation.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use clap::Parser;
use poolwarden_guest_build::{
    EXAMPLES, Error, GUESTS, Guest, Record, Result, Toolchain, Verdict, check, core_module, encode,
    policy_module, sha256, verify,
};

/// A component is stale, or differs from what its source gives, or a build failed.
const FAILED: u8 = 1;
/// The bytes could not be compared, because the compiler at hand is not the recorded one.
const OTHER_BUILDER: u8 = 3;

/// Builds the guests as components and records what they were built from.
#[derive(Parser)]
struct Arguments {
    /// Build afresh in a temporary folder and compare with the committed components.
    ///
    /// Exit status: 0 they are equal; 1 one differs or is stale; 3 the compiler at hand is
    /// not the recorded one, so that nothing could be compared.
    #[arg(long)]
    check: bool,
    /// With --check: write the fresh components into this folder.
    #[arg(long, value_name = "DIR", requires = "check")]
    out: Option<PathBuf>,
    /// Build the example policies into this folder. Without --check, nothing else is built.
    #[arg(long, value_name = "DIR")]
    examples: Option<PathBuf>,
    /// Build the policy in this folder instead, which need not be part of the checkout.
    #[arg(long = "crate", value_name = "DIR", conflicts_with_all = ["check", "examples"], requires = "into")]
    policy: Option<PathBuf>,
    /// With --crate: write its component into this file.
    #[arg(long, value_name = "FILE", requires = "policy")]
    into: Option<PathBuf>,
    /// The checkout. Default: the one that this tool was built from.
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))]
    root: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = arguments.root.canonicalize().map_err(|source| Error::Read {
        path: arguments.root.clone(),
        source,
    });
    let done = done.and_then(|root| {
        let examples = arguments.examples.as_deref();
        if arguments.check {
            return check_all(&root, arguments.out.as_deref(), examples);
        }
        let toolchain = Toolchain::find(&root)?;
        if let (Some(folder), Some(into)) = (&arguments.policy, &arguments.into) {
            build_policy(folder, into, &toolchain)?;
            return Ok(ExitCode::SUCCESS);
        }
        // Apart from the host's: the two toolchains would wipe each other's work.
        let built = target(&root).join("guest");
        match examples {
            Some(folder) => build_examples(&root, folder, &toolchain, &built)?,
            None => build_all(&root, &toolchain, &built)?,
        }
        Ok(ExitCode::SUCCESS)
    });
    done.unwrap_or_else(|error| {
        eprintln!("error: {}", error.with_causes());
        ExitCode::from(FAILED)
    })
}

/// Builds every guest and writes its component and record.
fn build_all(root: &Path, toolchain: &Toolchain, target: &Path) -> Result<()> {
    for guest in GUESTS {
        let component = encode(guest.package, &core_module(root, guest, toolchain, target)?)?;
        Record::of(root, guest, &component, toolchain.builder())?.write(root, guest, &component)?;
        report(guest.component, &component, toolchain);
    }
    Ok(())
}

/// Builds the example policies into a folder.
fn build_examples(root: &Path, folder: &Path, toolchain: &Toolchain, target: &Path) -> Result<()> {
    for guest in EXAMPLES {
        let component = encode(guest.package, &core_module(root, guest, toolchain, target)?)?;
        report(guest.component, &component, toolchain);
        keep(folder, guest, &component)?;
    }
    Ok(())
}

/// Builds somebody's policy into a file.
fn build_policy(folder: &Path, into: &Path, toolchain: &Toolchain) -> Result<()> {
    let folder = folder.canonicalize().map_err(|source| Error::Read {
        path: folder.to_owned(),
        source,
    })?;
    let name = into.display().to_string();
    let component = encode(&name, &policy_module(&folder, toolchain)?)?;
    fs::write(into, &component).map_err(|source| Error::Write {
        path: into.to_owned(),
        source,
    })?;
    report(&name, &component, toolchain);
    Ok(())
}

/// Builds every guest from nothing and compares it with what is committed.
fn check_all(root: &Path, out: Option<&Path>, examples: Option<&Path>) -> Result<ExitCode> {
    let records = GUESTS
        .iter()
        .map(|guest| verify(root, guest))
        .collect::<Result<Vec<_>>>()?;
    let toolchain = Toolchain::find(root)?;
    let parent = target(root);
    fs::create_dir_all(&parent).map_err(|source| Error::Write {
        path: parent.clone(),
        source,
    })?;
    let fresh = tempfile::Builder::new()
        .prefix("guest-check-")
        .tempdir_in(&parent)
        .map_err(|source| Error::Write {
            path: parent,
            source,
        })?;

    let mut verdicts = Vec::new();
    for (guest, record) in GUESTS.iter().zip(&records) {
        let (verdict, component) = check(root, guest, &record.builder, &toolchain, fresh.path())?;
        report(guest.component, &component, &toolchain);
        match verdict {
            Verdict::Same => println!("  equal to the committed component"),
            Verdict::Different => {
                println!(
                    "  DIFFERENT from the committed component, sha256 {}",
                    record.component
                );
            }
            Verdict::OtherBuilder => warn_of_other_builder(record, &toolchain),
        }
        if let Some(out) = out {
            keep(out, guest, &component)?;
        }
        verdicts.push(verdict);
    }
    if let Some(folder) = examples {
        build_examples(root, folder, &toolchain, fresh.path())?;
    }
    Ok(if verdicts.contains(&Verdict::Different) {
        ExitCode::from(FAILED)
    } else if verdicts.contains(&Verdict::OtherBuilder) {
        ExitCode::from(OTHER_BUILDER)
    } else {
        ExitCode::SUCCESS
    })
}

/// Where cargo builds, unless told otherwise.
fn target(root: &Path) -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |target| root.join(target))
}

/// Writes a fresh component under the file name of the committed one.
fn keep(out: &Path, guest: &Guest<'_>, component: &[u8]) -> Result<()> {
    let path = out.join(Path::new(guest.component).file_name().unwrap_or_default());
    fs::create_dir_all(out)
        .and_then(|()| fs::write(&path, component))
        .map_err(|source| Error::Write {
            path: path.clone(),
            source,
        })?;
    println!("  kept as {}", path.display());
    Ok(())
}

/// Prints what was built, and by whom.
fn report(name: &str, component: &[u8], toolchain: &Toolchain) {
    let builder = toolchain.builder();
    println!(
        "{name}: {} bytes, sha256 {}",
        component.len(),
        sha256(component)
    );
    println!("  built by {}, {}", builder.compiler, builder.linker);
}

/// Says, so that nobody misses it in a log, that nothing was compared.
fn warn_of_other_builder(record: &Record, toolchain: &Toolchain) {
    let bar = "!".repeat(78);
    println!("{bar}");
    println!("NOT COMPARED: the committed component was built by something else.");
    for (whose, builder) in [("recorded", &record.builder), ("here", toolchain.builder())] {
        println!(
            "  {whose}: {}; {}; standard library: {}",
            builder.compiler, builder.linker, builder.standard_library
        );
    }
    println!("Run the suites against the fresh component instead (--out DIR keeps it).");
    println!("{bar}");
}
