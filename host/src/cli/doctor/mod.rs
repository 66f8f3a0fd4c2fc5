//! `doctor`: explains a pool in one page, and repairs it once somebody has agreed.

mod page;

use anyhow::Context;
use clap::Args;
use poolwarden::audit::Asker;
use poolwarden::command;
use poolwarden::doctor::{About, Doctor, Examined, Plan, Repaired, Report};
use poolwarden::{Cancel, Mandate};
use serde::Serialize;

use super::{Exit, Options, as_json, ask, directories, directory, exit, output};
use crate::stderr::say;

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// Repair what can be, after showing what that is and asking
    #[arg(long)]
    fix: bool,
    /// Do not ask
    #[arg(long, requires = "fix")]
    yes: bool,
}

/// What is answered.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    report: &'a Report,
    /// What a repair would do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    plan: Vec<String>,
    /// What a repair has done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    repaired: Vec<String>,
    pool_version: &'static str,
}

/// Carries out the verb.
pub(super) fn run(options: &Options, arguments: &DoctorArguments) -> anyhow::Result<Exit> {
    super::raise_descriptor_limit();
    let doctor = doctor(options)?;
    let json = as_json(options);
    let examined = doctor.examine();
    if !arguments.fix || examined.plan.is_empty() {
        print(&examined, Vec::new(), json)?;
        if arguments.fix && !examined.report.healthy {
            say!(
                "hint: there is nothing here that a repair can do; what is wrong names what you \
                 can do"
            );
        }
        return Ok(of_report(&examined.report));
    }

    let asks = !arguments.yes && ask::somebody_is_there();
    if !(arguments.yes || asks && confirm(&examined)?) {
        if json || !asks {
            print(&examined, Vec::new(), json)?;
        }
        // Who was asked has said no.
        if asks {
            say!("hint: nothing was repaired");
        } else {
            let pool = &examined.report.pool.path;
            let fix = command::on_pool(pool, &["doctor", "--fix", "--yes"]);
            say!(
                "hint: nothing was repaired; if this is what you want: `{}`",
                output::line(&fix)
            );
        }
        return Ok(of_report(&examined.report));
    }
    let cancel = Cancel::new().context("cannot start the repair")?;
    let repaired = match doctor.repair(&examined.plan, &Asker::command_line(), &cancel) {
        Ok(repaired) => repaired,
        Err(error) => {
            output::complain(&error, &examined.report.pool.path);
            return Ok(exit::of_error(&error));
        }
    };
    let Repaired {
        done: repaired,
        failed,
    } = repaired;
    // Its processes are held no longer than they have to be.
    drop(examined);
    let after = doctor.examine();
    let idle = repaired.is_empty();
    print(&after, repaired, json)?;
    if let Some(error) = failed {
        output::complain(&error, &after.report.pool.path);
        return Ok(exit::of_error(&error));
    }
    if idle {
        say!("hint: nothing was repaired: by then there was nothing left to do");
    }
    Ok(of_report(&after.report))
}

/// What there is to do about a session that a verb refused something about, with the whole
/// commands in backticks. The doctor knows, whatever verb asks.
pub(super) fn way_out(options: &Options, sid: &str) -> Option<String> {
    doctor(options).ok()?.way_out(sid)
}

fn doctor(options: &Options) -> anyhow::Result<Doctor> {
    let directory = directory(options)?;
    let user = directories::configuration();
    let configuration = directories::configuration_of(&directory, user.as_deref());
    let mut doctor = Doctor::new(directory).with_configuration(configuration);
    let mut settings = options.settings.iter().rev();
    if let Some((_, value)) = settings.find(|(name, _)| name == Mandate::PROOF) {
        doctor = doctor.with_proof(value.parse()?);
    }
    if let Some(wait) = options.lock_wait {
        doctor = doctor.with_lock_wait(wait);
    }
    Ok(doctor)
}

fn confirm(examined: &Examined) -> anyhow::Result<bool> {
    let text = page::page(&examined.report) + &page::plan(&words(&examined.plan));
    ask::ask(&text, "Carry out this repair?")
}

fn print(examined: &Examined, repaired: Vec<String>, json: bool) -> anyhow::Result<()> {
    let plan = words(&examined.plan);
    if json {
        let answer = Answer {
            report: &examined.report,
            plan,
            repaired,
            pool_version: output::POOL_VERSION,
        };
        let text = serde_json::to_string(&answer).context("cannot write the answer")?;
        output::write_json(&(text + "\n"))?;
    } else {
        let text = page::page(&examined.report) + &page::plan(&plan) + &page::repaired(&repaired);
        output::write(&text)?;
    }
    Ok(())
}

fn words(plan: &Plan) -> Vec<String> {
    plan.words().collect()
}

/// The registry first: while it cannot be read, nothing else works.
fn of_report(report: &Report) -> Exit {
    let is_about = |about| report.problems.iter().any(|problem| problem.about == about);
    if report.healthy {
        Exit::Ok
    } else if is_about(About::Registry) {
        Exit::Corrupted
    } else if matches!(report.lock, poolwarden::doctor::LockState::Held { .. }) {
        Exit::Busy
    } else {
        Exit::Failed
    }
}
