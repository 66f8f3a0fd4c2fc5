//! What a policy says about itself, asked once.

use std::sync::Arc;
use std::thread;

use crate::capabilities::RequestState;
use crate::error::Error;

use super::{Description, Policy, call};

impl Policy {
    /// What the policy says about itself, or in words how it failed to; `ask` gives the
    /// state to ask it in. A description, and a failure of the policy's own, is kept: the
    /// policy would say the same again.
    ///
    /// It is asked on a thread of its own, in the middle of a request that it decides:
    /// neither its processor time nor its stack may be that request's.
    pub(crate) fn described(
        self: &Arc<Self>,
        ask: impl FnOnce() -> Result<RequestState, Error> + Send,
    ) -> Arc<Result<Description, String>> {
        if let Some(said) = self.said.get() {
            return said.clone();
        }
        let asked = thread::scope(|scope| {
            let thread = thread::Builder::new().name("poolwarden-describe".into());
            let asked = thread.spawn_scoped(scope, || {
                ask().and_then(|state| call::describe(self, state))
            });
            let broke_off = |why: String| Error::System(why);
            asked
                .map_err(|error| broke_off(error.to_string()))?
                .join()
                .map_err(|_| broke_off("it panicked".into()))?
        });
        let lasting = matches!(asked, Ok(_) | Err(Error::Policy(_)));
        let said = Arc::new(asked.map_err(|error| error.to_string()));
        if lasting {
            return self.said.get_or_init(|| said).clone();
        }
        said
    }
}
