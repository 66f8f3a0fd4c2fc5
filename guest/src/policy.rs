//! What a policy decides, as one trait whose every method is the shipped policy's.

use crate::answer::POOL_VERSION;
use crate::decide::{self, StopVerdict};
use crate::dismissal::Dismissal;
use crate::host::{Description, Failure, Host, NewEntry, Setting, StopOptions};
use crate::pool::Pool;
use crate::registry::Entry;
use crate::settings::Settings;
use crate::sweep::Surveyed;
use crate::verbs;

/// A policy. `impl Policy for Mine {}` is the shipped one; override what is decided
/// differently.
///
/// Overriding a *decision* ([`dismiss`](Self::dismiss), [`admit`](Self::admit),
/// [`verdict`](Self::verdict), [`before_kill`](Self::before_kill)) keeps all the rest: the
/// lock, the parsing, the rewriting that leaves every other byte as it was, races and
/// answers. Overriding a *verb* replaces the whole of it; what is in [`verbs`] can still
/// be called from there.
///
/// Whatever a policy decides, the host has the last word: a signal needs its grant, goes to
/// workers that are proven to run and to nobody else, and an entry goes only when its
/// process was found dead, was signalled, or the request names it.
pub trait Policy: Default {
    /// What the policy says about itself: see [`description`]. It can call nothing.
    fn describe() -> Description {
        description("default", POOL_VERSION, &[])
    }

    /// Makes the policy, for one request, from what the operator set.
    ///
    /// # Errors
    /// Where a setting is not understood; the request fails with it.
    fn configure(settings: &Settings<'_>) -> Result<Self, Failure> {
        let _ = settings;
        Ok(Self::default())
    }

    /// At `ensure`, once the dead are collected: who else should end, and why.
    ///
    /// They are signalled, the answer reports each of them, and their entries are kept
    /// until they are found dead. Nobody is waited for. The host's lock is held meanwhile.
    fn dismiss(&self, pool: &Pool<'_>) -> Vec<Dismissal> {
        let _ = pool;
        Vec::new()
    }

    /// At `register`, once the sid is found free and the process running: whether it may
    /// join the pool. A policy that looks at the pool has its dead collected on the way.
    ///
    /// # Errors
    /// Why not, and what to do; the request is rejected with it and changes nothing.
    fn admit(&self, pool: &Pool<'_>, new: &NewEntry) -> Result<(), String> {
        let _ = (pool, new);
        Ok(())
    }

    /// What a stop does about one entry, and a dismissal as well.
    fn verdict(&self, worker: &Surveyed<'_>, options: &StopOptions) -> StopVerdict {
        let _ = options;
        decide::stop(&worker.entry.sid, worker.entry.pid, &worker.finding)
    }

    /// Right before a worker is sent SIGKILL: whatever there is to do first, such as
    /// another signal or a line in the log.
    ///
    /// After a grace period no lock is held and `host` can wait for the `target`, at the
    /// expense of the two seconds that confirm the kill; otherwise the lock is held and a
    /// wait is an error.
    ///
    /// # Errors
    /// Why the worker is spared; the answer says so.
    fn before_kill<H: Host>(
        &self,
        host: &H,
        worker: &Entry<'_>,
        target: &H::Target,
    ) -> Result<(), String> {
        let _ = (host, worker, target);
        Ok(())
    }

    /// The verb `ensure`.
    ///
    /// # Errors
    /// See [`verbs::ensure`].
    fn ensure<H: Host>(&self, host: &H, dry_run: bool) -> Result<String, Failure> {
        verbs::ensure(self, host, dry_run)
    }

    /// The verb `status`.
    ///
    /// # Errors
    /// See [`verbs::status`].
    fn status<H: Host>(&self, host: &H, sid: Option<&str>) -> Result<String, Failure> {
        verbs::status(host, sid)
    }

    /// The verb `stop`.
    ///
    /// # Errors
    /// See [`verbs::stop`].
    fn stop<H: Host>(&self, host: &H, options: &StopOptions) -> Result<String, Failure> {
        verbs::stop(self, host, options)
    }

    /// The verb `register`.
    ///
    /// # Errors
    /// See [`verbs::register`].
    fn register<H: Host>(&self, host: &H, new: &NewEntry) -> Result<String, Failure> {
        verbs::register(self, host, new)
    }

    /// The verb `forget`.
    ///
    /// # Errors
    /// See [`verbs::forget`].
    fn forget<H: Host>(&self, host: &H, sid: &str, even_if_alive: bool) -> Result<String, Failure> {
        verbs::forget(host, sid, even_if_alive)
    }
}

/// The policy that poolwarden ships. It reads no settings of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultPolicy;

impl Policy for DefaultPolicy {}

/// A policy's description: its name, its version, and each setting that it reads with what
/// that does, its unit and its default.
pub fn description(name: &str, version: &str, settings: &[(&str, &str)]) -> Description {
    let setting = |(name, description): &(&str, &str)| Setting {
        name: (*name).to_owned(),
        description: (*description).to_owned(),
    };
    Description {
        name: name.to_owned(),
        version: version.to_owned(),
        settings: settings.iter().map(setting).collect(),
    }
}

#[cfg(test)]
mod tests;
