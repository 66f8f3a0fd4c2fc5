//! Keeping a cache from growing without end.

use std::fs;
use std::io;
use std::time::{Duration, SystemTime};

use nix::unistd::{UnlinkatFlags, unlinkat};

use super::directory::CacheDir;
use super::entry::is_unfinished;
use super::key::{Key, is_entry};

/// Entries that are kept. One of a large component has some 40 MB.
const KEPT: usize = 16;

/// How long an entry of another engine is kept without being used: another version of
/// poolwarden may be in use beside this one, and after an update the old one's entries go.
const OTHERS: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long a file that is being written is left alone. Writing one takes no minute; whoever
/// takes longer finds its file gone, and only has to compile again.
const UNFINISHED_FOR: Duration = Duration::from_secs(3600);

/// An entry, and when it was last used.
struct Found {
    name: String,
    used: SystemTime,
}

/// Removes files that a writer left behind when it was ended, entries of other engines that
/// were not used for a week, and all but the entries used last. Called when one was
/// written, which is `written`. What else is in the directory is not touched.
///
/// Nothing depends on it, so a failure is only logged. Removing an entry that is in use
/// does no harm: whoever uses it has read it.
pub(super) fn sweep(directory: &CacheDir, written: &Key) {
    if let Err(error) = try_sweep(directory, written) {
        tracing::debug!("the cache of compiled policies was not swept: {error}");
    }
}

fn try_sweep(directory: &CacheDir, written: &Key) -> io::Result<()> {
    let now = SystemTime::now();
    let mut kept = Vec::new();
    for file in fs::read_dir(directory.by_descriptor())? {
        let file = file?;
        let Ok(name) = file.file_name().into_string() else {
            continue;
        };
        let unfinished = is_unfinished(&name);
        if name == written.name() || !(unfinished || is_entry(&name)) {
            continue;
        }
        let used = match file.metadata().and_then(|metadata| metadata.modified()) {
            Ok(used) => used,
            // Somebody else removed it.
            Err(_) => continue,
        };
        let unused = now.duration_since(used).unwrap_or_default();
        let in_vain = if unfinished {
            unused > UNFINISHED_FOR
        } else {
            unused > OTHERS && !written.has_engine_of(&name)
        };
        if in_vain {
            remove(directory, &name);
        } else if !unfinished {
            kept.push(Found { name, used });
        }
    }
    kept.sort_by_key(|found| std::cmp::Reverse(found.used));
    // The one that was just written is kept beside these.
    for found in kept.iter().skip(KEPT - 1) {
        remove(directory, &found.name);
    }
    Ok(())
}

fn remove(directory: &CacheDir, name: &str) {
    if let Err(errno) = unlinkat(directory, name, UnlinkatFlags::NoRemoveDir) {
        tracing::debug!("{name} was not removed from the cache: {errno}");
    }
}
