//! `policy replay`: what a policy would have done in recorded requests.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use poolwarden::Grants;
use poolwarden::recording::Recordings;
use poolwarden::replay::{NotReplayed, Replay};
use poolwarden::{Cancel, Mandate, Policy, PoolBuilder};

use super::super::arguments::duration;
use super::super::{Exit, Options, as_json, output};
use super::load;
use super::report::Report;
use crate::stderr::say;

#[derive(Debug, Args)]
pub(crate) struct ReplayArguments {
    /// The policy to try: a WebAssembly component, or `shipped`
    ///
    /// It has the settings and grants of each recording. With --grant it has those that are
    /// given and no others; --setting changes one setting.
    #[arg(value_name = "POLICY")]
    candidate: PathBuf,
    /// Recordings, made with --record
    #[arg(required = true, value_name = "FILE")]
    recordings: Vec<PathBuf>,
    /// Let the policy's clock be so far ahead of the recorded one, as in 720h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    clock_ahead: Option<Duration>,
}

/// Replays every recording and prints the report.
///
/// # Errors
/// When the policy cannot be loaded, or standard output cannot be written.
pub(super) fn run(options: &Options, arguments: &ReplayArguments) -> anyhow::Result<Exit> {
    if options
        .settings
        .iter()
        .any(|(name, _)| name == Mandate::PROOF)
    {
        say!(
            "error: the setting `proof` says what the host accepts as a proof, and the recorded \
             processes are not there to be proven again"
        );
        return Ok(Exit::Usage);
    }
    let mut replay = candidate(options, &arguments.candidate)?;
    if let Some(ahead) = arguments.clock_ahead {
        replay = replay.clock_ahead(ahead);
    }
    let mut report = Report::default();
    for file in &arguments.recordings {
        let recordings = match Recordings::open(file) {
            Ok(recordings) => recordings,
            Err(error) => {
                report.problem(error.into());
                continue;
            }
        };
        for read in recordings {
            match read.map(|(line, recording)| (line, replay.run(&recording), recording)) {
                Ok((line, Ok(replayed), recording)) => {
                    report.add(file, line, &recording, replayed);
                }
                Ok((_, Err(NotReplayed::Withdrawn), _)) => report.withdrawn += 1,
                Ok((line, Err(error), _)) => report.problem(
                    anyhow::Error::new(error)
                        .context(format!("cannot replay line {line} of {}", file.display())),
                ),
                Err(error) => report.problem(error.into()),
            }
        }
    }
    if as_json(options) {
        output::write_json(&report.json()?)?;
    } else {
        output::write(&report.text())?;
    }
    for problem in &report.problems {
        say!("error: {}", output::line(problem));
    }
    Ok(report.exit())
}

fn candidate(options: &Options, path: &Path) -> anyhow::Result<Replay> {
    let policy = Arc::new(load(path)?);
    check_settings(&policy, &options.settings)?;
    let mut replay = Replay::new(policy)?;
    if !options.grants.is_empty() {
        replay = replay.grants(options.grants.iter().fold(Grants::none(), Grants::union));
    }
    for (name, value) in &options.settings {
        replay = replay.setting(name, value);
    }
    Ok(replay)
}

/// Checks that the policy reads what is set for this replay. What stands in a recording may
/// have been for another one.
fn check_settings(policy: &Arc<Policy>, settings: &[(String, String)]) -> anyhow::Result<()> {
    let mut mandate = Mandate::new(policy.clone());
    for (name, value) in settings {
        mandate = mandate.with_setting(name, value);
    }
    let cancel = Cancel::new().context("cannot ask the policy what it reads")?;
    // No path is looked at by a question without a transaction.
    Ok(PoolBuilder::new("")
        .build(mandate)
        .check_settings(&cancel)?)
}
