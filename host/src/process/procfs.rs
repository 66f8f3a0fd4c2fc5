//! Reading the texts of `/proc/PID`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// What `/proc/PID/stat` says (proc_pid_stat(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// Field 3, the state as one letter.
    pub(super) state: u8,
    /// Field 4. 0 when the parent is outside the pid namespace.
    pub(super) parent: u32,
    /// Field 5: the process group. 0 when its leader was outside the pid namespace.
    pub(super) group: u32,
    /// Field 6: the session. 0 when its leader was outside the pid namespace.
    pub(super) session: u32,
    /// Field 22: clock ticks between boot and its start.
    pub(super) start_ticks: u64,
}

impl Stat {
    /// Reads these fields, or nothing if the text is not of that form.
    ///
    /// Field 2 is the program's name in parentheses, which may itself hold spaces,
    /// parentheses and newlines: the fields after it start behind the last `)`.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let end_of_name = text.iter().rposition(|&byte| byte == b')')?;
        let fields = std::str::from_utf8(text.get(end_of_name + 1..)?).ok()?;
        let mut fields = fields.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let session = fields.next()?.parse().ok()?;
        // Fields 7 to 21 lie in between.
        let start_ticks = fields.nth(15)?.parse().ok()?;
        Some(Self {
            state,
            parent,
            group,
            session,
            start_ticks,
        })
    }

    /// Whether its first thread is a zombie or being removed. The process may go on in
    /// other threads all the same: only its pidfd tells.
    pub(super) fn is_zombie(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// The value behind `name:` in `/proc/PID/status` (proc_pid_status(5)), untrimmed.
fn status_line<'a>(text: &'a [u8], name: &str) -> Option<&'a str> {
    // The program's name stands in the first line, escaped, so no line can be forged.
    text.split(|&byte| byte == b'\n').find_map(|line| {
        let rest = line.strip_prefix(name.as_bytes())?.strip_prefix(b":")?;
        std::str::from_utf8(rest).ok()
    })
}

/// The process that a thread belongs to: `Tgid`.
pub(super) fn thread_group(status: &[u8]) -> Option<u32> {
    status_line(status, "Tgid")?.trim().parse().ok()
}

/// The real and the effective user id: the first two of `Uid`.
pub(super) fn user_ids(status: &[u8]) -> Option<(u32, u32)> {
    let mut ids = status_line(status, "Uid")?.split_ascii_whitespace();
    Some((ids.next()?.parse().ok()?, ids.next()?.parse().ok()?))
}

/// The pids of a process, from the pid namespace of this `/proc` to its own: `NSpid`.
pub(super) fn namespace_pids(status: &[u8]) -> impl Iterator<Item = u32> {
    let pids = status_line(status, "NSpid").unwrap_or_default();
    pids.split_ascii_whitespace()
        .filter_map(|pid| pid.parse().ok())
}

/// The words of a command line as `/proc/PID/cmdline` holds them, each ended by a NUL.
/// Kernel threads and zombies have none.
pub(super) fn words(cmdline: &[u8]) -> Vec<String> {
    let cmdline = cmdline.strip_suffix(b"\0").unwrap_or(cmdline);
    if cmdline.is_empty() {
        return Vec::new();
    }
    cmdline
        .split(|&byte| byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}

/// A socket that is bound to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BoundSocket {
    /// Its inode number among sockets, as links in `/proc/PID/fd` tell it.
    pub(super) inode: u64,
    /// Whether it listens for connections.
    pub(super) listens: bool,
}

/// The sockets that are bound to a path of the file system, from `/proc/PID/net/unix`
/// (proc_pid_net(5)), with the path as it was bound. That is relative where it does not
/// start with a slash: to what was the current directory then.
pub(super) fn bound_sockets(table: &[u8]) -> impl Iterator<Item = (PathBuf, BoundSocket)> {
    // The first line is the heading.
    table
        .split(|&byte| byte == b'\n')
        .skip(1)
        .filter_map(bound_socket)
}

/// `__SO_ACCEPTCON` of `linux/net.h`: the socket listens.
const LISTENS: &str = "00010000";
/// `SOCK_DGRAM` of `linux/net.h`.
const DATAGRAMS: &str = "0002";
/// `SS_CONNECTED` of `linux/net.h`.
const CONNECTED: &str = "03";

