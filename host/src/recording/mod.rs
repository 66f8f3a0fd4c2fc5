//! Recordings: what a request asked of its host, what the host answered, and what came of
//! it.
//!
//! A recording is for trying policies: [`replay`](crate::replay) gives the same answers to
//! another policy, or to the same one with other settings, and no process is touched.
//!
//! # The format
//!
//! A file of recordings has one JSON object a line, in UTF-8, one for each request, appended
//! when the request is over. Empty lines mean nothing. An object is a [`Recording`]; its
//! `version` is [`VERSION`] for what this program writes. Within a version fields may come,
//! and a reader passes over those that it does not know; anything else that changes, a new
//! kind of call included, makes a new version. A reader takes every version up to its own
//! and refuses a newer one.
//!
//! ```json
//! {"version":1,"at":"2026-11-23T04:54:39.896Z","pool":"/run/user/1000/pool",
//!  "asked_by":{"verb":"status","via":"command-line","uid":1000,"pid":4711},
//!  "request":{"status":{"sid":null}},
//!  "policy":{"name":"default","version":"0.1.0","sha256":"…"},
//!  "grants":["registry-write","signal-term","signal-kill"],"settings":{},
//!  "calls":[
//!   {"begin":{"registry":{"text":"{\"sessions\":[…]}"}}},
//!   "read",
//!   {"inspect":{"found":[{"claim":{"sid":"a",…},"finding":{"standing":"alive"}}]}},
//!   "end"],
//!  "answer":{"sessions":[…]}}
//! ```
//!
//! A recording holds the registry and the settings, so its file is the user's alone (mode
//! 0600). A line has at most [`LARGEST`] bytes and a file at most [`LARGEST_FILE`]: what
//! would be more is not recorded.
//!
//! # When it cannot be written
//!
//! A recording is for tests, and a request is for a pool. A file that cannot be opened is an
//! error before the first request ([`RecordingFile::open`]). After that nothing fails or
//! delays a request: what cannot be recorded is missing from the file, and a warning in the
//! log says why.

mod bytes;
mod call;
mod file;
mod format;
mod read;
mod time;

pub use bytes::Bytes;
pub use call::{Call, CallError, ErrorKind, Found, LastSignal, Observed};
pub use file::{RecordingError, RecordingFile};
pub use format::{Failure, FailureKind, LARGEST, LARGEST_FILE, Outcome, Recording, VERSION};
pub use read::{ReadError, Recordings};
