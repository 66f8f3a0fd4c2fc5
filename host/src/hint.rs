//! What to do about an error.

use std::borrow::Cow;
use std::path::Path;

use poolwarden::{Error, doctor};

/// The next step, where the error's own text does not name it.
pub(crate) fn hint(error: &Error) -> Option<Cow<'static, str>> {
    Some(match error {
        Error::Busy(_) => {
            "try again when the holder is done, or give a longer --lock-wait; never remove the lock file"
                .into()
        }
        Error::Corrupted { path, .. } => {
            let command = command(path);
            format!(
                "the file is left exactly as it is; workers keep running, their entries are in it; \
                 what can be done: {command} explains it, with --fix it salvages the entries"
            )
            .into()
        }
        // Whatever says more names the command itself.
        Error::Unreadable { path, detail } if !detail.contains(" doctor") => format!(
            "the file is left exactly as it is; what can be done: {} explains it",
            command(path)
        )
        .into(),
        Error::Denied(_) => "give the policy this grant, or use another policy".into(),
        Error::Policy(_) | Error::Refused(_) => {
            "the pool is unchanged or as last written; this is a mistake in the policy".into()
        }
        _ => return None,
    })
}

/// What to run to see what is wrong with a registry.
fn command(registry: &Path) -> String {
    doctor::command(registry.parent().unwrap_or_else(|| Path::new(".")))
}
