//! `policy compile`: fills the cache of compiled code ahead of a policy's first use.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use poolwarden::{CodeCache, CompileLimits, PolicyLoader};
use serde::Serialize;
use serde_json::Value;

use super::super::arguments::duration;
use super::super::policy_source::compiler;
use super::super::{Exit, Options, as_json, directories, output, table};

#[derive(Debug, Args)]
pub(crate) struct CompileArguments {
    /// A WebAssembly component; the shipped one was compiled with this program
    file: PathBuf,
    /// How much processor time it may take [default: 2m]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    time_limit: Option<Duration>,
    /// How much memory it may take, in MiB [default: 2048]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..1 << 32))]
    memory_limit: Option<u64>,
}

impl CompileArguments {
    fn limits(&self) -> CompileLimits {
        let default = CompileLimits::default();
        CompileLimits {
            cpu: self.time_limit.unwrap_or(default.cpu),
            memory: self.memory_limit.map_or(default.memory, |mib| mib << 20),
        }
    }
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
        .compiler(compiler().limits(arguments.limits()))
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
