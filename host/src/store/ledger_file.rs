//! The ledger as JSON text.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize, de};
use serde_json::value::RawValue;

use super::ledger::Ledger;
use super::ledger_row::RowText;
use super::ledger_salvage;

/// The version that this program writes. Any change to the format, an added field
/// included, needs a new one: it is what keeps older programs from rewriting the file
/// without what they do not know. Version 1 had no `withdrawn`.
const VERSION: u64 = 2;
/// The versions that it reads.
const READABLE: RangeInclusive<u64> = 1..=VERSION;

/// What a ledger's text holds.
pub(crate) enum Contents {
    /// A ledger, and how many of its rows could not be read.
    Ledger {
        /// What could be read.
        ledger: Ledger,
        /// How many rows could not be, and what is wrong with the first of them. None at all
        /// where it is the text around the rows that is damaged.
        damaged: Option<(usize, serde_json::Error)>,
    },
    /// The format of a newer version of this program.
    Newer(u64),
    /// Not a ledger.
    Damaged(serde_json::Error),
}

/// The text of a ledger. Equal ledgers have equal texts.
pub(crate) fn encode(ledger: &Ledger) -> Result<Vec<u8>, serde_json::Error> {
    let mut rows: Vec<RowText<'_>> = ledger.rows().map(RowText::from).collect();
    rows.sort_unstable_by(|a, b| a.key().cmp(&b.key()));
    let mut text = serde_json::to_vec(&FileText {
        version: VERSION,
        rows,
    })?;
    text.push(b'\n');
    Ok(text)
}

/// Reads a ledger's text. A row that cannot be read does not spoil the others, and neither
/// does what stands between them.
pub(crate) fn decode(text: &[u8]) -> Contents {
    // The usual case in one pass; what is unusual is sorted out afterwards.
    if let Ok(FileText { version, rows }) = serde_json::from_slice(text)
        && READABLE.contains(&version)
    {
        let rows = rows.into_iter().map(RowText::into_row).collect();
        return Contents::Ledger {
            ledger: Ledger::from_rows(rows),
            damaged: None,
        };
    }
    match serde_json::from_slice(text) {
        Ok(VersionText { version }) if version > VERSION => Contents::Newer(version),
        _ => decode_row_by_row(text),
    }
}

fn decode_row_by_row(text: &[u8]) -> Contents {
    let file: FileText<&RawValue> = match serde_json::from_slice(text) {
        Ok(file) => file,
        Err(error) => return decode_damaged(text, error),
    };
    if !READABLE.contains(&file.version) {
        let what = format!("there is no version {}", file.version);
        return Contents::Damaged(de::Error::custom(what));
    }
    let mut rows = HashMap::new();
    let mut damaged = None;
    for text in file.rows {
        match serde_json::from_str(text.get()) {
            Ok(row) => {
                let (claim, row) = RowText::into_row(row);
                rows.insert(claim, row);
            }
            Err(error) => damaged.get_or_insert((0, error)).0 += 1,
        }
    }
    Contents::Ledger {
        ledger: Ledger::from_rows(rows),
        damaged,
    }
}

/// What can be read of a text that is no JSON.
fn decode_damaged(text: &[u8], error: serde_json::Error) -> Contents {
    let rows = ledger_salvage::rows(text, &READABLE);
    if rows.is_empty() {
        return Contents::Damaged(error);
    }
    Contents::Ledger {
        ledger: Ledger::from_rows(rows),
        damaged: Some((0, error)),
    }
}

#[derive(Deserialize)]
struct VersionText {
    version: u64,
}

#[derive(Serialize, Deserialize)]
struct FileText<R> {
    version: u64,
    rows: Vec<R>,
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use proptest::prelude::*;

    use super::super::ledger::{Row, SentSignal};
    use super::super::testing::{claim, record};
    use super::*;
    use crate::process::{Claim, Identity, Place, Proof, Record, Signal};

    fn decoded(text: &[u8]) -> (HashMap<Claim, Row>, usize) {
        match decode(text) {
            Contents::Ledger { ledger, damaged } => {
                let rows = ledger
                    .rows()
                    .map(|(claim, row)| (claim.clone(), row.clone()));
                (rows.collect(), damaged.map_or(0, |(count, _)| count))
            }
            Contents::Newer(version) => panic!("newer: {version}"),
            Contents::Damaged(error) => panic!("damaged: {error}"),
        }
    }

