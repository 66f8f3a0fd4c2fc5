//! Compiled code: kept, found, and not trusted further than its directory.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use poolwarden::{CacheError, CodeCache, LoadError, PolicyLoader};
use tempfile::TempDir;

use crate::guest::{Guest, harmless};

/// A component, and a cache for its code.
struct Cached {
    root: TempDir,
}

impl Cached {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        fs::write(root.path().join("policy.wasm"), harmless()).expect("the policy");
        Self { root }
    }

    fn policy(&self) -> PathBuf {
        self.root.path().join("policy.wasm")
    }

    fn directory(&self) -> PathBuf {
        self.root.path().join("cache/policies")
    }

    fn cache(&self) -> CodeCache {
        CodeCache::at(self.directory())
    }

    /// Loads the policy with the cache.
    fn load(&self) {
        PolicyLoader::new()
            .cache(self.cache())
            .file(&self.policy())
            .expect("it loads");
    }

    /// Compiles ahead, and says whether there was anything to do.
    fn compile(&self) -> Result<bool, LoadError> {
        let compiled = PolicyLoader::new().compile(&self.policy(), &self.cache())?;
        Ok(compiled.fresh)
    }

    fn names(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.directory()) else {
            return Vec::new();
        };
        let name = |entry: std::io::Result<fs::DirEntry>| {
            let name = entry.expect("an entry").file_name();
            name.into_string().expect("a plain name")
        };
        let mut names: Vec<_> = entries.map(name).collect();
        names.sort();
        names
    }

    /// The one entry.
    fn entry(&self) -> PathBuf {
        let names = self.names();
        assert_eq!(names.len(), 1, "{names:?}");
        self.directory().join(&names[0])
    }

    /// The danger that compiling ahead runs into.
    fn danger(&self) -> String {
        match self.compile() {
            Err(LoadError::Cache(error @ CacheError::Unsafe { .. })) => error.to_string(),
            other => panic!("{other:?}"),
        }
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("metadata").mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
}

#[test]
fn code_is_kept_for_its_owner_alone() {
    let cached = Cached::new();
    cached.load();
    assert_eq!(mode(&cached.directory()), 0o700);
    assert_eq!(mode(&cached.entry()), 0o600);
    let inode = fs::metadata(cached.entry()).expect("metadata").ino();
    cached.load();
    assert!(!cached.compile().expect("it is there"));
    let after = fs::metadata(cached.entry()).expect("metadata").ino();
    assert_eq!(after, inode, "it was compiled again");
}

#[test]
fn code_is_compiled_ahead() {
    let cached = Cached::new();
    assert!(cached.compile().expect("it is compiled"));
    assert!(!cached.compile().expect("it is there"));
}

#[test]
fn what_is_no_policy_is_not_kept() {
    let cached = Cached::new();
    let other = crate::guest::component("package a:b; world w {}", "(module)");
    fs::write(cached.policy(), other).expect("the file");
    cached.compile().expect_err("it is no policy");
    assert_eq!(cached.names(), Vec::<String>::new());
}

