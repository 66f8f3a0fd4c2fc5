//! Reading the trail.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::asker::AskedBy;
use super::record::{DecidedBy, Event, Phase};
use crate::process::Signal;
use crate::store::{PoolDir, StoreError, TrailFile};

/// What came of an effect whose host did not live to say it.
const UNKNOWN: &str = "unknown";

/// What a pool's trail says, and what of it could not be read.
#[derive(Debug, Default)]
pub struct History {
    /// The effects, the oldest first.
    pub actions: Vec<Action>,
    /// What was passed over.
    pub problems: Vec<Problem>,
}

/// One effect: the line before it and, where there is one, the line after it.
#[derive(Debug, Serialize)]
pub struct Action {
    /// When it was about to happen: RFC 3339.
    pub at: String,
    /// Its number in the trail.
    pub id: String,
    /// What it was.
    pub event: Event,
    /// The session.
    pub sid: String,
    /// The process that its entry names.
    pub pid: u32,
    /// Which signal it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<Signal>,
    /// What was found about the entry before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standing: Option<String>,
    /// How it was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// What came of it: `sent`, `ended`, `removed`, `failed: …`; `unknown` when the host
    /// did not live to say it.
    pub result: String,
    /// Who asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<AskedBy>,
    /// Which policy decided it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<DecidedBy>,
    /// The whole entry, as it stood in the registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<Box<RawValue>>,
}

/// Something in the trail that could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A whole file, or the rest of it.
    #[error("{}", crate::error::chain(.0))]
    File(#[from] StoreError),
    /// One line.
    #[error("line {line} of {} cannot be read, and is passed over: {why}", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
}

/// A line of either kind. What it has beyond this is of a later version, and no harm.
#[derive(Deserialize)]
struct Line {
    at: String,
    id: String,
    event: Event,
    phase: Phase,
    sid: String,
    pid: u32,
    signal: Option<Signal>,
    standing: Option<String>,
    evidence: Option<String>,
    result: Option<String>,
    asked_by: Option<AskedBy>,
    policy: Option<DecidedBy>,
    entry: Option<Box<RawValue>>,
}

impl History {
    /// Reads the trail of the pool in this directory, old files included. Nothing is
    /// locked and nothing made; where there is no pool or no trail, nothing happened.
    ///
    /// # Errors
    /// When the directory is not safe to use or cannot be opened. What is wrong with the
    /// files in it is among the [`problems`](Self::problems).
    pub fn read(directory: &Path) -> Result<Self, StoreError> {
        let Some(pool) = PoolDir::open_existing(directory)? else {
            return Ok(Self::default());
        };
        let mut reader = Reader::default();
        for file in pool.open_trail() {
            match file {
                Ok(file) => reader.read(file),
                Err(error) => reader.history.problems.push(error.into()),
            }
        }
        Ok(reader.history)
    }
}

#[derive(Default)]
struct Reader {
    history: History,
    /// Where the effect with this number is among the actions.
    begun: HashMap<String, usize>,
}

impl Reader {
    fn read(&mut self, TrailFile { path, file }: TrailFile) {
        let mut file = BufReader::new(file);
        let mut text = Vec::new();
        for line in 1.. {
            text.clear();
            match file.read_until(b'\n', &mut text) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    let error = StoreError::reading(&path, error);
                    self.history.problems.push(error.into());
                    break;
                }
            }
            match serde_json::from_slice(&text) {
                Ok(read) => self.take(read),
                Err(error) => {
                    let why = if text.ends_with(b"\n") {
                        error.to_string()
                    } else {
                        "it has no end, so it is being written, or its writer was killed".into()
                    };
                    let path = path.clone();
                    self.history
                        .problems
                        .push(Problem::Line { path, line, why });
                }
            }
        }
    }

    fn take(&mut self, line: Line) {
        let known = self.begun.get(&line.id).copied();
        match (line.phase, known) {
            (Phase::After, Some(index)) => {
                if let Some(result) = line.result {
                    self.history.actions[index].result = result;
                }
            }
            // Also a line after an effect, whose line before is in a file that is gone.
            (Phase::Before | Phase::After, _) => {
                self.begun
                    .insert(line.id.clone(), self.history.actions.len());
                self.history.actions.push(line.into());
            }
        }
    }
}

impl From<Line> for Action {
    fn from(line: Line) -> Self {
        Self {
            at: line.at,
            id: line.id,
            event: line.event,
            sid: line.sid,
            pid: line.pid,
            signal: line.signal,
            standing: line.standing,
            evidence: line.evidence,
            result: line.result.unwrap_or_else(|| UNKNOWN.to_owned()),
            asked_by: line.asked_by,
            policy: line.policy,
            entry: line.entry,
        }
    }
}