    #[test]
    fn the_text_is_that_of_version_2() {
        let at = SystemTime::UNIX_EPOCH + Duration::new(1_790_000_000, 500_000_000);
        let mut ledger = Ledger::default();
        ledger.insert(
            claim("b"),
            Record {
                proof: Proof::Socket,
                ..record(7)
            },
        );
        ledger.insert(claim("a"), record(8));
        ledger.note_signal(
            &claim("b"),
            SentSignal {
                signal: Signal::Term,
                at,
            },
        );
        ledger.withdraw(&claim("a"));
        let text = encode(&ledger).expect("text");
        assert_eq!(
            String::from_utf8(text.clone()).expect("UTF-8"),
            concat!(
                r#"{"version":2,"rows":["#,
                r#"{"sid":"a","pid":4242,"created_at":"2026-01-01T00:00:00Z","sock":"/run/a.sock","#,
                r#""machine":"m","boot":"b","pid_namespace":4026531836,"inode":8,"#,
                r#""start_ticks":100,"proof":"registered","withdrawn":true},"#,
                r#"{"sid":"b","pid":4242,"created_at":"2026-01-01T00:00:00Z","sock":"/run/b.sock","#,
                r#""machine":"m","boot":"b","pid_namespace":4026531836,"inode":7,"#,
                r#""start_ticks":100,"proof":"socket","#,
                r#""last_signal":{"signal":"term","at":"2026-09-21T14:13:20.5Z"}}]}"#,
                "\n"
            )
        );
        let (rows, damaged) = decoded(&text);
        assert_eq!((rows.len(), damaged), (2, 0));
    }

    #[test]
    fn what_version_1_wrote_is_read() {
        let mut ledger = Ledger::default();
        ledger.insert(claim("a"), record(1));
        let text = String::from_utf8(encode(&ledger).expect("text")).expect("UTF-8");
        let old = text.replace("\"version\":2", "\"version\":1");
        assert_ne!(old, text);
        assert_eq!(decoded(old.as_bytes()), decoded(text.as_bytes()));
        assert!(!decoded(old.as_bytes()).0[&claim("a")].withdrawn);
        let damaged = old.replace("registered", "guessed");
        assert_eq!(decoded(damaged.as_bytes()).1, 1);
    }

    #[test]
    fn a_damaged_row_does_not_spoil_the_others() {
        let mut ledger = Ledger::default();
        ledger.insert(claim("a"), record(1));
        ledger.insert(claim("b"), record(2));
        let text = String::from_utf8(encode(&ledger).expect("text")).expect("UTF-8");
        for damage in [
            ("\"pid\":4242", "\"pid\":-1"),
            ("registered", "guessed"),
            ("\"sid\"", "\"x\""),
        ] {
            let (rows, damaged) = decoded(text.replacen(damage.0, damage.1, 1).as_bytes());
            assert_eq!(damaged, 1, "{damage:?}");
            assert_eq!(rows.keys().collect::<Vec<_>>(), [&claim("b")], "{damage:?}");
        }
    }

    #[test]
    fn what_is_no_ledger_is_damaged() {
        for text in [
            "",
            "{",
            "[]",
            "null",
            "{}",
            r#"{"version":1}"#,
            r#"{"version":1,"rows":{}}"#,
            r#"{"version":0,"rows":[]}"#,
            r#"{"version":"2","rows":[]}"#,
            r#"{"version":3,"#,
            "{\"version\":1,\"rows\":[]}x",
        ] {
            assert!(
                matches!(decode(text.as_bytes()), Contents::Damaged(_)),
                "{text:?}"
            );
        }
        assert!(matches!(
            decode(b"{\"version\":1,\"rows\":[\"\xff\"]}"),
            Contents::Damaged(_)
        ));
    }

    #[test]
    fn a_newer_version_is_known_by_its_number_alone() {
        for text in [
            r#"{"version":3,"rows":[]}"#,
            r#"{"rows":{"x":1},"version":3}"#,
            r#"{"version":3}"#,
        ] {
            assert!(
                matches!(decode(text.as_bytes()), Contents::Newer(3)),
                "{text}"
            );
        }
    }

    fn any_row() -> impl Strategy<Value = (Claim, Row)> {
        let claim = (
            any::<String>(),
            any::<u32>(),
            any::<String>(),
            any::<String>(),
        )
            .prop_map(|(sid, pid, created_at, sock)| Claim {
                sid,
                pid,
                created_at,
                sock,
            });
        let place = (any::<String>(), any::<String>(), any::<u64>()).prop_map(
            |(machine, boot, pid_namespace)| Place {
                machine,
                boot,
                pid_namespace,
            },
        );
        let proof = prop::sample::select(vec![
            Proof::Registered,
            Proof::Socket,
            Proof::Time,
            Proof::Adopted,
        ]);
        // Up to the year 9999, to the nanosecond.
        let sent = (0..253_402_207_200_u64, 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| {
            SentSignal {
                signal: Signal::Kill,
                at: SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos),
            }
        });
        (
            claim,
            place,
            any::<Option<u64>>(),
            any::<u64>(),
            proof,
            (prop::option::of(sent), any::<bool>()),
        )
            .prop_map(
                |(claim, place, inode, start_ticks, proof, (last_signal, withdrawn))| {
                    let record = Record {
                        identity: Identity {
                            place,
                            inode,
                            start_ticks,
                        },
                        proof,
                    };
                    (
                        claim,
                        Row {
                            record,
                            last_signal,
                            withdrawn,
                            kill_withdrawn: false,
                        },
                    )
                },
            )
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(rows in prop::collection::vec(any_row(), 0..6)) {
            let rows: HashMap<Claim, Row> = rows.into_iter().collect();
            let text = encode(&Ledger::from_rows(rows.clone())).expect("text");
            prop_assert_eq!(decoded(&text), (rows, 0));
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<Vec<u8>>()) {
            let _ = decode(&text);
        }
    }
}
