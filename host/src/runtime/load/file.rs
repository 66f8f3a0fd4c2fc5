//! A component's file, read whole and looked at before anything is compiled.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, fstat, stat};
use wasmtime::{Engine, Precompiled};

use super::LoadError;
use crate::store::{Facts, FileKind};

/// The largest component that is read, in bytes: ten times the size of one that carries a
/// language runtime.
pub const MAX_COMPONENT: u64 = 256 << 20;

/// Reads a component's file. It may be reached through symbolic links: what counts is what
/// was read, which a pin can fix.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    read_up_to(path, MAX_COMPONENT)
}

fn read_up_to(path: &Path, limit: u64) -> Result<Vec<u8>, LoadError> {
    let unreadable = |source: io::Error| LoadError::Read {
        path: path.to_owned(),
        source,
    };
    let failed = |errno: Errno| unreadable(errno.into());
    // Without O_NONBLOCK, opening a FIFO would wait for its other end.
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    let file = match open(path, flags, Mode::empty()) {
        // A socket, or a device that nothing is behind (open(2)).
        Err(errno @ Errno::ENXIO) => {
            let found = stat(path).map(Facts::from).map_err(|_| failed(errno))?;
            return Err(LoadError::NotAFile { found: found.kind });
        }
        opened => File::from(opened.map_err(failed)?),
    };
    let facts = fstat(&file).map(Facts::from).map_err(failed)?;
    if facts.kind != FileKind::Regular {
        return Err(LoadError::NotAFile { found: facts.kind });
    }
    if facts.size > limit {
        return Err(LoadError::TooLarge {
            size: facts.size,
            limit,
        });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(facts.size).unwrap_or(0) + 1);
    // One byte more than allowed, so that a file that grows meanwhile is noticed.
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    match bytes.len() as u64 {
        size if size > limit => Err(LoadError::TooLarge { size, limit }),
        _ => Ok(bytes),
    }
}

/// Checks that these bytes begin as a component does (Component Model, Binary.md: layer 1),
/// and says what else they are.
pub(super) fn check_kind(bytes: &[u8]) -> Result<(), LoadError> {
    const MAGIC: &[u8] = b"\0asm";
    if let Some(rest) = bytes.strip_prefix(MAGIC) {
        return match rest.get(..4) {
            Some([_, _, 1, 0]) => Ok(()),
            Some([_, _, 0, 0]) => Err(LoadError::CoreModule),
            _ => Err(LoadError::Damaged("its header is incomplete".into())),
        };
    }
    let precompiled = Engine::detect_precompiled(bytes);
    if matches!(
        precompiled,
        Some(Precompiled::Component | Precompiled::Module)
    ) {
        return Err(LoadError::Compiled);
    }
    match bytes.trim_ascii_start().first() {
        None => Err(LoadError::NotWasm("it is empty".into())),
        Some(b'(' | b';') => Err(LoadError::Text),
        Some(_) => Err(LoadError::NotWasm("it does not begin with `\\0asm`".into())),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn only_a_regular_file_is_read() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let fifo = root.path().join("fifo");
        mkfifo(&fifo, Mode::S_IRWXU).expect("a FIFO");
        let socket = root.path().join("socket");
        let _listening = UnixListener::bind(&socket).expect("a socket");
        for (path, kind) in [
            (root.path(), FileKind::Directory),
            (&fifo, FileKind::Fifo),
            (&socket, FileKind::Socket),
            (Path::new("/dev/null"), FileKind::Device),
        ] {
            let error = read(path).expect_err("no file");
            let LoadError::NotAFile { found } = error else {
                panic!("{error}");
            };
            assert_eq!(found, kind);
        }
        let error = read(&root.path().join("none")).expect_err("no file");
        assert!(matches!(error, LoadError::Read { .. }), "{error}");
    }

    #[test]
    fn what_may_not_be_read_is_told_with_what_to_look_at() {
        let error = LoadError::Read {
            path: "/opt/the policy.wasm".into(),
            source: Errno::EACCES.into(),
        };
        let text = error.to_string();
        assert!(text.ends_with("namei -l '/opt/the policy.wasm'"), "{text}");
    }

    #[test]
    fn a_link_to_a_file_is_followed() {
        let root = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(root.path().join("file"), "bytes").expect("write");
        symlink("file", root.path().join("link")).expect("a link");
        let read = read(&root.path().join("link")).expect("it is read");
        assert_eq!(read, b"bytes");
    }

    #[test]
    fn the_size_is_bounded() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let path = root.path().join("file");
        std::fs::write(&path, "12345").expect("write");
        assert!(read_up_to(&path, 5).is_ok());
        let error = read_up_to(&path, 4).expect_err("too large");
        assert!(
            matches!(
                error,
                LoadError::TooLarge {
                    size: 5,
                    limit: 4,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn what_else_it_is_is_told() {
        assert!(check_kind(b"\0asm\x0d\0\x01\0").is_ok());
        let told = |bytes: &[u8]| check_kind(bytes).expect_err("no component");
        assert!(matches!(told(b"\0asm\x01\0\0\0"), LoadError::CoreModule));
        assert!(matches!(told(b"\0asm\x01"), LoadError::Damaged(_)));
        assert!(matches!(told(b" \n(component)"), LoadError::Text));
        assert!(matches!(told(b""), LoadError::NotWasm(_)));
        assert!(matches!(told(b"\x7fELF and more"), LoadError::NotWasm(_)));
    }
}
