//! The lines of the trail.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::asker::{AskedBy, bounded};
use crate::process::{Signal, Standing};
use crate::runtime::Description;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// A signal to a worker.
    Signal,
    /// The removal of an entry from the registry.
    Removal,
    /// The operator's word that the process of an unproven entry is its worker.
    Adoption,
    /// A repair of the pool: an entry that was put back, with its sid and pid, or, without
    /// them, a file that was put aside.
    Repair,
}

impl Event {
    /// The word for it in the trail.
    pub fn name(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Removal => "removal",
            Self::Adoption => "adoption",
            Self::Repair => "repair",
        }
    }
}

/// Which of an effect's two lines it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Phase {
    Before,
    After,
}

/// Which policy decided it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedBy {
    /// The name that the policy gives itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The version that it gives itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Why it has neither: how it failed to describe itself. Earlier versions let such a
    /// policy decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undescribed: Option<String>,
    /// SHA-256 of the component, in hexadecimal: what it is, whatever it says.
    pub sha256: String,
}

impl DecidedBy {
    /// The policy with this digest, which said this about itself.
    pub(crate) fn new(sha256: &str, said: Option<&Description>) -> Self {
        Self {
            name: said.map(|said| bounded(&said.name)),
            version: said.map(|said| bounded(&said.version)),
            undescribed: None,
            sha256: sha256.to_owned(),
        }
    }
}

/// An effect's number: the two lines of one effect have the same, and no others do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Id(String);

impl Id {
    /// The next one. It begins with when this process first asked and its pid, since
    /// processes that cannot see each other write one trail, also with the same pid.
    pub(crate) fn next() -> Self {
        static PROCESS: OnceLock<String> = OnceLock::new();
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        let process = PROCESS.get_or_init(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let now = now.unwrap_or_default().as_nanos();
            format!("{now:x}-{}", std::process::id())
        });
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        Self(format!("{process}-{serial}"))
    }
}

/// What stands in the trail before an effect.
pub(crate) struct Before<'a> {
    pub(crate) at: SystemTime,
    pub(crate) id: &'a Id,
    pub(crate) event: Event,
    pub(crate) sid: &'a str,
    pub(crate) pid: u32,
    pub(crate) signal: Option<Signal>,
    /// Whether the signal is for the whole process group.
    pub(crate) group: bool,
    /// What was found about the entry, where it is about one.
    pub(crate) standing: Option<Standing>,
    pub(crate) evidence: &'a str,
    /// The entry as it stands in the registry, with everything that nobody here knows.
    pub(crate) entry: Option<&'a str>,
    pub(crate) asked_by: &'a AskedBy,
    /// Which policy decided it; none where the operator did.
    pub(crate) policy: Option<&'a DecidedBy>,
}

/// What stands in the trail after an effect.
pub(crate) struct After<'a> {
    pub(crate) at: SystemTime,
    pub(crate) id: &'a Id,
    pub(crate) event: Event,
    pub(crate) sid: &'a str,
    pub(crate) pid: u32,
    pub(crate) result: &'a str,
}

#[derive(Serialize)]
struct Line<'a> {
    at: String,
    id: &'a str,
    event: Event,
    phase: Phase,
    sid: &'a str,
    pid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<Signal>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    group: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    standing: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asked_by: Option<&'a AskedBy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a DecidedBy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<&'a RawValue>,
}

impl Before<'_> {
    /// Appends the line.
    ///
    /// # Errors
    /// When the entry is not JSON, or the time not in the calendar.
    pub(crate) fn encode(&self, lines: &mut Vec<u8>) -> serde_json::Result<()> {
        let entry = self.entry.map(one_line);
        let line = Line {
            at: time(self.at)?,
            id: &self.id.0,
            event: self.event,
            phase: Phase::Before,
            sid: self.sid,
            pid: self.pid,
            signal: self.signal,
            group: self.group,
            standing: self.standing.map(Standing::name),
            evidence: Some(self.evidence),
            result: None,
            asked_by: Some(self.asked_by),
            policy: self.policy,
            entry: entry.as_deref().map(serde_json::from_str).transpose()?,
        };
        write(&line, lines)
    }
}

