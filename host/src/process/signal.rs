//! The signals that can be sent to a worker.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A signal, by name: numbers differ between architectures (signal(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signal {
    /// Reload, or the terminal is gone.
    Hup,
    /// Interrupt, as from the keyboard.
    Int,
    /// Quit with a core dump, as from the keyboard.
    Quit,
    /// Whatever the worker makes of it.
    Usr1,
    /// Whatever the worker makes of it.
    Usr2,
    /// Please end.
    Term,
    /// Go on after a stop.
    Cont,
    /// Stop; cannot be caught.
    Stop,
    /// End now; cannot be caught.
    Kill,
}

impl Signal {
    /// Every signal.
    pub const ALL: [Self; 9] = [
        Self::Hup,
        Self::Int,
        Self::Quit,
        Self::Usr1,
        Self::Usr2,
        Self::Term,
        Self::Cont,
        Self::Stop,
        Self::Kill,
    ];

    /// Whether a process that gets it is on its way out, unless it chooses not to be. The
    /// others neither mark an entry as stopping nor let it go.
    pub fn asks_to_end(self) -> bool {
        matches!(
            self,
            Self::Hup | Self::Int | Self::Quit | Self::Term | Self::Kill
        )
    }

    /// Its name without `SIG`, as kill(1) takes it: `TERM`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hup => "HUP",
            Self::Int => "INT",
            Self::Quit => "QUIT",
            Self::Usr1 => "USR1",
            Self::Usr2 => "USR2",
            Self::Term => "TERM",
            Self::Cont => "CONT",
            Self::Stop => "STOP",
            Self::Kill => "KILL",
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no signal's, or none that is ever sent to a worker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of the signals hup, int, quit, usr1, usr2, term, cont, stop and kill")]
pub struct UnknownSignal(pub String);

impl FromStr for Signal {
    type Err = UnknownSignal;

    /// Reads `TERM`, `term` or `SIGTERM`, in any case.
    fn from_str(text: &str) -> Result<Self, UnknownSignal> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        Self::ALL
            .into_iter()
            .find(|signal| signal.name() == name)
            .ok_or_else(|| UnknownSignal(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_name_is_read() {
        for signal in Signal::ALL {
            let name = signal.name();
            assert_eq!(name.parse(), Ok(signal));
            assert_eq!(name.to_lowercase().parse(), Ok(signal));
            assert_eq!(format!("SIG{name}").parse(), Ok(signal));
            assert_eq!(
                serde_json::to_string(&signal).expect("a plain enum"),
                format!("\"{}\"", name.to_lowercase())
            );
        }
    }

    #[test]
    fn other_names_and_numbers_are_refused() {
        for text in ["", "SIG", "15", "SEGV", "term ", "SIGSIGTERM"] {
            assert_eq!(text.parse::<Signal>(), Err(UnknownSignal(text.to_owned())));
        }
    }
}
