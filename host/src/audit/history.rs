//! Reading the trail.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::asker::AskedBy;
use super::lines::{self, LONGEST, Lines, MOST};
use super::record::{DecidedBy, Event, Phase};
use crate::error::{chain, without_position};
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
    /// Whether the signal went to the whole process group.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub group: bool,
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
    #[error("{}", chain(.0))]
    File(StoreError),
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
    /// A part without data: somebody made the file longer without writing to it.
    #[error("{} has a hole of {bytes} bytes without data, which is passed over", .path.display())]
    Hole {
        /// The file.
        path: PathBuf,
        /// The size of all its holes.
        bytes: u64,
    },
    /// The beginning of a file that is larger than any that the host writes. Lines are
    /// counted from where reading begins.
    #[error(
        "{} is larger than a trail gets: the first {bytes} bytes of its data are passed over, and \
         the last {MOST} are read", .path.display()
    )]
    Larger {
        /// The file.
        path: PathBuf,
        /// How many bytes are passed over.
        bytes: u64,
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
    #[serde(default)]
    group: bool,
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
        let pool = PoolDir::open_existing(directory)?;
        Ok(pool.as_ref().map(Self::of).unwrap_or_default())
    }

    /// Reads the trail of a pool that is open.
    pub(crate) fn of(pool: &PoolDir) -> Self {
        let mut reader = Reader::default();
        for file in pool.open_trail() {
            match file {
                Ok(file) => reader.read(file),
                Err(error) => reader.history.problems.push(Problem::File(error)),
            }
        }
        reader.history
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
        if let Err(error) = self.read_lines(&path, &file) {
            let error = StoreError::reading(&path, error);
            self.history.problems.push(Problem::File(error));
        }
    }

    fn read_lines(&mut self, path: &Path, file: &File) -> io::Result<()> {
        let mut lines = Lines::of(file)?;
        let has_hole = lines.hole > 0;
        let path = || path.to_owned();
        if has_hole {
            let (path, bytes) = (path(), lines.hole);
            self.history.problems.push(Problem::Hole { path, bytes });
        }
        if lines.left_out > 0 {
            let (path, bytes) = (path(), lines.left_out);
            self.history.problems.push(Problem::Larger { path, bytes });
        }
        let mut number = 0;
        while let Some(line) = lines.next()? {
            number += 1;
            let why = match line {
                lines::Line::TooLong => format!("it has more than {LONGEST} bytes"),
                lines::Line::Whole(text) => match self.take_text(&text, has_hole) {
                    Ok(()) => continue,
                    Err(why) => why,
                },
            };
            let (path, line) = (path(), number);
            self.history
                .problems
                .push(Problem::Line { path, line, why });
        }
        Ok(())
    }

    /// Takes a line as it stands in the file, or says what is wrong with it.
    fn take_text(&mut self, text: &[u8], has_hole: bool) -> Result<(), String> {
        let ends = text.ends_with(b"\n");
        let mut text = text;
        if has_hole {
            // A hole has the size of whole blocks; zeros are left around it, and the line
            // break with which the next writer began.
            while let [0, rest @ ..] = text {
                text = rest;
            }
            if text.trim_ascii().is_empty() {
                return Ok(());
            }
        }
        match serde_json::from_slice(text) {
            Ok(read) => {
                self.take(read);
                Ok(())
            }
            Err(error) if ends => {
                let what = without_position(&error);
                Err(format!("{what} at column {}", error.column().max(1)))
            }
            Err(_) => Err("it has no end, so it is being written, or its writer was killed".into()),
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
            group: line.group,
            standing: line.standing,
            evidence: line.evidence,
            result: line.result.unwrap_or_else(|| UNKNOWN.to_owned()),
            asked_by: line.asked_by,
            policy: line.policy,
            entry: line.entry,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::DirBuilderExt;

    use tempfile::TempDir;

    use super::*;

    /// A pool whose trail has these files, by their names.
    fn pool(files: &[(&str, &str)]) -> TempDir {
        let root = tempfile::tempdir().expect("a temporary directory");
        let pool = root.path().join("pool");
        let made = fs::DirBuilder::new().mode(0o700).create(&pool);
        made.expect("the pool");
        for (name, text) in files {
            fs::write(pool.join(name), text).expect("write");
        }
        root
    }

    fn read(pool: &TempDir) -> History {
        History::read(&pool.path().join("pool")).expect("a history")
    }

    fn before(id: &str, sid: &str) -> String {
        format!(
            r#"{{"at":"t","id":"{id}","event":"removal","phase":"before","sid":"{sid}","pid":7,"standing":"gone","evidence":"e","asked_by":{{"verb":"ensure","via":"library","uid":1,"pid":2}},"policy":{{"name":"p","version":"1","sha256":"s"}},"entry":{{"n":1.00e400}}}}
"#
        )
    }

    fn after(id: &str, result: &str) -> String {
        format!(
            r#"{{"at":"u","id":"{id}","event":"removal","phase":"after","sid":"x","pid":7,"result":"{result}"}}
"#
        )
    }

    fn results(history: &History) -> Vec<(&str, &str)> {
        let actions = history.actions.iter();
        actions
            .map(|action| (action.id.as_str(), action.result.as_str()))
            .collect()
    }

    #[test]
    fn the_two_lines_of_an_effect_are_one_also_across_files() {
        let old = before("1", "a") + &before("2", "b") + &after("2", "removed");
        let new = before("3", "c") + &after("1", "failed: x") + &after("3", "removed");
        let history = read(&pool(&[("audit.jsonl.1", &old), ("audit.jsonl", &new)]));
        assert!(history.problems.is_empty(), "{:?}", history.problems);
        assert_eq!(
            results(&history),
            [("1", "failed: x"), ("2", "removed"), ("3", "removed")]
        );
        let text = serde_json::to_string(&history.actions[0]).expect("JSON");
        assert!(text.contains(r#""entry":{"n":1.00e400}"#), "{text}");
        assert!(!text.contains("phase"), "{text}");
    }

    #[test]
    fn what_nobody_lived_to_tell_is_unknown() {
        let history = read(&pool(&[("audit.jsonl", &before("1", "a"))]));
        assert_eq!(results(&history), [("1", "unknown")]);
    }

    #[test]
    fn a_result_whose_beginning_is_gone_is_shown() {
        let history = read(&pool(&[("audit.jsonl", &after("1", "removed"))]));
        assert_eq!(results(&history), [("1", "removed")]);
        assert_eq!(history.actions[0].standing, None);
    }

    #[test]
    fn what_cannot_be_read_is_named_and_passed_over() {
        let text = format!(
            "{}garbage\n\n{}\u{0}\n{{\"at\":\"20",
            before("1", "a"),
            after("1", "removed"),
        );
        let pool = pool(&[("audit.jsonl", &text)]);
        fs::create_dir(pool.path().join("pool/audit.jsonl.2")).expect("mkdir");
        let history = read(&pool);
        assert_eq!(results(&history), [("1", "removed")]);
        let problems: Vec<_> = history.problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems.len(), 5, "{problems:?}");
        assert!(
            problems[0].contains("audit.jsonl.2 is not safe"),
            "{problems:?}"
        );
        for (problem, line) in problems[1..].iter().zip([2, 3, 5, 6]) {
            assert!(
                problem.starts_with(&format!("line {line} of ")),
                "{problem}"
            );
        }
        assert!(problems[4].contains("it has no end"), "{problems:?}");
    }

    #[test]
    fn a_hole_is_passed_over_and_what_stands_around_it_is_read() {
        const HOLE: u64 = 1 << 40;
        let pool = pool(&[("audit.jsonl", &before("1", "a"))]);
        let path = pool.path().join("pool/audit.jsonl");
        let mut file = fs::File::options()
            .append(true)
            .open(path)
            .expect("the trail");
        file.set_len(HOLE).expect("a hole");
        let after = format!("\n{}{}", before("2", "b"), after("1", "removed"));
        file.write_all(after.as_bytes()).expect("write");
        let history = read(&pool);
        assert_eq!(results(&history), [("1", "removed"), ("2", "unknown")]);
        let [Problem::Hole { bytes, .. }] = history.problems[..] else {
            panic!("{:?}", history.problems);
        };
        assert!(bytes > HOLE - (1 << 20) && bytes < HOLE, "{bytes}");
    }

    #[test]
    fn what_a_later_version_adds_is_no_harm() {
        let line = before("1", "a").replacen('{', r#"{"later":[1],"#, 1);
        let history = read(&pool(&[("audit.jsonl", &line)]));
        assert_eq!(history.actions.len(), 1, "{:?}", history.problems);
    }

    #[test]
    fn where_there_is_no_pool_nothing_happened_and_nothing_is_made() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let path = root.path().join("pool");
        let history = History::read(&path).expect("a history");
        assert!(history.actions.is_empty() && history.problems.is_empty());
        assert!(!path.exists());
    }
}
