//! A pool in a program of one's own: a real worker is registered, listed and stopped.
//!
//! ```text
//! cargo run --example embed
//! ```

use std::error::Error;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use poolwarden::answer::{Outcome, SessionStatus};
use poolwarden::{Cancel, Ensure, Grants, Limits, Policy, PoolBuilder, Register, Stop};

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("pool");
    // Compiled ahead of time and made for many pools; each request gets a fresh instance.
    let policy = Arc::new(Policy::shipped()?);
    // One for each request that somebody may want to withdraw; here, nobody does.
    let cancel = Cancel::new()?;

    let pool = PoolBuilder::new(&path)
        .grants(Grants::named(&["registry-write", "signal-term"])?)
        .limits(Limits {
            lock_wait: Duration::from_secs(2),
            ..Limits::default()
        })
        .build(policy.clone());

    let worker = Worker::start()?;
    let registered = pool.register(
        Register {
            sid: "search".into(),
            pid: worker.pid(),
            version: "1.0".into(),
            ..Register::default()
        },
        &cancel,
    )?;
    println!("registered at {}", registered.registered.created_at);

    for session in &pool.status(None, &cancel)?.sessions {
        println!(
            "{} (pid {}) is {}",
            session.sid, session.pid, session.status
        );
        assert_eq!(session.status, SessionStatus::Running);
    }

    // A part of the program that is only to look gets a pool that can do no more.
    let observer = PoolBuilder::new(&path).grants(Grants::none()).build(policy);
    match observer.stop(Stop::default(), &cancel) {
        Err(poolwarden::Error::Denied(why)) => println!("the observer may not: {why}"),
        other => return Err(format!("the observer was let through: {other:?}").into()),
    }

    let stopped = pool.stop(
        Stop {
            sid: Some("search".into()),
            grace: Duration::from_secs(5),
            ..Stop::default()
        },
        &cancel,
    )?;
    for one in &stopped.outcomes {
        match &one.outcome {
            Outcome::Exited => println!("{} has exited", one.sid),
            other => return Err(format!("{}: {other}: {:?}", one.sid, stopped.errors).into()),
        }
    }
    // What the fields do not say is in the policy's own text.
    println!("in full: {}", stopped.answer().text());

    assert!(pool.ensure(Ensure::default(), &cancel)?.sessions.is_empty());
    Ok(())
}

/// A process of this program. It is ended and reaped when this goes.
struct Worker(Child);

impl Worker {
    fn start() -> std::io::Result<Self> {
        let child = Command::new("sleep")
            .arg("600")
            .stdin(Stdio::null())
            .spawn()?;
        Ok(Self(child))
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It has ended by itself when all went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
