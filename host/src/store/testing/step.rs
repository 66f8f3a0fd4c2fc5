//! The steps of a request: the calls that it makes on its disk.

use std::fmt;

use nix::errno::Errno;

/// A method of [`Disk`](crate::store::Disk).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    OpenDirectory,
    FollowDirectory,
    OpenParent,
    MakeDirectory,
    SetDirectoryMode,
    LookAtPath,
    Facts,
    Look,
    Open,
    Create,
    OpenLog,
    SetMode,
    Read,
    Write,
    Cut,
    Sync,
    SyncData,
    Rename,
    Exchange,
    RenameToFree,
    Remove,
    SyncDirectory,
    TryLock,
    Lock,
    Unlock,
    Connect,
}

impl Call {
    /// The word for it in lists of steps.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OpenDirectory => "open directory",
            Self::FollowDirectory => "open directory behind",
            Self::OpenParent => "open parent of",
            Self::MakeDirectory => "make directory",
            Self::SetDirectoryMode => "set mode of directory",
            Self::LookAtPath => "look at path",
            Self::Facts => "look at open",
            Self::Look => "look at",
            Self::Open => "open",
            Self::Create => "create",
            Self::OpenLog => "open or create",
            Self::SetMode => "set mode of",
            Self::Read => "read",
            Self::Write => "write",
            Self::Cut => "cut",
            Self::Sync => "sync",
            Self::SyncData => "sync data of",
            Self::Rename => "rename",
            Self::Exchange => "exchange",
            Self::RenameToFree => "rename to free",
            Self::Remove => "remove",
            Self::SyncDirectory => "sync directory",
            Self::TryLock => "try to lock",
            Self::Lock => "lock",
            Self::Unlock => "unlock",
            Self::Connect => "connect to",
        }
    }

    /// Whether it changes names, contents or modes, or makes such a change last.
    pub(crate) fn changes(self) -> bool {
        use Call::{
            Create, Cut, Exchange, MakeDirectory, OpenLog, Remove, Rename, RenameToFree,
            SetDirectoryMode, SetMode, Sync, SyncData, SyncDirectory, Write,
        };
        matches!(
            self,
            Create
                | Cut
                | Exchange
                | MakeDirectory
                | OpenLog
                | Remove
                | Rename
                | RenameToFree
                | SetDirectoryMode
                | SetMode
                | Sync
                | SyncData
                | SyncDirectory
                | Write
        )
    }

    /// Whether it changes which name leads to what.
    pub(crate) fn changes_names(self) -> bool {
        use Call::{Create, Exchange, MakeDirectory, Remove, Rename, RenameToFree};
        matches!(
            self,
            Create | Exchange | MakeDirectory | Remove | Rename | RenameToFree
        )
    }

    /// What can go wrong with it that is no mistake of ours: of the errors on its page in
    /// section 2 of the manual one for each cause, and what a file system adds to them
    /// whose disk fails (EIO) or that was remounted for it (EROFS).
    pub(crate) fn errors(self) -> &'static [Errno] {
        use Errno::{
            EACCES, EDQUOT, EFBIG, EINTR, EIO, EMFILE, ENFILE, ENOBUFS, ENOLCK, ENOMEM, ENOSPC,
            EPERM, EROFS,
        };
        match self {
            Self::OpenDirectory | Self::FollowDirectory | Self::OpenParent => {
                &[EACCES, EINTR, EIO, EMFILE, ENFILE, ENOMEM]
            }
            Self::MakeDirectory => &[EACCES, EDQUOT, EIO, ENOMEM, ENOSPC, EROFS],
            Self::SetDirectoryMode | Self::SetMode => &[EIO, ENOMEM, EPERM, EROFS],
            Self::LookAtPath | Self::Look => &[EACCES, EIO, ENOMEM],
            Self::Facts => &[EIO, ENOMEM],
            Self::Open => &[EACCES, EINTR, EIO, EMFILE, ENFILE, ENOMEM, EROFS],
            Self::Create | Self::OpenLog => &[
                EACCES, EDQUOT, EINTR, EIO, EMFILE, ENFILE, ENOMEM, ENOSPC, EROFS,
            ],
            Self::Read => &[EINTR, EIO],
            Self::Write => &[EDQUOT, EFBIG, EINTR, EIO, ENOSPC],
            Self::Cut => &[EINTR, EIO, EPERM],
            Self::Sync | Self::SyncData | Self::SyncDirectory => {
                &[EDQUOT, EINTR, EIO, ENOSPC, EROFS]
            }
            Self::Exchange | Self::Rename | Self::RenameToFree => {
                &[EACCES, EDQUOT, EIO, ENOMEM, ENOSPC, EROFS]
            }
            Self::Remove => &[EACCES, EIO, ENOMEM, EROFS],
            Self::TryLock | Self::Lock => &[EINTR, ENOLCK],
            Self::Unlock => &[ENOLCK],
            Self::Connect => &[EACCES, EMFILE, ENFILE, ENOBUFS, ENOMEM],
        }
    }
}

/// One call and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) call: Call,
    /// The name of the file, for a directory its last one.
    pub(crate) name: String,
    /// The other name that a file gets.
    pub(crate) to: Option<String>,
}

impl Step {
    /// Whether it is this call on this file.
    pub(crate) fn is(&self, call: Call, name: &str) -> bool {
        self.call == call && self.name == name
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.call.name(), self.name)?;
        match &self.to {
            Some(to) => write!(f, " to {to}"),
            None => Ok(()),
        }
    }
}
