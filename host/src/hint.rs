//! What to do about an error.

use poolwarden::Error;

/// The next step, where the error's own text does not name it.
pub(crate) fn hint(error: &Error) -> Option<&'static str> {
    match error {
        Error::Busy(_) => Some(
            "try again when the holder is done, or give a longer --lock-wait; never remove the lock file",
        ),
        Error::Corrupted { .. } => {
            Some("the file is left exactly as it is; workers keep running, their entries are in it")
        }
        Error::Denied(_) => Some("give the policy this grant, or use another policy"),
        Error::Policy(_) | Error::Refused(_) => {
            Some("the pool is unchanged or as last written; this is a mistake in the policy")
        }
        _ => None,
    }
}
