//! Workers, and when they started.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::SystemTime;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::process::kernel::Kernel;
use crate::process::linux::Linux;
use crate::process::procfs::Stat;
use crate::process::time::Calendar;

use super::nursery::Nursery;
use super::offspring::Manners;

/// A process that was started to be a worker.
#[derive(Clone, Debug)]
pub(super) struct Born {
    pub(super) pid: i32,
    pub(super) sock: Option<PathBuf>,
    pub(super) start_ticks: u64,
}

impl Born {
    /// When it started, by the clock as it is set now.
    pub(super) fn started(&self) -> SystemTime {
        Calendar::new(&Linux).at(self.start_ticks)
    }
}

/// Starts one.
pub(super) fn birth(nursery: &mut Nursery, manners: Manners, sock: Option<PathBuf>) -> Born {
    let pid = nursery.worker(manners, sock.as_deref());
    Born {
        pid,
        sock,
        start_ticks: start_ticks(pid).expect("it was just started"),
    }
}

/// An entry of the registry for it.
pub(super) fn entry(born: &Born, sid: &str, created_at: SystemTime) -> Value {
    let created_at = Timestamp::try_from(created_at).expect("a time");
    json!({
        "sid": sid,
        "pid": born.pid,
        "sock": born.sock.as_deref().map_or("", |path| path.to_str().expect("UTF-8")),
        "version": "",
        "created_at": created_at.to_string(),
    })
}

/// When the process started, in clock ticks since boot; nothing if there is none.
pub(super) fn start_ticks(pid: i32) -> Option<u64> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    Some(Stat::parse(&text)?.start_ticks)
}

/// Clock ticks since boot.
pub(super) fn ticks_now() -> u64 {
    let per_second = u128::from(Linux.ticks_per_second());
    let ticks = Linux.clocks().since_boot.as_nanos() * per_second / 1_000_000_000;
    ticks.try_into().expect("some years")
}

/// Waits, for at most a tick, until the clock has left this one behind.
pub(super) fn await_tick_after(ticks: u64) {
    while ticks_now() <= ticks {
        thread::yield_now();
    }
}
