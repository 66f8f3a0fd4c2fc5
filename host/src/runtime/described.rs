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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::cancel::Cancel;
    use crate::pool::{Pool, PoolBuilder};
    use crate::runtime::Limits;

    fn pool(limits: Limits) -> Pool {
        let policy = Policy::shipped().expect("the shipped policy loads");
        PoolBuilder::new("/no/such/pool")
            .limits(limits)
            .build(policy)
    }

    fn state(pool: &Pool) -> RequestState {
        pool.describing(&Cancel::new().expect("an eventfd"))
    }

    #[test]
    fn a_policy_is_asked_once() {
        let pool = pool(Limits::default());
        let asked = AtomicUsize::new(0);
        for _ in 0..2 {
            let said = pool.mandate().policy().described(|| {
                asked.fetch_add(1, Ordering::Relaxed);
                Ok(state(&pool))
            });
            let said = said.as_ref().as_ref().expect("a description");
            assert_eq!(said.name, "default");
        }
        assert_eq!(asked.into_inner(), 1);
    }

    #[test]
    fn a_policy_that_cannot_say_it_is_not_asked_again() {
        let pool = pool(Limits {
            guest_memory: 0,
            ..Limits::default()
        });
        let why = |ask: &(dyn Fn() -> Result<RequestState, Error> + Sync)| {
            let said = pool.mandate().policy().described(ask);
            said.as_ref().as_ref().expect_err("no memory").clone()
        };
        let no_memory = why(&|| Ok(state(&pool)));
        assert!(no_memory.contains("bytes of memory"), "{no_memory}");
        assert_eq!(why(&|| panic!("asked again")), no_memory);
    }

    #[test]
    fn what_is_not_its_fault_is_no_answer_for_good() {
        let pool = pool(Limits::default());
        let busy = || Err(Error::System("no thread".into()));
        let said = pool.mandate().policy().described(busy);
        assert_eq!(said.as_ref().as_ref().expect_err("no thread"), "no thread");
        let said = pool.mandate().policy().described(|| panic!("a mistake"));
        assert!(said.is_err());
        assert!(
            pool.mandate()
                .policy()
                .described(|| Ok(state(&pool)))
                .is_ok()
        );
    }
}
