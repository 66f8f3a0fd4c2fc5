//! A disk that fails where it is told to.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex};

use super::super::disk::{Disk, SystemDisk};

/// The file that takes another one's place just before that is exchanged, where the disk
/// does `meddle`.
pub(in super::super) const MEDDLING: &str = "meddling";

/// A disk on which some operations fail, and which notes what it is asked.
#[derive(Clone, Default)]
pub(in super::super) struct FaultyDisk {
    fails: &'static [&'static str],
    asked: Arc<Mutex<Vec<&'static str>>>,
}

impl FaultyDisk {
    /// Fails at this operation: `append`, `sync directory`. `append half` is full in the
    /// middle of what is appended.
    pub(in super::super) fn failing(operation: &'static [&'static str]) -> Self {
        Self {
            fails: operation,
            asked: Arc::default(),
        }
    }

    /// What it was asked, in order.
    pub(in super::super) fn asked(&self) -> Vec<&'static str> {
        self.asked.lock().expect("asked").clone()
    }

    fn ask<T>(
        &self,
        operation: &'static str,
        run: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        self.asked.lock().expect("asked").push(operation);
        if self.fails.contains(&operation) {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            run()
        }
    }
}

impl Disk for FaultyDisk {
    fn remove(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<()> {
        self.ask("remove", || SystemDisk.remove(dir, name))
    }
    fn create(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<File> {
        self.ask("create", || SystemDisk.create(dir, name))
    }
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        self.ask("write", || SystemDisk.write(file, bytes))
    }
    fn append(&self, file: &File, bytes: &[u8]) -> io::Result<usize> {
        let room = if self.fails.contains(&"append half") {
            bytes.len() / 2
        } else {
            bytes.len()
        };
        self.ask("append", || SystemDisk.append(file, &bytes[..room]))
    }
    fn cut(&self, file: &File, size: u64) -> io::Result<()> {
        self.ask("cut", || SystemDisk.cut(file, size))
    }
    fn sync(&self, file: &File) -> io::Result<()> {
        self.ask("sync", || SystemDisk.sync(file))
    }
    fn sync_data(&self, file: &File) -> io::Result<()> {
        self.ask("sync data", || SystemDisk.sync_data(file))
    }
    fn rename(&self, dir: BorrowedFd<'_>, from: &str, to: &str) -> io::Result<()> {
        self.ask("rename", || SystemDisk.rename(dir, from, to))
    }
    fn exchange(&self, dir: BorrowedFd<'_>, one: &str, other: &str) -> io::Result<()> {
        if self.fails.contains(&"meddle") && self.asked().iter().all(|asked| *asked != "exchange") {
            SystemDisk.rename(dir, MEDDLING, one)?;
        }
        self.ask("exchange", || SystemDisk.exchange(dir, one, other))
    }
    fn sync_directory(&self, dir: BorrowedFd<'_>) -> io::Result<()> {
        self.ask("sync directory", || SystemDisk.sync_directory(dir))
    }
}
