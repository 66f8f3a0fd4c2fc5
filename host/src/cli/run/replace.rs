//! Making a session id free.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat};
use poolwarden::{Cancel, Pool, Request, Stop};
use serde_json::Value;

use super::failure::{Failure, Reason};
use super::{RunArguments, ask_until};

/// Makes sure that no worker has the session id, stopping the one that has if it is to be
/// replaced; what became of it.
///
/// Somebody can take the sid right afterwards. Then the registration is rejected.
pub(super) fn make_free(
    pool: &Pool,
    arguments: &RunArguments,
    cancel: &Cancel,
) -> Result<Option<Value>, Failure> {
    let sid = Some(arguments.sid.clone());
    let status = ask_until(cancel, pool, Request::Status { sid: sid.clone() })?;
    let Some(holder) = status["sessions"].get(0) else {
        return Ok(None);
    };
    if !arguments.replace {
        return Err(Failure::from(Reason::Taken {
            pid: holder["pid"].as_u64().unwrap_or(0),
            status: text(&holder["status"]),
        }));
    }
    if let Some(program) = arguments.command.first() {
        find(program).map_err(|source| Reason::NoProgram {
            program: program.display().to_string(),
            source,
        })?;
    }
    let stop = Stop {
        sid,
        grace: arguments.grace,
        force: arguments.force,
        dry_run: false,
        ..Stop::default()
    };
    let stopped = ask_until(cancel, pool, Request::Stop(stop))?;
    match obstacle(&stopped) {
        Some(obstacle) => Err(Reason::NotReplaced(obstacle).into()),
        None => Ok(Some(stopped["outcomes"].clone())),
    }
}

/// Why the stop did not make the sid free.
fn obstacle(stopped: &Value) -> Option<String> {
    let errors: Vec<_> = array(&stopped["errors"]).map(text).collect();
    if !errors.is_empty() {
        return Some(errors.join("; "));
    }
    array(&stopped["outcomes"])
        .map(|outcome| text(&outcome["outcome"]))
        .find(|outcome| {
            !matches!(
                &**outcome,
                "exited" | "killed" | "already-dead" | "invalid-pid"
            )
        })
        .map(|outcome| format!("it is {outcome}; give it a longer --grace, or --force"))
}

/// Whether a program would be found: a worker is not stopped for a misspelled successor.
/// The last word is execvp(3)'s, once the successor is registered.
fn find(program: &OsStr) -> io::Result<()> {
    if program.as_encoded_bytes().contains(&b'/') {
        return executable(Path::new(program));
    }
    let mut result = Err(Errno::ENOENT.into());
    if program.is_empty() {
        return result;
    }
    // The system's own default is a matter of execvp(3).
    let Some(path) = std::env::var_os("PATH") else {
        return Ok(());
    };
    for directory in std::env::split_paths(&path) {
        match executable(&directory.join(program)) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => result = Err(error),
            Err(_) => {}
        }
    }
    result
}

fn executable(path: &Path) -> io::Result<()> {
    faccessat(AT_FDCWD, path, AccessFlags::X_OK, AtFlags::AT_EACCESS)?;
    // Which may be searched, and not executed.
    if path.is_dir() {
        return Err(Errno::EACCES.into());
    }
    Ok(())
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("in an unknown state").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_the_dead_make_room() {
        for outcome in ["exited", "killed", "already-dead", "invalid-pid"] {
            let stopped = json!({"errors": [], "outcomes": [{"outcome": outcome}]});
            assert_eq!(obstacle(&stopped), None);
        }
        for outcome in ["signalled", "still-running", "refused", "failed", "new"] {
            let stopped = json!({"errors": [], "outcomes": [{"outcome": outcome}]});
            assert!(obstacle(&stopped).is_some_and(|text| text.contains(outcome)));
        }
        let stopped = json!({"errors": ["why"], "outcomes": [{"outcome": "exited"}]});
        assert_eq!(obstacle(&stopped).as_deref(), Some("why"));
    }

    #[test]
    fn a_program_is_sought_as_a_shell_does() {
        for found in ["sh", "/bin/sh", "/proc/self/exe"] {
            find(OsStr::new(found)).expect(found);
        }
        for (missing, kind) in [
            ("no-such-program", io::ErrorKind::NotFound),
            ("/no/such", io::ErrorKind::NotFound),
            ("/etc/passwd", io::ErrorKind::PermissionDenied),
            ("/tmp", io::ErrorKind::PermissionDenied),
            ("", io::ErrorKind::NotFound),
        ] {
            let error = find(OsStr::new(missing)).expect_err(missing);
            assert_eq!(error.kind(), kind, "{missing}");
        }
    }
}