impl After<'_> {
    /// Appends the line.
    ///
    /// # Errors
    /// When the time is not in the calendar.
    pub(crate) fn encode(&self, lines: &mut Vec<u8>) -> serde_json::Result<()> {
        let line = Line {
            at: time(self.at)?,
            id: &self.id.0,
            event: self.event,
            phase: Phase::After,
            sid: self.sid,
            pid: self.pid,
            signal: None,
            group: false,
            standing: None,
            evidence: None,
            result: Some(self.result),
            asked_by: None,
            policy: None,
            entry: None,
        };
        write(&line, lines)
    }
}

fn write(line: &Line<'_>, lines: &mut Vec<u8>) -> serde_json::Result<()> {
    serde_json::to_writer(&mut *lines, line)?;
    lines.push(b'\n');
    Ok(())
}

/// JSON on one line. In valid JSON a line break stands only between tokens, where a space
/// says the same.
fn one_line(json: &str) -> Cow<'_, str> {
    if json.contains(['\n', '\r']) {
        json.replace(['\n', '\r'], " ").into()
    } else {
        json.into()
    }
}

/// RFC 3339 in UTC, to the millisecond.
fn time(at: SystemTime) -> serde_json::Result<String> {
    let at = jiff::Timestamp::try_from(at).map_err(serde::ser::Error::custom)?;
    Ok(at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Asker;
    use super::*;

    fn described() -> DecidedBy {
        let said = Description {
            name: "default".into(),
            version: "1.2".into(),
            settings: Vec::new(),
        };
        DecidedBy::new("abc", Some(&said))
    }

    #[test]
    fn the_lines_are_these() {
        let at = UNIX_EPOCH + Duration::from_millis(1_790_000_000_007);
        let id = Id("x-1".into());
        let asked_by = AskedBy {
            uid: 1000,
            pid: 12,
            ..Asker::mcp("agent", "3").asks("stop")
        };
        let mut lines = Vec::new();
        let before = Before {
            at,
            id: &id,
            event: Event::Signal,
            sid: "a\n",
            pid: 7,
            signal: Some(Signal::Term),
            group: false,
            standing: Some(Standing::Alive),
            evidence: "seen",
            entry: Some("{\"n\":1.00e400,\r\n\"n\":2 }"),
            asked_by: &asked_by,
            policy: Some(&described()),
        };
        before.encode(&mut lines).expect("a line");
        let after = After {
            at,
            id: &id,
            event: Event::Signal,
            sid: "a\n",
            pid: 7,
            result: "sent",
        };
        after.encode(&mut lines).expect("a line");
        assert_eq!(
            String::from_utf8(lines).expect("UTF-8"),
            concat!(
                r#"{"at":"2026-09-21T14:13:20.007Z","id":"x-1","event":"signal","phase":"before","#,
                r#""sid":"a\n","pid":7,"signal":"term","standing":"alive","evidence":"seen","#,
                r#""asked_by":{"verb":"stop","via":"mcp","client":"agent","client_version":"3","#,
                r#""uid":1000,"pid":12},"policy":{"name":"default","version":"1.2","#,
                r#""sha256":"abc"},"entry":{"n":1.00e400,  "n":2 }}"#,
                "\n",
                r#"{"at":"2026-09-21T14:13:20.007Z","id":"x-1","event":"signal","phase":"after","#,
                r#""sid":"a\n","pid":7,"result":"sent"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn no_two_effects_have_one_number() {
        let (first, second) = (Id::next(), Id::next());
        assert_ne!(first, second);
        assert!(first.0.contains(&format!("-{}-", std::process::id())));
    }
}
