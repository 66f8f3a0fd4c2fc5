//! Which options a verb uses: its help shows those and no others. One that says how a policy
//! is to decide is refused where none is asked.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory, Error, FromArgMatches};
use poolwarden::Mandate;

use super::arguments::Arguments;

/// Reads the command line.
///
/// # Errors
/// When it means nothing, or asks for help or the version: all of that is for the user.
pub(crate) fn parse() -> Result<Arguments, Error> {
    parse_from(std::env::args_os())
}

pub(super) fn parse_from(
    words: impl IntoIterator<Item = impl Into<OsString>>,
) -> Result<Arguments, Error> {
    let mut command = command();
    let words: Vec<_> = words.into_iter().map(Into::into).collect();
    let matches = match command.try_get_matches_from_mut(&words) {
        Ok(matches) => matches,
        Err(error) => return Err(with_variable(with_what_exists(error), &command, &words)),
    };
    let read = Arguments::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    match unused(&command, &matches, &read) {
        None => Ok(read),
        Some(why) => Err(command.error(ErrorKind::ArgumentConflict, why)),
    }
}

/// Whether a verb uses an option of the program.
fn uses(verb: &str, option: &str) -> bool {
    match option {
        "policy" => asks_policy(verb) || matches!(verb, "policy inspect" | "policy check"),
        "grants" => {
            asks_policy(verb) || matches!(verb, "policy inspect" | "policy check" | "policy replay")
        }
        "settings" => uses(verb, "grants") || proves(verb),
        "record" => asks_policy(verb),
        "lock_wait" => asks_policy(verb) || proves(verb),
        "state_dir" => uses(verb, "lock_wait") || uses(verb, "policy") || verb == "log",
        "json" => !matches!(verb, "mcp" | "demo" | "demo-worker" | "run-stub"),
        _ => true,
    }
}

/// Whether it is a mistake to give an option to a verb that does not use it. Where the pool is
/// and how answers look may be said for all verbs at once; and so may all that is said by
/// environment variables.
fn is_for_a_policy(option: &str) -> bool {
    matches!(option, "policy" | "grants" | "settings" | "record")
}

/// Whether what the verb does is decided by a policy.
fn asks_policy(verb: &str) -> bool {
    matches!(
        verb,
        "mcp" | "ensure" | "status" | "stop" | "run" | "register" | "forget"
    )
}

/// Whether the verb asks no policy, and goes by what the host proves. Of the settings it uses
/// the host's own.
fn proves(verb: &str) -> bool {
    matches!(verb, "adopt" | "wait" | "watch" | "doctor")
}

/// The whole command line, where the help of each verb lists the options that it uses.
fn command() -> Command {
    let command = Arguments::command();
    let options = global(&command);
    with_own_options(command, "", &options)
}

fn global(command: &Command) -> Vec<Arg> {
    let options = command
        .get_arguments()
        .filter(|option| option.is_global_set());
    options.cloned().collect()
}

fn with_own_options(command: Command, path: &str, options: &[Arg]) -> Command {
    command.mut_subcommands(|verb| {
        let path = joined(path, verb.get_name());
        let is_used = |option: &Arg| {
            let uses = |verb: &str| uses(verb, option.get_id().as_str());
            let mut below = verb.get_subcommands().map(Command::get_name);
            uses(&path) && !verb.has_subcommands() || below.any(|name| uses(&joined(&path, name)))
        };
        let unused: Vec<_> = options.iter().filter(|option| !is_used(option)).collect();
        // What a verb defines itself it does not get from the program.
        let hidden = unused.into_iter().map(|option| option.clone().hide(true));
        with_own_options(verb.args(hidden.collect::<Vec<_>>()), &path, options)
    })
}

fn joined(path: &str, name: &str) -> String {
    format!("{path} {name}").trim_start().to_owned()
}

