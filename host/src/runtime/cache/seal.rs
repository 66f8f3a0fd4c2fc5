//! What stands behind the code in each entry: what it is, and a checksum.

use std::fs::File;
use std::io::{self, Read};

use super::key::Key;
use crate::runtime::compile::MAX_CODE;

/// What every seal begins with. The digit is the version of this layout.
const MAGIC: [u8; 16] = *b"poolwarden code1";

/// Magic, both digests in hexadecimal, the code's length and its checksum.
const SIZE: usize = 16 + 64 + 64 + 8 + 4;

/// Why an entry is not what it should be.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("it cannot be read")]
    Read(#[from] io::Error),
    #[error("it has no seal, or one of another component or engine, or it was cut off")]
    Seal,
    #[error("it is damaged: its checksum is {found:08x} and not {wanted:08x}")]
    Checksum { wanted: u32, found: u32 },
}

/// The seal of this code.
pub(super) fn of(code: &[u8], key: &Key) -> Vec<u8> {
    let mut seal = head(code.len() as u64, key);
    seal.extend(crc32fast::hash(code).to_le_bytes());
    seal
}

/// Reads the code of this key from its file, and checks that it is that, and whole.
pub(super) fn read(mut file: &File, key: &Key) -> Result<Vec<u8>, Broken> {
    let size = file.metadata()?.len();
    if size > MAX_CODE + SIZE as u64 {
        return Err(Broken::Seal);
    }
    let mut code = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
    file.by_ref().take(size + 1).read_to_end(&mut code)?;
    let length = code.len().checked_sub(SIZE).ok_or(Broken::Seal)?;
    let Some((found_head, checksum)) = code[length..].split_last_chunk() else {
        return Err(Broken::Seal);
    };
    if found_head != head(length as u64, key) {
        return Err(Broken::Seal);
    }
    let wanted = u32::from_le_bytes(*checksum);
    code.truncate(length);
    let found = crc32fast::hash(&code);
    if found == wanted {
        Ok(code)
    } else {
        Err(Broken::Checksum { wanted, found })
    }
}

/// All of it but the checksum.
fn head(length: u64, key: &Key) -> Vec<u8> {
    let mut head = Vec::with_capacity(SIZE);
    head.extend(MAGIC);
    head.extend(key.bytes());
    head.extend(length.to_le_bytes());
    head
}
