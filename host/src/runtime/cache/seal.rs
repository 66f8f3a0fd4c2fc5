//! What stands behind the code in each entry: what it is, and a checksum.
//!
//! Behind and not before it, so that the file can be mapped as it is: the engine wants its
//! code at the beginning, and ignores what follows.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crc32fast::Hasher;

use super::key::Key;

/// What every seal begins with. The digit is the version of this layout.
const MAGIC: [u8; 16] = *b"poolwarden code1";

/// Magic, both digests in hexadecimal, the code's length and its checksum.
const SIZE: usize = 16 + 64 + 64 + 8 + 4;

/// Bytes that are read at once.
const BLOCK: usize = 256 << 10;

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

/// Checks that a file is whole and holds the code of this key.
pub(super) fn verify(file: &File, key: &Key) -> Result<(), Broken> {
    let size = file.metadata()?.len();
    let length = size.checked_sub(SIZE as u64).ok_or(Broken::Seal)?;
    let mut seal = [0; SIZE];
    file.read_exact_at(&mut seal, length)?;
    let Some((found_head, checksum)) = seal.split_last_chunk() else {
        return Err(Broken::Seal);
    };
    if found_head != head(length, key) {
        return Err(Broken::Seal);
    }
    let wanted = u32::from_le_bytes(*checksum);
    let found = checksum_of(file, length)?;
    if found == wanted {
        Ok(())
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

/// Reads through a buffer that stays in the processor's cache: mapping the file for this
/// would cost a page fault for every few pages.
fn checksum_of(file: &File, length: u64) -> io::Result<u32> {
    let mut hasher = Hasher::new();
    let mut block = vec![0; BLOCK];
    let mut at = 0;
    while at < length {
        let wanted = usize::try_from(length - at).map_or(BLOCK, |left| left.min(BLOCK));
        file.read_exact_at(&mut block[..wanted], at)?;
        hasher.update(&block[..wanted]);
        at += wanted as u64;
    }
    Ok(hasher.finalize())
}
