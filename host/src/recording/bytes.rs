//! Bytes of a registry: text nearly always, and anything when somebody damaged it.

use serde::{Deserialize, Serialize};

/// The bytes of a file: as they are where they are UTF-8, else in base64 (RFC 4648,
/// section 4, with padding).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "Written", into = "Written")]
pub struct Bytes(Vec<u8>);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Written {
    Text(String),
    Base64(String),
}

/// A text that is not base64.
#[derive(Debug, thiserror::Error)]
#[error("the bytes are not in base64")]
struct NotBase64;

impl Bytes {
    /// These bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes, as they stood in the file.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl From<Bytes> for Written {
    fn from(Bytes(bytes): Bytes) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Self::Text(text),
            Err(error) => Self::Base64(encode(error.as_bytes())),
        }
    }
}

impl TryFrom<Written> for Bytes {
    type Error = NotBase64;

    fn try_from(written: Written) -> Result<Self, NotBase64> {
        match written {
            Written::Text(text) => Ok(Self(text.into_bytes())),
            Written::Base64(text) => decode(text.as_bytes()).map(Self).ok_or(NotBase64),
        }
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const PADDING: u8 = b'=';

fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |index| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (index, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let character = match index <= group.len() {
                true => ALPHABET[(bits >> shift & 63) as usize],
                false => PADDING,
            };
            text.push(char::from(character));
        }
    }
    text
}

fn decode(text: &[u8]) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let padding = text.iter().rev().take_while(|&&c| c == PADDING).count();
    if padding > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for group in text[..text.len() - padding].chunks(4) {
        let mut bits = 0;
        for character in group {
            let value = ALPHABET.iter().position(|known| known == character)?;
            bits = bits << 6 | u32::try_from(value).ok()?;
        }
        bits <<= 6 * (4 - group.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 4648, section 10, and one for each end of the alphabet.
    #[test]
    fn it_is_base64() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg=="),
            (b"fooba", "Zm9vYmE="),
            (b"foobar", "Zm9vYmFy"),
            (b"\xff\xef\xfe\0\x10\x83", "/+/+ABCD"),
        ] {
            assert_eq!(encode(bytes), text);
            assert_eq!(decode(text.as_bytes()).as_deref(), Some(bytes), "{text}");
        }
        for text in [
            "Z", "Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zm9\n", "Zm9-",
        ] {
            assert_eq!(decode(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn any_bytes_come_back() {
        for (bytes, written) in [
            (&b"{\"a\":\"\xc3\xa9\"}"[..], r#"{"text":"{\"a\":\"é\"}"}"#),
            (b"\xff", r#"{"base64":"/w=="}"#),
        ] {
            let json = serde_json::to_string(&Bytes::new(bytes)).expect("JSON");
            assert_eq!(json, written);
            let read: Bytes = serde_json::from_str(&json).expect("it is read back");
            assert_eq!(read.as_slice(), bytes);
        }
        assert!(serde_json::from_str::<Bytes>(r#"{"base64":"/w"}"#).is_err());
    }
}
