//! `policy compile`: fills the cache of compiled code ahead of a policy's first use.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use poolwarden::{CodeCache, PolicyLoader};
use serde::Serialize;
use serde_json::Value;

use super::super::{Exit, Options, as_json, directories, output, table};

#[derive(Debug, Args)]
pub(crate) struct CompileArguments {
    /// A WebAssembly component; the shipped one was compiled with this program
    file: PathBuf,
}

/// Where the code is.
#[derive(Serialize)]
struct Kept {
    file: String,
    /// The file that keeps the code.
    compiled: String,
    /// Its size in bytes.
    size: u64,
    /// Whether it was compiled now, and not kept already.
    fresh: bool,
}

/// Compiles the policy, where that has not been done, and says where its code is.
///
/// # Errors
/// When it cannot be loaded, the code cannot be kept, or standard output cannot be written.
pub(super) fn run(options: &Options, arguments: &CompileArguments) -> anyhow::Result<Exit> {
    let file = &arguments.file;
    let cache = directories::policy_cache()
        .context("no cache directory: neither XDG_CACHE_HOME nor HOME is set")?;
    let compiled = PolicyLoader::new()
        .compile(file, &CodeCache::at(cache))
        .with_context(|| format!("cannot compile {}", file.display()))?;
    let kept = Kept {
        file: file.display().to_string(),
        compiled: compiled.path.display().to_string(),
        size: compiled.size,
        fresh: compiled.fresh,
    };
    output::print_own(&kept, as_json(options), record)?;
    Ok(Exit::Ok)
}

fn record(kept: &Value) -> String {
    let done = match kept["fresh"] {
        Value::Bool(true) => "now",
        _ => "before",
    };
    table::record(&[
        ("FILE", &kept["file"]),
        ("COMPILED", &done.into()),
        ("KEPT", &kept["compiled"]),
        ("BYTES", &kept["size"]),
    ])
}
