//! What to do about an error.

use std::path::Path;

use poolwarden::{Error, Fault, command};

/// The next step, where the error's own text does not name it. `pool` is the directory that
/// the request was about. Whole commands stand in backticks.
pub(crate) fn hint(error: &Error, pool: &Path) -> Option<String> {
    let on_pool = |words: &[&str]| command::on_pool(pool, words);
    Some(match error {
        Error::Busy(_) => format!(
            "try again when the holder is done, or give a longer --lock-wait; who holds the lock, \
             and how it comes free: `{}`; never remove the lock file",
            on_pool(&["doctor"])
        ),
        Error::Corrupted { .. } => format!(
            "nothing was changed, and workers keep running; what can be done: `{}` explains it, \
             with --fix it salvages the entries",
            on_pool(&["doctor"])
        ),
        Error::Denied(_) => {
            "give the policy this grant, by --grant NAME or in `grants` of the poolwarden.toml that \
             names it, or use another policy; the shipped one, with what it needs, decides where \
             poolwarden.toml has no [policy] and --policy is not given"
                .into()
        }
        // Their texts are whole, and the host adds nothing to the words of a policy.
        Error::Policy(Fault::Failed { .. }) => return None,
        Error::Policy(Fault::UnexpectedAnswer { .. } | Fault::UntrueAnswer { .. }) => {
            format!("what it did: `{}`", on_pool(&["log"]))
        }
        Error::Policy(_) | Error::Refused(_) => {
            "the pool is unchanged or as last written; this is a mistake in the policy".into()
        }
        _ => return None,
    })
}
