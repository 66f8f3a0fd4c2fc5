//! What a registry's text holds, and the text of the one that is made of it.

use crate::floor::Reading;
use crate::process::Claim;

use super::{Salvage, SalvagedEntry, salvage};

/// All that a text holds where it is a registry, else what can be salvaged of it.
pub(crate) fn held(bytes: &[u8]) -> Salvage<'_> {
    let mut held = salvage(bytes);
    let reading = Reading::new(Some(bytes.to_vec()));
    if let (Ok(claims), Ok(text)) = (reading.claims(), std::str::from_utf8(bytes)) {
        let entries = claims.iter().enumerate().filter_map(|(index, claim)| {
            let range = reading.range(index)?;
            Some(SalvagedEntry {
                at: range.start,
                text: text.get(range)?.into(),
                completed: Vec::new(),
                claim: claim.clone(),
            })
        });
        held.entries = entries.collect();
    }
    held
}

impl Salvage<'_> {
    /// A registry of these entries, with the fields that were found around the entries of
    /// the text. It is read back before anybody trusts it.
    ///
    /// # Errors
    /// When it does not read as what it was made of, which would be a mistake of this
    /// program: why not.
    pub(crate) fn registry<'e>(
        &self,
        entries: impl Iterator<Item = (&'e str, &'e Claim)>,
    ) -> Result<Vec<u8>, String> {
        let (texts, expected): (Vec<_>, Vec<_>) = entries.unzip();
        let sessions = format!("\"sessions\":[{}]", texts.join(","));
        let mut fields = self.before.clone();
        fields.push(&sessions);
        fields.extend(&self.after);
        let text = format!("{{{}}}", fields.join(",")).into_bytes();

        let reading = Reading::new(Some(text));
        let claims = reading.claims().map_err(|error| error.to_string())?;
        if !claims.iter().eq(expected) {
            return Err("it has other entries than it was made of".into());
        }
        Ok(reading.bytes().unwrap_or_default().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::*;

    fn entry(sid: &str, pid: u32) -> String {
        format!(r#"{{"sid":"{sid}","pid":{pid},"sock":"","version":"1","created_at":"x"}}"#)
    }

    /// What is made of a text, which has to be readable.
    fn made_of(text: &[u8]) -> Result<String, String> {
        let held = held(text);
        let entries = held.entries.iter();
        let made = held.registry(entries.map(|entry| (entry.text.as_ref(), &entry.claim)))?;
        String::from_utf8(made).map_err(|error| error.to_string())
    }

    /// A reader of JSON that skips a field can skip its name as well, without looking at the
    /// escapes in it; whoever reads the whole registry cannot.
    #[test]
    fn a_name_that_is_no_text_costs_its_field() {
        for name in [
            "xud83d\\ude00",
            "\\ude00",
            "\\ud83d",
            "\\ud83d\\u0041",
            "\\ud83dx",
        ] {
            let (a, b) = (entry("a", 2), entry("b", 3));
            let text = format!(r#"{{"f":1,"{name}":{{"x":[{b}]}},"sessions":[{a}],"l":2}}"#);
            let made = made_of(text.as_bytes());
            let expected = format!(r#"{{"f":1,"sessions":[{a}],"l":2}}"#);
            assert_eq!(made, Ok(expected), "{text}");
            let salvage = salvage(text.as_bytes());
            assert_eq!(salvage.lost.len(), 1, "{text}");
            let lost = &text[salvage.lost[0].bytes.clone()];
            assert_eq!(lost, format!(r#""{name}":{{"x":[{b}]}}"#));
        }
        // The name that was damaged can be the one that matters.
        let text = format!(r#"{{"sess\ud800ons":[{}],"l":2}}"#, entry("a", 2));
        let made = made_of(text.as_bytes());
        assert_eq!(made, Ok(format!(r#"{{"sessions":[{}]}}"#, entry("a", 2))));
    }

    #[test]
    fn a_registry_that_can_be_read_is_held_whole() {
        let (a, b) = (entry("a", 2), entry("\\u0061", 2));
        let text = format!(
            r#"{{"\ud83d\ude00":1,"a":2,"\u0061":3,"sessions":[{a},{a},{b}],"z":"\ud800"}}"#
        );
        assert_eq!(made_of(text.as_bytes()), Ok(text));
    }

    /// Registries whose every part can be damaged into something else.
    const WHOLE: [&str; 3] = [
        r#"{"sessions":[{"sid":"a","pid":2,"sock":"/s","version":"1","created_at":"x"},{"sid":"b","pid":3,"sock":"","version":"","created_at":""}]}"#,
        r#"{"first":{"x":[1,{"sid":"n","pid":3}]},"\ud83d\ude00":"\u00e9","sess\u0069ons":[{"sid":"b\u0000","pid":4,"\ud83d\ude00":"\ud800","sock":"","version":"","created_at":"y"}],"after":[null,true,1.5e10],"s":"q\"x"}"#,
        r#"{ "sessions" : [ ] , "z" : { "sessions":[{"sid":"q","pid":9}] } }"#,
    ];
    /// What damages.
    const TOKENS: [&[u8]; 16] = [
        b"\0",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\"",
        b"\\",
        b"\\ud800",
        b"\"sessions\":[",
        b"\xff",
        b"1e9",
        b"\n",
        b"{\"sid\":\"y\",\"pid\":8}",
        b"\"x\":1,",
    ];

    #[derive(Clone, Debug)]
    enum Damage {
        Byte(Index, u8),
        Token(Index, &'static [u8]),
        Gap(Index, usize),
        Cut(Index),
        Another(Index, &'static str, Index),
    }

    impl Damage {
        fn is_done_to(&self, text: &mut Vec<u8>) {
            let place = |at: &Index, text: &[u8]| at.index(text.len() + 1);
            match self {
                Self::Byte(at, byte) => {
                    let at = place(at, text);
                    text.splice(at..(at + 1).min(text.len()), [*byte]);
                }
                Self::Token(at, token) => {
                    let at = place(at, text);
                    text.splice(at..at, token.iter().copied());
                }
                Self::Gap(at, length) => {
                    let at = place(at, text);
                    text.drain(at..(at + length).min(text.len()));
                }
                Self::Cut(at) => text.truncate(place(at, text)),
                Self::Another(at, another, from) => {
                    text.truncate(place(at, text));
                    text.extend_from_slice(&another.as_bytes()[from.index(another.len())..]);
                }
            }
        }
    }

    fn damage() -> impl Strategy<Value = Damage> {
        let at = any::<Index>;
        prop_oneof![
            (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
            (at(), select(b"{}[],:\"\\0udx".to_vec()))
                .prop_map(|(at, byte)| Damage::Byte(at, byte)),
            (at(), select(TOKENS.to_vec())).prop_map(|(at, token)| Damage::Token(at, token)),
            (at(), 0..20_usize).prop_map(|(at, length)| Damage::Gap(at, length)),
            at().prop_map(Damage::Cut),
            (at(), select(WHOLE.to_vec()), at())
                .prop_map(|(at, t, from)| Damage::Another(at, t, from)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Whatever happened to a registry, one can be made of it, with every entry that was
        /// found, and that one is found whole.
        #[test]
        fn what_is_made_of_any_damage_can_be_read(
            whole in select(WHOLE.to_vec()),
            damages in prop::collection::vec(damage(), 1..5),
        ) {
            let mut text = whole.as_bytes().to_vec();
            for damage in &damages {
                damage.is_done_to(&mut text);
            }
            let made = made_of(&text);
            prop_assert!(made.is_ok(), "{}: {made:?}", text.escape_ascii());
            let made = made.unwrap_or_default();
            for entry in &held(&text).entries {
                prop_assert!(made.contains(entry.text.as_ref()));
            }
            prop_assert_eq!(made_of(made.as_bytes()), Ok(made));
        }
    }
}
