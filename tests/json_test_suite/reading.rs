//! Each file in each place, through the library.

use std::fmt;
use std::time::Duration;

use poolwarden::life::Waited;
use poolwarden::{Cancel, Error, Policy, Pool, PoolBuilder, Register, Request};
use serde_json::Value;

use crate::files::{self, Expected, TestFile};
use crate::harness::{TestPool, Worker};
use crate::place::Place;

/// Where a text stops being a registry: line and column, counted from 1.
type Position = (u64, u64);

/// How many files were accepted and refused, by what was expected.
#[derive(Default)]
struct Counts([[u32; 2]; 3]);

impl Counts {
    fn add(&mut self, expected: Expected, accepted: bool) {
        self.0[expected as usize][usize::from(!accepted)] += 1;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, expected) in [
            ("y", Expected::Accepted),
            ("n", Expected::Refused),
            ("i", Expected::Either),
        ] {
            let [accepted, refused] = self.0[expected as usize];
            write!(f, "  {name}: {accepted:3} accepted, {refused:3} refused")?;
        }
        Ok(())
    }
}

/// A pool in which one worker is registered, and another one comes to be.
struct Scene {
    files: TestPool,
    pool: Pool,
    cancel: Cancel,
    live: Worker,
    new: Worker,
}

impl Scene {
    fn new() -> Self {
        let files = TestPool::new();
        let policy = Policy::shipped().expect("the shipped policy loads");
        Self {
            pool: PoolBuilder::new(files.directory()).build(policy),
            files,
            cancel: Cancel::new().expect("eventfd"),
            live: Worker::obedient(),
            new: Worker::obedient(),
        }
    }

    /// What the host makes of the registry: `wait` asks no policy.
    fn host_reads(&self) -> Result<(), Position> {
        let nobody = self.pool.wait("nobody", Some(Duration::ZERO), &self.cancel);
        match nobody {
            Ok(Waited::Absent) => Ok(()),
            Err(Error::Corrupted { line, column, .. }) => Err((line, column)),
            other => panic!("neither a registry nor none: {other:?}"),
        }
    }

    /// Registers the other worker, which rewrites a registry that the policy accepts.
    fn register(&self) -> Result<Value, Position> {
        let request = Request::Register(Register {
            sid: "new".into(),
            pid: self.new.pid(),
            sock: String::new(),
            version: "2".into(),
        });
        match self.pool.call(request, &self.cancel) {
            Ok(answer) => Ok(answer.value()),
            Err(Error::Corrupted { line, column, .. }) => Err((line, column)),
            Err(other) => panic!("neither an answer nor a corrupted registry: {other:?}"),
        }
    }

    /// Puts the file in its place, and returns whether it was accepted there.
    fn try_out(&self, file: &TestFile, place: Place) -> bool {
        let entry = self.live.entry("live").text();
        let (head, tail) = place.registry(&file.bytes, &entry);
        let before = [head.as_slice(), &tail].concat();
        self.files.write(&before);
        let stamp = self.files.stamp();
        let host = self.host_reads();
        let guest = self.register();
        let what = format!("{} as {place:?}", file.name);
        assert_eq!(
            host,
            guest.as_ref().map(drop).map_err(|at| *at),
            "host and policy differ about {what}"
        );
        let after = self.files.bytes();
        match guest {
            Ok(answer) => {
                let added = after
                    .strip_prefix(head.as_slice())
                    .and_then(|rest| rest.strip_suffix(tail.as_slice()))
                    .unwrap_or_else(|| panic!("other bytes changed with {what}"));
                let added = added.trim_ascii_start().strip_prefix(b",");
                let added: Value = serde_json::from_slice(added.expect("a comma first"))
                    .unwrap_or_else(|error| panic!("what was added is no entry: {error}"));
                assert_eq!(added, answer["registered"], "{what}");
                assert_eq!(added["pid"], self.new.pid(), "{what}");
                true
            }
            Err(position) => {
                assert_eq!(after, before, "{what} was refused and changed");
                assert_eq!(self.files.stamp(), stamp, "{what} was refused and written");
                assert_within(position, &before, &what);
                false
            }
        }
    }
}

/// Checks that there is such a place in the text, or right behind it.
fn assert_within((line, column): Position, text: &[u8], what: &str) {
    let index = usize::try_from(line - 1).expect("a line");
    let lines: Vec<_> = text.split(|byte| *byte == b'\n').collect();
    let length = lines.get(index).map(|line| line.len() as u64);
    assert!(
        length.is_some_and(|length| (1..=length + 1).contains(&column)),
        "{what}: there is no line {line} with a column {column}"
    );
}

#[test]
fn each_file_in_each_place_is_kept_or_refused_as_it_is() {
    let scene = Scene::new();
    for place in Place::ALL {
        let mut counts = Counts::default();
        for file in files::all() {
            let accepted = scene.try_out(&file, place);
            counts.add(file.expected, accepted);
            let expected = match (place, file.expected) {
                // No file of the suite is a registry.
                (Place::Whole, _) | (_, Expected::Refused) => false,
                (_, Expected::Accepted) => true,
                (_, Expected::Either) => accepted,
            };
            assert_eq!(accepted, expected, "{} as {place:?}", file.name);
        }
        println!("{:12}{counts}", format!("{place:?}"));
    }
    assert!(scene.live.is_running() && scene.new.is_running());
}
