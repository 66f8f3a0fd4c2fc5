//! Putting the trail's file aside when it is full.

use std::os::fd::AsFd;

use super::super::directory::PoolDir;
use super::super::error::StoreError;
use super::super::file;
use super::{KEPT, name};

/// Renames the current file to number 1 and each old one to the next number. The last one
/// is replaced only when every number is taken.
///
/// The caller holds the lock on the current file. At every moment each file has one name,
/// so that a process that ends in between loses nothing, and the gap that it leaves takes
/// in the next file.
pub(super) fn put_aside(pool: &PoolDir) -> Result<(), StoreError> {
    let mut end = KEPT;
    for number in 1..=KEPT {
        match file::look_at(pool, &name(number))? {
            None => {
                end = number;
                break;
            }
            // A rename would replace anything: what should not be here is not ours to
            // remove.
            Some(facts) if number == KEPT => file::check(pool, &name(number), &facts)?,
            Some(_) => {}
        }
    }
    for number in (0..end).rev() {
        pool.disk()
            .rename(pool.as_fd(), &name(number), &name(number + 1))
            .map_err(|error| StoreError::step("put aside", &pool.path_of(&name(number)), error))?;
    }
    Ok(())
}
