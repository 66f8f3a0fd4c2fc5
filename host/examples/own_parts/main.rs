//! A pool made of parts of one's own: a store, processes and a clock. It touches no file and
//! no process, and the policy and the host's rules are the real ones: what a test of a program
//! that embeds the library is made of, or a pool whose workers live elsewhere.
//!
//! ```text
//! cargo run --example own_parts
//! ```

pub(crate) mod clock;
pub(crate) mod processes;
mod store;

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use poolwarden::answer::{Found, Outcome};
use poolwarden::process::{Process, Signal};
use poolwarden::{Cancel, Ensure, Policy, PoolBuilder, Register, Stop};

use clock::StandingClock;
use processes::Stage;
use store::Chronicle;

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let cancel = Cancel::new()?;
    let stage = Arc::new(Stage::default());
    let chronicle = Chronicle::default();
    let opening = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let pool = PoolBuilder::new("the play")
        .store(Arc::new(chronicle.clone()))
        .processes(stage.clone())
        .clock(Arc::new(StandingClock(opening)))
        .build(Policy::shipped()?);

    let hamlet = stage.enter(1601)?;
    let ghost = stage.enter(1602)?;
    for (sid, actor) in [("hamlet", &hamlet), ("ghost", &ghost)] {
        let part = Register {
            sid: sid.into(),
            pid: actor.pid(),
            ..Register::default()
        };
        let registered = pool.register(part, &cancel)?;
        println!("{sid} enters at {}", registered.registered.created_at);
        assert_eq!(registered.registered.created_at, "2001-09-09T01:46:40Z");
    }

    ghost.leave()?;
    for removed in &pool.ensure(Ensure::default(), &cancel)?.removed {
        println!(
            "{} is {}: {}",
            removed.sid, removed.standing, removed.evidence
        );
        assert_eq!(removed.standing, Found::Exited);
    }

    let stopped = pool.stop(Stop::default(), &cancel)?;
    assert_eq!(stopped.outcomes[0].outcome, Outcome::Exited);
    assert_eq!(hamlet.heard(), [Signal::Term]);
    println!(
        "{} hears {:?} and leaves",
        stopped.stopped[0],
        hamlet.heard()
    );

    println!(
        "the registry was replaced {} times",
        chronicle.editions().len()
    );
    print!("{}", String::from_utf8(chronicle.trail())?);
    Ok(())
}