#[test]
fn what_is_damaged_is_compiled_again() {
    type Damage = (&'static str, fn(&mut Vec<u8>));
    let damages: [Damage; 7] = [
        ("a bit", |code| code[1000] ^= 1),
        ("a bit in the middle", |code| {
            let middle = code.len() / 2;
            code[middle] ^= 0x80;
        }),
        ("the last byte", |code| {
            *code.last_mut().expect("a byte") ^= 1;
        }),
        ("cut off", |code| code.truncate(code.len() - 1)),
        ("nearly nothing left", |code| code.truncate(10)),
        ("empty", Vec::clear),
        ("grown", |code| code.push(0)),
    ];
    let cached = Cached::new();
    cached.load();
    let whole = fs::read(cached.entry()).expect("the entry");
    for (what, damage) in damages {
        let mut code = whole.clone();
        damage(&mut code);
        fs::write(cached.entry(), code).expect("write");
        assert!(cached.compile().expect("it is compiled"), "{what}");
        assert!(!cached.compile().expect("it is whole again"), "{what}");
        assert_eq!(
            fs::read(cached.entry()).expect("the entry").len(),
            whole.len()
        );
    }
}

#[test]
fn code_of_another_component_is_not_taken() {
    let cached = Cached::new();
    cached.load();
    let first = cached.entry();
    let of_first = fs::read(&first).expect("the entry");
    let other = Guest {
        imports: "",
        ensure: "(i32.const 1)",
    };
    fs::write(cached.policy(), other.build()).expect("another policy");
    cached.load();
    let names = cached.names();
    let second = names.iter().find(|name| !first.ends_with(name));
    let second = cached.directory().join(second.expect("another entry"));
    fs::write(&second, of_first).expect("write");
    assert!(cached.compile().expect("it is compiled"));
}

#[test]
fn code_of_another_engine_is_not_taken() {
    let cached = Cached::new();
    cached.load();
    let entry = cached.entry();
    // The engine's digest stands at the end, before length and checksum.
    let mut code = fs::read(&entry).expect("the entry");
    let at = code.len() - 20;
    code[at] = if code[at] == b'0' { b'1' } else { b'0' };
    fs::write(&entry, code).expect("write");
    assert!(cached.compile().expect("it is compiled"));
}

#[test]
fn a_directory_that_others_can_write_is_not_used() {
    let cached = Cached::new();
    cached.load();
    for mode in [0o770, 0o707, 0o777] {
        set_mode(&cached.directory(), mode);
        let told = cached.danger();
        assert!(told.contains("others can write it"), "{told}");
    }
    // The policy loads without it.
    let before = fs::metadata(cached.entry()).expect("metadata").ino();
    fs::write(cached.entry(), "poison").expect("write");
    cached.load();
    assert_eq!(fs::read(cached.entry()).expect("the entry"), b"poison");
    assert_eq!(
        fs::metadata(cached.entry()).expect("metadata").ino(),
        before
    );
}

#[test]
fn a_directory_of_somebody_else_is_not_used() {
    let cached = Cached::new();
    let somebody = cached.root.path().join("somebody");
    fs::create_dir(&somebody).expect("mkdir");
    // Root can give its directory away; anybody else finds one of root's.
    let directory = match chown(&somebody, Some(1), None) {
        Ok(()) => somebody.as_path(),
        Err(_) => Path::new("/"),
    };
    let compiled = PolicyLoader::new().compile(&cached.policy(), &CodeCache::at(directory));
    let error = match compiled {
        Err(LoadError::Cache(error @ CacheError::Unsafe { .. })) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(error.contains("belongs to user"), "{error}");
}

#[test]
fn a_directory_of_another_kind_is_not_used() {
    let cached = Cached::new();
    let elsewhere = cached.root.path().join("elsewhere");
    fs::create_dir(&elsewhere).expect("mkdir");
    fs::create_dir(cached.root.path().join("cache")).expect("mkdir");
    symlink(&elsewhere, cached.directory()).expect("a link");
    assert!(cached.danger().contains("a symbolic link"));
    cached.load();
    assert_eq!(fs::read_dir(&elsewhere).expect("the directory").count(), 0);

    fs::remove_file(cached.directory()).expect("remove");
    fs::write(cached.directory(), "").expect("write");
    assert!(cached.danger().contains("a regular file"));
    cached.load();
}

#[test]
fn an_entry_that_is_a_link_is_replaced_and_not_followed() {
    let cached = Cached::new();
    cached.load();
    let entry = cached.entry();
    let aside = cached.root.path().join("aside");
    fs::rename(&entry, &aside).expect("rename");
    let code = fs::read(&aside).expect("the code");
    symlink(&aside, &entry).expect("a link");
    assert!(cached.compile().expect("it is compiled"));
    assert!(fs::symlink_metadata(&entry).expect("metadata").is_file());
    assert_eq!(
        fs::read(&aside).expect("the file"),
        code,
        "it was written through"
    );
}

#[test]
fn an_entry_that_others_can_write_is_replaced() {
    let cached = Cached::new();
    cached.load();
    set_mode(&cached.directory(), 0o711);
    set_mode(&cached.entry(), 0o666);
    assert!(cached.compile().expect("it is compiled"));
    assert_eq!(mode(&cached.entry()), 0o600);
}

/// Sets when an entry was last used.
fn used(path: &Path, at: SystemTime) {
    let file = File::options().append(true).open(path).expect("the entry");
    file.set_modified(at).expect("its time");
}

const DAY: Duration = Duration::from_secs(24 * 3600);

#[test]
fn the_cache_does_not_grow_without_end() {
    let cached = Cached::new();
    cached.load();
    let name = cached.names().remove(0);
    let engine = &name[64..];
    let directory = cached.directory();
    let ago = |days: u32| SystemTime::now() - DAY * days;
    let entry = |name: &str, at| {
        fs::write(directory.join(name), "code").expect("write");
        used(&directory.join(name), at);
    };
    // Of this engine, from long ago to today.
    for number in 0..20_u32 {
        entry(&format!("{number:064x}{engine}"), ago(100 - number));
    }
    let other = |number: u32| format!("{number:064x}-0123456789abcdef.cwasm");
    entry(&other(1), ago(8));
    entry(&other(2), ago(6));
    entry("somebody's file", ago(1000));
    entry("0000000000000001.new", ago(1));
    entry("0000000000000002.new", SystemTime::now());

    fs::remove_file(directory.join(&name)).expect("remove");
    assert!(cached.compile().expect("it is compiled"));
    let names = cached.names();
    assert!(names.contains(&name));
    assert!(!names.contains(&other(1)), "an old engine's entry stayed");
    assert!(names.contains(&other(2)), "another engine may be in use");
    assert!(names.contains(&"somebody's file".into()));
    assert!(!names.contains(&"0000000000000001.new".into()));
    assert!(names.contains(&"0000000000000002.new".into()));
    let entries: Vec<_> = names
        .iter()
        .filter(|name| name.ends_with(".cwasm"))
        .collect();
    assert_eq!(entries.len(), 16, "{entries:?}");
    assert!(
        names.contains(&format!("{:064x}{engine}", 19)),
        "the last used stays"
    );
    assert!(
        !names.contains(&format!("{:064x}{engine}", 0)),
        "the first used goes"
    );
}

#[test]
fn a_use_is_noted() {
    let cached = Cached::new();
    cached.load();
    let long_ago = SystemTime::now() - DAY * 100;
    used(&cached.entry(), long_ago);
    cached.load();
    let metadata = fs::metadata(cached.entry()).expect("metadata");
    assert!(metadata.modified().expect("a time") > long_ago + DAY);
}
