//! Making the path of a socket free for a worker that is to be started.

use std::path::Path;

use crate::cancel::Cancel;
use crate::error::Error;
use crate::pool::Pool;
use crate::process::{Claim, Standing};

use super::survey::{Survey, of_store};

/// A session whose entry keeps a socket in the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketKept {
    /// The entry that names the socket, or one of the same file name elsewhere.
    pub claim: Claim,
    /// What was found about its worker, which is not dead.
    pub standing: Standing,
}

impl Pool {
    /// Removes the socket at this path if a dead worker left it in the pool, by the proof of a
    /// stop: a worker that is to be started there could not bind it. The registry stays as it
    /// is.
    ///
    /// The socket stays where an entry names a socket of this file name and its worker is not
    /// dead; then the answer is that entry. It also stays, without an answer, where it is not
    /// provably left behind.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Cancelled`], [`Error::Corrupted`] and [`Error::System`].
    pub fn clear_socket(&self, sock: &Path, cancel: &Cancel) -> Result<Option<SocketKept>, Error> {
        let mut survey = Survey::begin(&self.context, cancel)?;
        let name = sock.file_name();
        let named = survey.claims().iter();
        let named: Vec<_> = named
            .filter(|claim| name.is_some() && claim.socket_name() == name)
            .cloned()
            .collect();
        let inspections = survey.inspect_all(&named, cancel)?;
        let kept = named.into_iter().zip(inspections);
        let kept = kept
            .map(|(claim, inspection)| SocketKept {
                claim,
                standing: inspection.finding.standing,
            })
            .find(|kept| !kept.standing.is_dead());
        if kept.is_none() {
            survey.remove_stale_socket(sock).map_err(of_store)?;
        }
        survey.finish();
        Ok(kept)
    }
}
