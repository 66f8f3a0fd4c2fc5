//! The policy of a running server: loaded aside, and loaded anew when its files change.

use std::sync::Arc;
use std::thread;

use anyhow::Context;
use poolwarden::config::Config;
use poolwarden::{Cancel, Description, Pool, PoolBuilder};
use tokio::sync::watch;

use super::file_watch::FileWatch;
use crate::cli::PolicySource;

/// How far the server's policy is. The opening of a session does not wait for it.
#[derive(Clone)]
enum State {
    Loading,
    Ready(Arc<Pool>),
    /// Why it cannot be used, for the client.
    Failed(String),
}

/// The pool that requests go to, once there is a policy for it.
#[derive(Clone)]
pub(super) struct Governed(watch::Receiver<State>);

impl Governed {
    /// Starts to load the policy, on a thread that then waits for its files to change.
    ///
    /// # Errors
    /// When the system refuses the thread.
    pub(super) fn start(builder: PoolBuilder, source: PolicySource) -> anyhow::Result<Self> {
        let (sender, receiver) = watch::channel(State::Loading);
        thread::Builder::new()
            .name("policy".into())
            .spawn(move || follow(Loader::new(builder, source), &sender))
            .context("cannot start the thread that loads the policy")?;
        Ok(Self(receiver))
    }

    /// The pool, waited for while the policy is being loaded.
    ///
    /// # Errors
    /// A text for the client when there is no policy to ask.
    pub(super) async fn pool(&self) -> Result<Arc<Pool>, String> {
        let mut receiver = self.0.clone();
        let state = receiver
            .wait_for(|state| !matches!(state, State::Loading))
            .await
            .map(|state| state.clone());
        match state {
            Ok(State::Ready(pool)) => Ok(pool),
            Ok(State::Failed(why)) => Err(why),
            Ok(State::Loading) | Err(_) => Err("the policy is not being loaded".into()),
        }
    }
}

/// Loads the policy, and again whenever one of its files changes. A candidate that cannot
/// be used is reported, and what was there before stays.
fn follow(mut loader: Loader, state: &watch::Sender<State>) {
    let mut watch = FileWatch::new();
    loop {
        // Before the files are read: a change after that is not missed.
        if let Ok(watch) = &mut watch {
            watch.renew(|watch| loader.watch(watch));
        }
        match loader.load() {
            Ok((pool, said)) => {
                tracing::info!("policy {} {} decides now", said.name, said.version);
                state.send_replace(State::Ready(pool));
            }
            Err(error) => {
                tracing::error!("the policy cannot be used: {error:#}");
                state.send_if_modified(|state| {
                    let first = !matches!(state, State::Ready(_));
                    if first {
                        *state = State::Failed(format!(
                            "the policy cannot be used, so nothing was done: {error:#}"
                        ));
                    }
                    first
                });
            }
        }
        let changed = match &mut watch {
            Ok(watch) => watch.wait(),
            Err(errno) => Err(*errno),
        };
        if let Err(errno) = changed {
            tracing::warn!("changes of the policy's files are not noticed: {errno}");
            return;
        }
    }
}

/// Makes the pool with its first policy, and changes it from then on.
struct Loader {
    source: PolicySource,
    builder: Option<PoolBuilder>,
    pool: Option<Arc<Pool>>,
    /// Whether the configuration in force says anything.
    configured: bool,
}

impl Loader {
    fn new(builder: PoolBuilder, source: PolicySource) -> Self {
        Self {
            source,
            builder: Some(builder),
            pool: None,
            configured: false,
        }
    }

    fn watch(&self, watch: &mut FileWatch) {
        for file in self.source.configuration_files() {
            watch.add_text(&file);
        }
        // Read only now: should it name another policy later, that is told. One that cannot
        // be read names none.
        if let Ok(Some(file)) = self.source.policy_file() {
            watch.add(&file);
        }
    }

    fn load(&mut self) -> anyhow::Result<(Arc<Pool>, Description)> {
        let config = self.source.config()?;
        let configured = says_something(&config);
        if let (true, false, Some(file)) = (self.configured, configured, &config.source) {
            // Whoever writes it in place has most likely not come far, and without it the
            // shipped policy would decide, with all of its grants.
            anyhow::bail!(
                "the configuration {} says nothing any more, and what it said before stays in \
                 force; if that is meant, remove the file",
                file.display()
            );
        }
        let mandate = self.source.mandate_of(&config)?;
        let cancel = Cancel::new().context("cannot ask the policy what it is")?;
        let pool = match (&self.pool, self.builder.take()) {
            (Some(pool), _) => pool.clone(),
            (None, Some(builder)) => {
                let built = Arc::new(builder.build(mandate.clone()));
                self.pool.insert(built).clone()
            }
            (None, None) => anyhow::bail!("there is no pool to serve"),
        };
        let said = pool.swap(mandate, &cancel)?;
        self.configured = configured;
        Ok((pool, said))
    }
}

fn says_something(config: &Config) -> bool {
    config.policy.is_some() || !config.settings.is_empty()
}