fn bound_socket(line: &[u8]) -> Option<(PathBuf, BoundSocket)> {
    // Num RefCount Protocol Flags Type St Inode Path, the path after exactly one space
    // because it may hold spaces, or start with one.
    let mut rest = line;
    let mut field = || {
        let start = rest.iter().position(|&byte| byte != b' ')?;
        let length = rest[start..].iter().position(|&byte| byte == b' ')?;
        let field = &rest[start..start + length];
        rest = &rest[start + length..];
        std::str::from_utf8(field).ok()
    };
    let flags = [field()?, field()?, field()?, field()?][3];
    let (kind, state) = (field()?, field()?);
    let inode = field()?.parse().ok()?;
    let path = rest.strip_prefix(b" ")?;
    // Each connection that a server accepted shows the server's path, and can outlive it.
    // Abstract names begin with `@`.
    let is_connection = kind != DATAGRAMS && state == CONNECTED;
    if is_connection || path.is_empty() || path.starts_with(b"@") {
        return None;
    }
    let socket = BoundSocket {
        inode,
        listens: flags == LISTENS,
    };
    Some((PathBuf::from(OsString::from_vec(path.to_vec())), socket))
}

/// The number in a link of the form `socket:[4711]` or `pid:[4026531836]`.
pub(super) fn bracketed(link: &Path, kind: &str) -> Option<u64> {
    link.to_str()?
        .strip_prefix(kind)?
        .strip_prefix(":[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TAIL: &str = " S 7 4711 4711 0 -1 4194560 100 0 0 0 1 2 3 4 20 0 1 0 151020 3133440 388";

    #[test]
    fn a_name_cannot_forge_the_fields_behind_it() {
        let expected = Stat {
            state: b'S',
            parent: 7,
            group: 4711,
            session: 4711,
            start_ticks: 151_020,
        };
        for name in ["cat", "a b", ")", ") Z 1 (", "((", "\n", ") S 1 2 3"] {
            let text = format!("4711 ({name}){TAIL}\n");
            assert_eq!(Stat::parse(text.as_bytes()), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn a_stat_that_stops_short_says_nothing() {
        for text in [
            "",
            "4711",
            "4711 (cat)",
            "4711 (cat) S",
            "4711 (cat) S 1 2 3",
        ] {
            assert_eq!(Stat::parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn status_lines_are_found_by_their_whole_name() {
        let status = b"Name:\tTgid:\\n\nNgid:\t0\nTgid:\t4711\nUid:\t1000\t0\t5\t5\n";
        assert_eq!(thread_group(status), Some(4711));
        assert_eq!(user_ids(status), Some((1000, 0)));
        assert_eq!(thread_group(b"Tgidx:\t1\n"), None);
        assert_eq!(user_ids(b"Uid:\t\n"), None);
    }

    #[test]
    fn words_end_with_a_nul_and_may_be_empty() {
        assert_eq!(words(b""), Vec::<String>::new());
        assert_eq!(words(b"sleep\x00\x003\x00"), ["sleep", "", "3"]);
        assert_eq!(words(b"rewritten title"), ["rewritten title"]);
        assert_eq!(words(b"\xff\x00"), ["\u{fffd}"]);
    }

    #[test]
    fn sockets_that_are_bound_to_a_path_are_listed_whether_they_listen_or_not() {
        let table = b"Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 21 /run/a b.sock\n\
            0000000000000000: 00000002 00000000 00010000 0001 01    22  /run/x\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 23 /run/connected\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 24 @abstract\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 25\n\
            0000000000000000: 00000002 00000000 00010000 0005 01    26 /run/y\n\
            0000000000000000: 00000002 00000000 00000000 0001 01 27 /run/bound\n\
            0000000000000000: 00000002 00000000 00000000 0002 03 28 /run/datagrams\n\
            0000000000000000: 00000002 00000000 00000000 0001 01 29 relative\n";
        let found: Vec<_> = bound_sockets(table)
            .map(|(path, socket)| (path, socket.inode, socket.listens))
            .collect();
        assert_eq!(
            found,
            [
                ("/run/a b.sock".into(), 21, true),
                (" /run/x".into(), 22, true),
                ("/run/y".into(), 26, true),
                ("/run/bound".into(), 27, false),
                ("/run/datagrams".into(), 28, false),
                ("relative".into(), 29, false),
            ]
        );
    }

    #[test]
    fn links_of_other_kinds_have_no_number() {
        assert_eq!(bracketed(Path::new("socket:[12]"), "socket"), Some(12));
        for link in [
            "socket:12",
            "pipe:[12]",
            "/x/socket:[12]",
            "socket:[x]",
            "socket:[12",
        ] {
            assert_eq!(bracketed(Path::new(link), "socket"), None, "{link}");
        }
    }

    proptest! {
        #[test]
        fn any_name_leaves_the_fields_readable(name in proptest::collection::vec(any::<u8>(), 0..16)) {
            let text = [b"4711 (", name.as_slice(), b")", TAIL.as_bytes()].concat();
            let stat = Stat::parse(&text);
            prop_assert_eq!(stat.map(|stat| stat.start_ticks), Some(151_020));
        }

        #[test]
        fn no_text_makes_a_reader_panic(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Stat::parse(&text);
            let _ = (thread_group(&text), user_ids(&text), words(&text));
            let _ = bound_sockets(&text).count();
        }
    }
}
