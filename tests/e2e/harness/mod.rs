//! Pools, workers and clients for tests.

mod advice;
mod component;
mod detached;
mod entry;
mod evil;
mod impostor;
mod lines;
mod mcp;
mod pool;
mod program;
mod redact;
mod rude;
mod stream;
mod terminal;
mod wait;
mod worker;

pub(crate) use advice::{advice, shell, walk};
pub(crate) use component::{POOL, component, module};
pub(crate) use detached::{Detached, as_worker, processes_of};
pub(crate) use entry::{Entry, NO_PROCESS, ago, now};
pub(crate) use evil::{EVIL, EVIL_IN_JSON, EVIL_SHOWN, assert_harmless, shown};
pub(crate) use impostor::{Impostor, Victim};
pub(crate) use lines::Lines;
pub(crate) use mcp::{Mcp, said};
pub(crate) use pool::TestPool;
pub(crate) use program::{Ran, Running};
pub(crate) use redact::redact;
pub(crate) use rude::{Rude, call, request};
pub(crate) use stream::Stream;
pub(crate) use terminal::Terminal;
pub(crate) use wait::{PATIENCE, await_that};
pub(crate) use worker::Worker;
