//! One request: asking the policy, and holding what it says against what the host found and
//! did.

use crate::answer::{
    Answer, Answered, Ensured, Facts, Forgotten, Honest, Listed, Registered, Stopped,
};
use crate::cancel::Cancel;
use crate::capabilities::{NoRegistry, Origin, RequestState};
use crate::error::{Error, Fault};
use crate::floor::Unreadable;
use crate::request::Request;
use crate::runtime::{self, Unanswered};
use crate::visible;

use super::handle::Pool;

impl Pool {
    /// Carries out one request, on this thread. The answer is the policy's own text; see
    /// [`ensure`](Self::ensure), [`status`](Self::status), [`stop`](Self::stop),
    /// [`register`](Self::register) and [`forget`](Self::forget) for typed ones.
    ///
    /// # Errors
    /// See [`Error`]; whatever fails, the lock is free afterwards and the registry whole. An
    /// answer that lacks a field of its verb is [`Fault::UnexpectedAnswer`], and one that says
    /// what the host knows to be otherwise is [`Fault::UntrueAnswer`].
    pub fn call(&self, request: Request, cancel: &Cancel) -> Result<Answer, Error> {
        Ok(match request {
            Request::Ensure { .. } => self.ask::<Ensured>(request, cancel)?.into_answer(),
            Request::Status { .. } => self.ask::<Listed>(request, cancel)?.into_answer(),
            Request::Stop(_) => self.ask::<Stopped>(request, cancel)?.into_answer(),
            Request::Register(_) => self.ask::<Registered>(request, cancel)?.into_answer(),
            Request::Forget { .. } => self.ask::<Forgotten>(request, cancel)?.into_answer(),
        })
    }

    /// The same, with the answer in the fields of its verb.
    pub(super) fn ask<T: Honest>(
        &self,
        request: Request,
        cancel: &Cancel,
    ) -> Result<Answered<T>, Error> {
        let verb = request.verb();
        let span = tracing::debug_span!("request", verb);
        let _entered = span.enter();
        request.check()?;
        let origin = self.origin();
        self.check(&origin, cancel)?;
        let policy = origin.mandate.policy().clone();
        let mut state = RequestState::new(
            self.context.clone(),
            origin.clone(),
            request,
            cancel.clone(),
        );
        let no_registry = state.no_registry.clone();
        let recordings = self.context.recordings.as_ref();
        let recorded = recordings.map(|file| (file, state.record()));
        let (said, request, facts) = runtime::call::<T>(&policy, state);
        if let Some((file, started)) = recorded {
            let outcome = runtime::outcome(&said, || self.context.registry_path());
            file.keep(started.ended(outcome, file));
        }
        let answered =
            said.map_err(|said| self.explain(said, verb, &origin, &facts, &no_registry))?;
        match answered.check(&request, &facts) {
            Ok(()) => Ok(answered),
            Err(untrue) => Err(Fault::UntrueAnswer {
                policy: self.policy_name(&origin),
                verb,
                said: untrue.said,
                so: untrue.so,
                answer: answered.into_answer(),
            }
            .into()),
        }
    }

    /// Why there is no answer: in the host's words where the host gave them, and else under the
    /// policy's name.
    fn explain(
        &self,
        said: Unanswered,
        verb: &'static str,
        origin: &Origin,
        facts: &Facts,
        no_registry: &NoRegistry,
    ) -> Error {
        let longest = self.context.limits.text;
        let own = |said: String| Fault::Failed {
            policy: self.policy_name(origin),
            said,
        };
        match said {
            Unanswered::Error(error) => error,
            Unanswered::OtherForm { reason, answer } => Fault::UnexpectedAnswer {
                policy: self.policy_name(origin),
                verb,
                reason: visible::excerpt(&reason, longest),
                answer,
            }
            .into(),
            Unanswered::Host(error) if facts.has_told(&error) => no_registry.explain(error.into()),
            Unanswered::Host(error) => own(format!("{}: {}", error.kind.name(), error.text)).into(),
            Unanswered::Corrupted(said) => match facts.unreadable() {
                Some(found) => Unreadable {
                    detail: visible::excerpt(&found.detail, longest),
                    ..found
                }
                .at(self.context.registry_path()),
                None => own(format!("the registry cannot be read: {said}")).into(),
            },
        }
    }

    /// What the policy calls itself, or else which component it is.
    fn policy_name(&self, origin: &Origin) -> String {
        match origin.mandate.description() {
            Some(description) => visible::line(&description.name),
            None => format!("of the component {}", origin.mandate.policy().sha256()),
        }
    }
}
