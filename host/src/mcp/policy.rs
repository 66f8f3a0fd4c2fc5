//! The policy of a running server: loaded aside, and loaded anew when its files change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use anyhow::Context;
use poolwarden::config::Config;
use poolwarden::store::DirectoryStore;
use poolwarden::{Cancel, Description, Grants, Pool, PoolBuilder, command};
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
pub(super) struct Governed {
    state: watch::Receiver<State>,
    /// The pool's directory; none where nobody knows which that is.
    pool: Option<PathBuf>,
    /// What the configuration grants, before a policy is loaded; none where it cannot be read.
    configured: Option<Grants>,
    /// What can be said against the policy before it is loaded.
    missing: Option<String>,
}

impl Governed {
    /// Starts to load the policy, on a thread that then waits for its files to change. Where
    /// there is no pool to serve, that is the answer to every request.
    ///
    /// # Errors
    /// When the system refuses the thread.
    pub(super) fn start(
        served: anyhow::Result<(PoolBuilder, PolicySource)>,
    ) -> anyhow::Result<Self> {
        let (builder, source) = match served {
            Ok(served) => served,
            Err(error) => {
                let text = format!("there is no pool to serve, so nothing was done: {error:#}");
                tracing::error!("{text}");
                return Ok(Self {
                    state: watch::channel(State::Failed(text)).1,
                    pool: None,
                    configured: None,
                    missing: None,
                });
            }
        };
        let (sender, state) = watch::channel(State::Loading);
        let governed = Self {
            state,
            pool: Some(builder.path().to_owned()),
            configured: source.grants().ok(),
            missing: missing(&source),
        };
        thread::Builder::new()
            .name("policy".into())
            .spawn(move || follow(Loader::new(builder, source), &sender))
            .context("cannot start the thread that loads the policy")?;
        Ok(governed)
    }

    /// The pool, waited for while the policy is being loaded.
    ///
    /// # Errors
    /// A text for the client when there is no policy to ask.
    pub(super) async fn pool(&self) -> Result<Arc<Pool>, String> {
        let mut receiver = self.state.clone();
        let state = receiver
            .wait_for(|state| !matches!(state, State::Loading))
            .await
            .map(|state| state.clone());
        match state {
            Ok(State::Ready(pool)) => Ok(pool),
            Ok(State::Failed(why)) => Err(self.with_doctor(&why)),
            Ok(State::Loading) | Err(_) => Err("the policy is not being loaded".into()),
        }
    }

    /// The pool's directory, where that is known.
    pub(super) fn path(&self) -> Option<&Path> {
        self.pool.as_deref()
    }

    /// What the policy may do now; none where that is not known.
    pub(super) fn grants(&self) -> Option<Grants> {
        match &*self.state.borrow() {
            State::Ready(pool) => Some(pool.mandate().grants().clone()),
            State::Loading | State::Failed(_) => self.configured.clone(),
        }
    }

    /// Waits until another policy decides, or the same with other grants; for ever where that
    /// cannot happen any more.
    pub(super) async fn changed(&mut self) {
        if self.state.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Why every call will fail, as far as that can be seen without one, and what to do.
    pub(super) fn trouble(&self) -> Option<String> {
        let of_policy = match &*self.state.borrow() {
            State::Failed(why) => Some(why.clone()),
            State::Loading => self.missing.clone(),
            State::Ready(_) => None,
        };
        if let Some(why) = of_policy {
            return Some(self.with_doctor(&why));
        }
        let unsafe_pool = DirectoryStore::new(self.pool.as_ref()?).check().err()?;
        let mut text = unsafe_pool.to_string();
        let mut source = std::error::Error::source(&unsafe_pool);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        Some(self.with_doctor(&text))
    }

    /// A text with the command that explains the pool.
    fn with_doctor(&self, why: &str) -> String {
        match &self.pool {
            Some(pool) => {
                let doctor = command::on_pool(pool, &["doctor"]);
                format!("{why}; `{doctor}` explains it")
            }
            None => why.to_owned(),
        }
    }
}

/// What can be said against a policy that is not loaded yet.
fn missing(source: &PolicySource) -> Option<String> {
    let why = match source.policy_file() {
        Ok(Some(file)) => match std::fs::metadata(&file) {
            Ok(_) => return None,
            Err(error) => format!("cannot read {}: {error}", file.display()),
        },
        Ok(None) => return None,
        Err(error) => format!("{:#}", anyhow::Error::from(error)),
    };
    Some(format!("the policy cannot be used: {why}"))
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
