//! How large the suites are: as large as promised, or as the environment says.

use std::time::Duration;

/// Workers that one call stops: `POOLWARDEN_LONG_WORKERS`.
pub(crate) fn workers() -> usize {
    number("POOLWARDEN_LONG_WORKERS", 2000)
}

/// How many of them take no notice of SIGTERM: `POOLWARDEN_LONG_DEAF`.
pub(crate) fn deaf() -> usize {
    number("POOLWARDEN_LONG_DEAF", 20)
}

/// How long they are waited for, in seconds: `POOLWARDEN_LONG_GRACE`.
pub(crate) fn grace() -> Duration {
    Duration::from_secs(number("POOLWARDEN_LONG_GRACE", 20) as u64)
}

/// How often each verb is killed: `POOLWARDEN_LONG_KILLS`.
pub(crate) fn kills() -> usize {
    number("POOLWARDEN_LONG_KILLS", 200)
}

/// How many programs and servers are killed at work: `POOLWARDEN_LONG_STRIKES`.
pub(crate) fn strikes() -> usize {
    number("POOLWARDEN_LONG_STRIKES", 5000)
}

/// How many clients use one pool: `POOLWARDEN_LONG_CLIENTS`.
pub(crate) fn clients() -> usize {
    number("POOLWARDEN_LONG_CLIENTS", 50)
}

/// How long they do, in seconds: `POOLWARDEN_LONG_TIME`.
pub(crate) fn time() -> Duration {
    Duration::from_secs(number("POOLWARDEN_LONG_TIME", 60) as u64)
}

/// How long clients wait for one pool, in seconds: `POOLWARDEN_LONG_WAITING`.
pub(crate) fn waiting() -> Duration {
    Duration::from_secs(number("POOLWARDEN_LONG_WAITING", 120) as u64)
}

/// How many calls one server has: `POOLWARDEN_LONG_CALLS`.
pub(crate) fn calls() -> usize {
    number("POOLWARDEN_LONG_CALLS", 1_000_000)
}

/// The seed of everything random: `POOLWARDEN_LONG_SEED`, else a new one. It decides what
/// is tried, not how the kernel interleaves it.
pub(crate) fn seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.expect("a clock past 1970").subsec_nanos();
    number("POOLWARDEN_LONG_SEED", now as usize) as u64
}

fn number(variable: &str, default: usize) -> usize {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|error| panic!("{variable}={text}: {error}")),
        Err(_) => default,
    }
}