/// Which options are given that the verb does not use, in words.
fn unused(command: &Command, matches: &ArgMatches, read: &Arguments) -> Option<String> {
    let (mut verb, mut inner) = (String::new(), matches);
    while let Some((name, below)) = inner.subcommand() {
        (verb, inner) = (joined(&verb, name), below);
    }
    let flag = |option: &Arg| format!("--{}", option.get_long().unwrap_or_default());
    let options = global(command);
    let is_given = |option: &&Arg| {
        inner.value_source(option.get_id().as_str()) == Some(ValueSource::CommandLine)
    };
    let mut unused = options.iter().filter(is_given).filter(|option| {
        let option = option.get_id().as_str();
        is_for_a_policy(option) && !uses(&verb, option)
    });
    if let Some(option) = unused.next() {
        let others: String = unused.map(|option| format!(", {}", flag(option))).collect();
        let (flag, users) = (flag(option), users(command, option));
        return Some(format!(
            "`{verb}` asks no policy, and does not use {flag}{others}; {flag} goes with {users}"
        ));
    }
    let mut settings = read.options.settings.iter().map(|(name, _)| name);
    let name = settings.find(|name| *name != Mandate::PROOF)?;
    proves(&verb).then(|| {
        format!(
            "`{verb}` asks no policy: of the settings it uses the host's own, `{}`, and does not \
             use `{name}`",
            Mandate::PROOF
        )
    })
}

/// The verbs that use an option.
fn users(command: &Command, option: &Arg) -> String {
    let mut verbs = Vec::new();
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let name = verb.get_name();
        if verb.has_subcommands() {
            let below = verb.get_subcommands().map(Command::get_name);
            verbs.extend(below.map(|below| joined(name, below)));
        } else {
            verbs.push(name.to_owned());
        }
    }
    verbs.retain(|verb| !verb.contains("help") && uses(verb, option.get_id().as_str()));
    verbs.join(", ")
}

/// Says in the error of a verb that there is not which one does that job.
fn with_what_exists(mut error: Error) -> Error {
    let there_is = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(verb)) => what_exists(verb),
        _ => None,
    };
    if let Some(there_is) = there_is {
        error.remove(ContextKind::SuggestedSubcommand);
        let tips = ContextValue::StyledStrs(vec![there_is.into()]);
        error.insert(ContextKind::Suggested, tips);
    }
    error
}

/// Says in the error of a value that it is an environment variable's, where no word of the
/// command line names the option.
fn with_variable(mut error: Error, command: &Command, words: &[OsString]) -> Error {
    let variable = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(shown)) => {
            let option = global(command);
            let option = option.iter().find(|option| option.to_string() == *shown);
            option.and_then(|option| variable(option, words))
        }
        _ => None,
    };
    if let Some(variable) = variable {
        let tip = format!("it is the value of the environment variable {variable}");
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![tip.into()]),
        );
    }
    error
}

/// The environment variable that an option has its value of.
fn variable(option: &Arg, words: &[OsString]) -> Option<String> {
    let flag = format!("--{}", option.get_long()?);
    let is_named = |word: &OsString| word.as_encoded_bytes().starts_with(flag.as_bytes());
    let variable = option.get_env()?;
    let is_set = std::env::var_os(variable).is_some();
    (is_set && !words.iter().any(is_named)).then(|| variable.display().to_string())
}

