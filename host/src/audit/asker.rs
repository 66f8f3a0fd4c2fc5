//! Who asks for what is done.

use std::fmt;

use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};

/// The longest name and the longest version that are recorded, in characters: a client
/// says them about itself.
const LONGEST: usize = 200;

/// From which side requests come, for the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    via: Via,
    client: Option<String>,
    client_version: Option<String>,
    verb: Option<&'static str>,
}

/// The sides from which requests come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// Somebody's command.
    CommandLine,
    /// A tool call.
    Mcp,
    /// A program that embeds this crate.
    Library,
}

/// Who asked, as it stands in the trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedBy {
    /// The verb that was asked for: a request's, or the one that makes several requests.
    pub verb: String,
    /// From which side.
    pub via: Via,
    /// What an MCP client calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The version that it gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_version: Option<String>,
    /// Effective user id of the process that carried it out.
    pub uid: u32,
    /// That process.
    pub pid: u32,
}

impl Asker {
    /// A command line.
    pub fn command_line() -> Self {
        Self::without_client(Via::CommandLine)
    }

    /// A program that embeds this crate; who asks when nobody is named.
    pub fn library() -> Self {
        Self::without_client(Via::Library)
    }

    /// An MCP client, by the name and version that it gives itself.
    pub fn mcp(client: &str, version: &str) -> Self {
        Self {
            via: Via::Mcp,
            client: Some(bounded(client)),
            client_version: Some(bounded(version)).filter(|version| !version.is_empty()),
            verb: None,
        }
    }

    /// The same for a verb of its own that takes several requests: the trail has this one in
    /// place of theirs.
    #[must_use]
    pub fn for_verb(mut self, verb: &'static str) -> Self {
        self.verb = Some(verb);
        self
    }

    /// An MCP client that does not say who it is.
    pub fn unknown_mcp_client() -> Self {
        Self::mcp("unknown client", "")
    }

    fn without_client(via: Via) -> Self {
        Self {
            via,
            client: None,
            client_version: None,
            verb: None,
        }
    }

    /// This asker with its request, carried out by this process.
    pub(crate) fn asks(&self, verb: &str) -> AskedBy {
        AskedBy {
            verb: self.verb.unwrap_or(verb).to_owned(),
            via: self.via,
            client: self.client.clone(),
            client_version: self.client_version.clone(),
            uid: geteuid().as_raw(),
            pid: std::process::id(),
        }
    }
}

impl fmt::Display for AskedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by ", self.verb)?;
        match (&self.client, self.via) {
            (Some(client), _) => f.write_str(client)?,
            (None, Via::CommandLine) => f.write_str("command line")?,
            (None, Via::Mcp) => f.write_str("unknown client")?,
            (None, Via::Library) => f.write_str("library")?,
        }
        if let Some(version) = &self.client_version {
            write!(f, " {version}")?;
        }
        write!(f, ", uid {}", self.uid)
    }
}

/// A text that others chose, cut to a bounded length.
pub(super) fn bounded(text: &str) -> String {
    let mut characters = text.chars();
    let mut kept: String = characters.by_ref().take(LONGEST).collect();
    if characters.next().is_some() {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_cannot_fill_the_trail() {
        let asker = Asker::mcp(&"é".repeat(1_000_000), &"1".repeat(1_000_000));
        let asked = serde_json::to_string(&asker.asks("stop")).expect("JSON");
        assert!(asked.len() < 1_000, "{} bytes", asked.len());
        assert_eq!(bounded(&"é".repeat(LONGEST)), "é".repeat(LONGEST));
    }

    #[test]
    fn a_client_cannot_forge_a_line() {
        let asker = Asker::mcp("a\"}\n{\"event\":\"signal\"", "1\r\n");
        let asked = serde_json::to_string(&asker.asks("stop")).expect("JSON");
        assert!(!asked.contains(['\n', '\r']), "{asked}");
        let read: AskedBy = serde_json::from_str(&asked).expect("it is read back");
        assert_eq!(read, asker.asks("stop"));
    }

    #[test]
    fn each_side_has_its_words() {
        let shown = |asker: Asker| {
            let asked = asker.asks("stop").to_string();
            asked
                .strip_suffix(&format!(", uid {}", geteuid()))
                .expect("the user is named")
                .to_owned()
        };
        assert_eq!(shown(Asker::command_line()), "stop by command line");
        assert_eq!(shown(Asker::library()), "stop by library");
        let of_run = Asker::command_line().for_verb("run");
        assert_eq!(shown(of_run), "run by command line");
        assert_eq!(shown(Asker::mcp("agent", "1.2")), "stop by agent 1.2");
        assert_eq!(shown(Asker::unknown_mcp_client()), "stop by unknown client");
    }
}
