//! Commands that a person is told to type: whole, and quoted for a shell.
//!
//! Every hint, error and report that names a command builds it here, so that pasting it does
//! what the text says, on the pool that the text is about.

use std::borrow::Cow;
use std::fmt::Write;
use std::path::Path;

use nix::unistd::geteuid;

/// A word as a POSIX shell takes it for one argument.
pub fn quoted(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%=".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

/// A path as a POSIX shell takes it for one argument. Bytes that are no UTF-8 are replaced.
pub fn quoted_path(path: &Path) -> String {
    quoted(&path.to_string_lossy()).into_owned()
}

/// A command of this program on the pool in this directory, with the verb and its options in
/// `words`. The directory is named whatever the environment says, because the command may be
/// typed elsewhere than where it was told.
pub fn on_pool(pool: &Path, words: &[&str]) -> String {
    let pool = std::path::absolute(pool).unwrap_or_else(|_| pool.to_owned());
    let mut command = format!("poolwarden --state-dir {}", quoted_path(&pool));
    for word in words {
        // Writing to a string never fails.
        let _ = write!(command, " {}", quoted(word));
    }
    command
}

/// The same about one session, whose id comes last and is never taken for an option.
pub fn on_session(pool: &Path, words: &[&str], sid: &str) -> String {
    let mut words = words.to_vec();
    if sid.starts_with('-') {
        words.push("--");
    }
    words.push(sid);
    on_pool(pool, &words)
}

/// The command that gives a running process an entry in the pool in this directory.
pub fn register(pool: &Path, sid: &str, pid: u32, sock: &str) -> String {
    // In one word each: a value can begin with a dash.
    let (sid, pid) = (format!("--sid={sid}"), format!("--pid={pid}"));
    let sock = format!("--sock={sock}");
    let words = ["register", &sid, &pid, &sock];
    let given = if sock == "--sock=" { 3 } else { 4 };
    on_pool(pool, &words[..given])
}

/// A command that takes root's rights, for whoever has to type it: with `sudo` unless this
/// program has them.
pub fn as_root(command: &str) -> String {
    if geteuid().is_root() {
        command.to_owned()
    } else {
        format!("sudo {command}")
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_takes_every_quoted_word_for_one_argument() {
        for word in [
            "search-1",
            "a b",
            "a; reboot",
            "it's",
            "",
            "-v",
            "$HOME",
            "`id`",
            "a\nb",
            "\\",
            "~",
            "*",
            "#",
            "é",
        ] {
            let script = format!("printf %s {}", quoted(word));
            let ran = Command::new("sh").args(["-c", &script]).output();
            assert_eq!(ran.expect("sh").stdout, word.as_bytes(), "{script}");
        }
        assert_eq!(quoted("/srv/pool-1"), "/srv/pool-1");
    }

    #[test]
    fn a_command_names_its_pool_and_its_session() {
        let pool = Path::new("/srv/my pool");
        assert_eq!(
            on_pool(pool, &["doctor", "--fix"]),
            "poolwarden --state-dir '/srv/my pool' doctor --fix"
        );
        assert_eq!(
            on_session(pool, &["forget", "--even-if-alive"], "-v"),
            "poolwarden --state-dir '/srv/my pool' forget --even-if-alive -- -v"
        );
        assert_eq!(
            on_session(Path::new("/p"), &["stop"], "a b"),
            "poolwarden --state-dir /p stop 'a b'"
        );
        assert_eq!(
            register(Path::new("/p"), "-a", 7, ""),
            "poolwarden --state-dir /p register --sid=-a --pid=7"
        );
        assert_eq!(
            register(Path::new("/p"), "a", 7, "/p/a b.sock"),
            "poolwarden --state-dir /p register --sid=a --pid=7 '--sock=/p/a b.sock'"
        );
    }

    #[test]
    fn a_relative_pool_is_named_by_its_whole_path() {
        let command = on_pool(Path::new("pool"), &["status"]);
        let (_, path) = command.split_once("--state-dir ").expect("the option");
        assert!(path.starts_with('/') && path.ends_with("/pool status"));
    }
}