/// The verb that does what others call so.
fn what_exists(verb: &str) -> Option<&'static str> {
    Some(match verb {
        "start" | "exec" | "launch" | "spawn" | "up" => {
            "a worker is started with: poolwarden run --sid SID -- CMD…"
        }
        "restart" => {
            "a worker is stopped and started anew with: poolwarden run --sid SID --replace -- CMD…"
        }
        "logs" => {
            "what was done to a worker is shown by: poolwarden log SID; what it writes itself is \
             in logs/SID.log in the pool"
        }
        "kill" | "down" => "a worker is ended with: poolwarden stop SID --force",
        "rm" | "remove" | "delete" => {
            "a worker is ended with: poolwarden stop SID; only its entry is dropped by: \
             poolwarden forget SID"
        }
        "prune" | "clean" | "cleanup" | "gc" | "reap" => {
            "the entries of dead workers are collected by: poolwarden ensure"
        }
        "show" | "info" => "a worker is shown by: poolwarden status SID",
        "add" => "a process that runs is added with: poolwarden register --sid SID --pid PID",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help(verb: &[&str]) -> String {
        let words = ["poolwarden"].iter().chain(verb).chain(&["--help"]);
        parse_from(words).expect_err("help").to_string()
    }

    #[test]
    fn the_definition_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn the_help_of_a_verb_lists_the_options_that_it_uses() {
        let all = [
            "--state-dir",
            "--policy",
            "--grant",
            "--setting",
            "--record",
            "--lock-wait",
            "--json",
        ];
        for (verb, listed) in [
            (&[][..], &all[..]),
            (&["status"], &all),
            (&["mcp"], &all[..6]),
            (&["log"], &["--state-dir", "--json"]),
            (
                &["wait"],
                &["--state-dir", "--setting", "--lock-wait", "--json"],
            ),
            (
                &["policy", "check"],
                &["--state-dir", "--policy", "--grant", "--setting", "--json"],
            ),
            (&["policy", "compile"], &["--json"]),
            (&["demo"], &[]),
        ] {
            let help = help(verb);
            for option in all {
                let is_listed = help.lines().any(|line| {
                    line.trim_start().starts_with(&format!("{option} ")) || line.trim() == option
                });
                assert_eq!(
                    is_listed,
                    listed.contains(&option),
                    "{verb:?}: {option}: {help}"
                );
            }
        }
    }

    #[test]
    fn an_option_that_the_verb_does_not_use_is_refused_before_and_after_it() {
        for (words, told) in [
            (
                &["--policy", "p.wasm", "log"][..],
                "`log` asks no policy, and does not use --policy",
            ),
            (&["log", "--policy", "p.wasm"], "`log` asks no policy"),
            (
                &["wait", "a", "--grant", "registry-write"],
                "does not use --grant",
            ),
            (
                &["wait", "a", "--setting", "max-age=8h"],
                "does not use `max-age`",
            ),
            (
                &["doctor", "--policy", "p.wasm"],
                "--policy goes with mcp, ensure",
            ),
            (
                &["policy", "compile", "p.wasm", "--grant", "registry-write"],
                "`policy compile`",
            ),
        ] {
            let error = parse_from(["poolwarden"].iter().chain(words)).expect_err("it is refused");
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(told), "{words:?}: {error}");
        }
        for words in [
            &["wait", "a", "--setting", "proof=strong"][..],
            &["--policy", "p.wasm", "policy", "check", "p.wasm"],
            &["--policy", "p.wasm", "--grant", "registry-write", "status"],
            &["--state-dir", "/p", "policy", "compile", "p.wasm"],
            &["--lock-wait", "1s", "--json", "demo"],
        ] {
            parse_from(["poolwarden"].iter().chain(words)).expect("it is accepted");
        }
    }

    #[test]
    fn a_verb_of_another_program_is_told_as_the_one_that_exists() {
        for (verb, there_is) in [
            ("start", "poolwarden run --sid SID -- CMD"),
            ("restart", "--replace"),
            ("logs", "poolwarden log SID"),
            ("kill", "poolwarden stop SID --force"),
            ("rm", "poolwarden forget SID"),
            ("prune", "poolwarden ensure"),
            ("show", "poolwarden status SID"),
        ] {
            let error = parse_from(["poolwarden", verb, "a"]).expect_err("there is no such verb");
            let text = error.to_string();
            assert!(text.contains(there_is), "{text}");
            assert!(!text.contains("similar"), "{text}");
        }
        let error = parse_from(["poolwarden", "regster"]).expect_err("there is no such verb");
        assert!(error.to_string().contains("'register'"), "{error}");
    }
}
