//! A damaged registry: what can be read of it is kept, and makes a registry.

use poolwarden::fuzzing::{self, Salvaged};

/// What is made of any bytes can be read, has every entry that was found, byte for byte and
/// in order, and loses nothing when it is looked through itself. A registry that is none the
/// worse keeps all its entries.
pub fn check(data: &[u8]) {
    let found = fuzzing::salvaged(data);
    let made = match &found.registry {
        Ok(made) => made,
        Err(why) => panic!("{why}: {}", data.escape_ascii()),
    };
    let read = fuzzing::entries(made).expect("it is a registry");
    assert_eq!(read.len(), found.entries.len());
    for ((claim, raw), (expected, text, at)) in read.iter().zip(&found.entries) {
        assert_eq!((claim, raw), (expected, text));
        if let Some(at) = *at {
            assert_eq!(
                &data[at..at + text.len()],
                text.as_bytes(),
                "it is its text"
            );
        }
    }
    for bytes in &found.lost {
        assert!(bytes.start <= bytes.end && bytes.end <= data.len());
    }
    if let Ok(whole) = fuzzing::entries(data) {
        let kept = found.entries.iter();
        let kept: Vec<_> = kept.map(|(claim, text, _)| (claim, text)).collect();
        let whole: Vec<_> = whole.iter().map(|(claim, text)| (claim, text)).collect();
        assert_eq!(kept, whole, "nothing was wrong with it");
    }
    check_again(made, &found);
}

fn check_again(made: &[u8], found: &Salvaged) {
    let again = fuzzing::salvaged(made);
    assert!(again.lost.is_empty(), "{:?}", again.lost);
    assert_eq!(again.fields, found.fields);
    assert_eq!(again.registry.as_deref(), Ok(made));
}
