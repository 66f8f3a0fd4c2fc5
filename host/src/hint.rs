//! What to do about an error.

use std::borrow::Cow;
use std::path::Path;

use poolwarden::{Error, Fault, doctor};

/// The next step, where the error's own text does not name it.
pub(crate) fn hint(error: &Error) -> Option<Cow<'static, str>> {
    Some(match error {
        Error::Busy(_) => {
            "try again when the holder is done, or give a longer --lock-wait; never remove the lock file"
                .into()
        }
        Error::Corrupted { path, .. } => {
            let command = doctor::command(path.parent().unwrap_or_else(|| Path::new(".")));
            format!(
                "it is left exactly as it is, with the entries that are in it; workers keep running; \
                 what can be done: {command} explains it, with --fix it salvages the entries"
            )
            .into()
        }
        Error::Denied(_) => "give the policy this grant, or use another policy".into(),
        // Their texts are whole, and the host adds nothing to the words of a policy.
        Error::Policy(
            Fault::UnexpectedAnswer { .. } | Fault::UntrueAnswer { .. } | Fault::Failed { .. },
        ) => return None,
        Error::Policy(_) | Error::Refused(_) => {
            "the pool is unchanged or as last written; this is a mistake in the policy".into()
        }
        _ => return None,
    })
}
