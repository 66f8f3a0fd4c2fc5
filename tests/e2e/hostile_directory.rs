//! Whatever stands at a name that this program opens: nothing is followed, nothing hangs,
//! nothing beyond the pool is touched, and no living worker is lost.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use poolwarden::audit::History;
use poolwarden::config::Config;
use poolwarden::recording::RecordingFile;
use poolwarden::store::{Log, PoolDir};
use poolwarden::{
    Cancel, CodeCache, Policy, PolicyLoader, Pool, PoolBuilder, Register, Request, Stop,
};

use crate::harness::{Entry, Impostor, NO_PROCESS, PATIENCE, TestPool, Victim, Worker};

/// Every name in a pool that something is opened at, written to, or removed from. The last
/// two are where the operator may put a recording and the compiled policies.
const NAMES: [&str; 15] = [
    "registry.json",
    "registry.json.new",
    "registry.lock",
    "ledger.json",
    "ledger.json.new",
    "audit.jsonl",
    "audit.jsonl.1",
    "audit.jsonl.8",
    "poolwarden.toml",
    "logs",
    "logs/w.log",
    "dead.sock",
    "stale-socket.removing",
    "recordings",
    "cache",
];

/// A component that any cache can keep.
const COMPONENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/guests/hostile.wasm");

/// Does everything that there is to do in a pool, whatever comes of each.
fn do_everything(directory: &Path, policy: &Arc<Policy>, new: u32) {
    let pool: Pool = PoolBuilder::new(directory).build(policy.clone());
    let cancel = Cancel::new().expect("eventfd");
    let stop = |sid: &str| {
        Request::Stop(Stop {
            sid: Some(sid.into()),
            grace: Duration::ZERO,
            ..Stop::default()
        })
    };
    for request in [
        Request::Status { sid: None },
        stop("dead"),
        Request::Register(Register {
            sid: "new".into(),
            pid: new,
            sock: String::new(),
            version: String::new(),
        }),
        Request::Ensure { dry_run: false },
        Request::Forget {
            sid: "new".into(),
            even_if_alive: true,
            pid: None,
        },
    ] {
        let _ = pool.call(request, &cancel);
    }
    let _ = pool.wait("nobody", Some(Duration::ZERO), &cancel);
    let _ = History::read(directory);
    let _ = Config::of_pool(directory, None);
    let _ = RecordingFile::open(directory.join("recordings"));
    let _ = PoolDir::open(directory).map(|pool| Log::of_session(&pool, "w").map(drop));
}

/// Compiles a policy that is to be kept in the pool, which takes a moment.
fn fill_cache(directory: &Path) {
    let cache = CodeCache::at(directory.join("cache"));
    let _ = PolicyLoader::new().cache(cache).file(Path::new(COMPONENT));
}

/// Does everything on a thread of its own, and fails when that does not come to an end.
#[track_caller]
fn within_patience(what: &str, run: impl FnOnce() + Send + 'static) {
    let (done, wait) = mpsc::channel();
    thread::spawn(move || {
        run();
        done.send(()).expect("the test waits");
    });
    let ended = wait.recv_timeout(PATIENCE);
    assert!(ended.is_ok(), "{what}: it panicked, or never ended");
}

#[test]
fn nothing_at_any_name_is_followed_or_waited_for() {
    let (live, new) = (Worker::obedient(), Worker::obedient());
    let policy = Arc::new(Policy::shipped().expect("the shipped policy loads"));
    let new = new.pid();
    for name in NAMES {
        for impostor in Impostor::ALL {
            let what = format!("{impostor:?} at {name}");
            let pool = TestPool::new();
            let victim = Victim::new(pool.root());
            let at = pool.directory().join(name);
            let sock = pool.directory().join("dead.sock");
            let entry = live.entry("live");
            if name != "registry.json" {
                let dead = Entry::new("dead", NO_PROCESS).sock(&sock);
                pool.seed(&[entry.clone(), dead]);
            }
            if !at.starts_with(&sock) {
                drop(UnixListener::bind(&sock).expect("a socket that was left behind"));
            }
            if name == "logs/w.log" {
                fs::create_dir(pool.directory().join("logs")).expect("mkdir");
            }
            impostor.put(&at, &victim);

            let (directory, policy) = (pool.directory().to_owned(), policy.clone());
            within_patience(&what, move || {
                do_everything(&directory, &policy, new);
                if name == "cache" {
                    fill_cache(&directory);
                }
            });
            victim.assert_untouched(&what);
            if name == "registry.json" {
                assert!(impostor.is_at(&at), "{what}");
            } else {
                let text = String::from_utf8(pool.bytes()).expect("UTF-8");
                assert!(text.contains(&entry.text()), "{what}: {text}");
            }
            // What is in a directory is nobody's to remove.
            if impostor == Impostor::Directory {
                assert!(impostor.is_at(&at), "{what}");
            }
        }
    }
    assert!(live.is_running());
}

/// The same at the pool's own name, and at a parent's: there a link may be.
#[test]
fn nothing_in_place_of_the_pool_is_followed() {
    let policy = Arc::new(Policy::shipped().expect("the shipped policy loads"));
    for impostor in Impostor::ALL {
        let pool = TestPool::absent();
        let victim = Victim::new(pool.root());
        impostor.put(pool.directory(), &victim);
        let (directory, policy) = (pool.directory().to_owned(), policy.clone());
        within_patience(&format!("{impostor:?}"), move || {
            do_everything(&directory, &policy, 1);
        });
        victim.assert_untouched(&format!("{impostor:?}"));
        assert!(impostor.is_at(pool.directory()), "{impostor:?}");
    }
}

/// A name under which others may reach the trail, or that is another file's, is put aside.
#[test]
fn a_trail_with_another_name_is_put_aside() {
    let pool = TestPool::with(&[Entry::new("dead", NO_PROCESS)]);
    let victim = Victim::new(pool.root());
    let trail = pool.directory().join("audit.jsonl");
    Impostor::HardLink.put(&trail, &victim);
    let ran = pool.run(&["ensure"]);
    assert_eq!(ran.answer(0)["removed"][0]["sid"], "dead");
    for part in ["audit.jsonl is put aside", "it has 2 names"] {
        assert!(ran.stderr.contains(part), "{ran:#?}");
    }
    victim.assert_untouched("the trail");
    let aside = pool.directory().join("audit.jsonl.1");
    assert!(Impostor::HardLink.is_at(&aside));
    let begun = fs::read_to_string(&trail).expect("a new trail");
    assert_eq!(begun.lines().count(), 2, "{begun}");
    assert_eq!(pool.run(&["log"]).stdout.lines().count(), 1);
}

#[test]
fn a_trail_that_no_name_is_left_for_is_refused() {
    let pool = TestPool::with(&[Entry::new("dead", NO_PROCESS)]);
    let bytes = pool.bytes();
    let victim = Victim::new(pool.root());
    for number in 0..=8 {
        let name = match number {
            0 => "audit.jsonl".to_owned(),
            number => format!("audit.jsonl.{number}"),
        };
        Impostor::HardLink.put(&pool.directory().join(name), &victim);
    }
    let ran = pool.run(&["ensure"]);
    for part in [
        "the registry was not changed, because it could not be recorded first",
        "audit.jsonl is not safe to use: it has 10 names (hard links)",
        "move it away: mv ",
    ] {
        assert!(ran.stderr.contains(part), "wanted {part:?}: {ran:#?}");
    }
    assert_eq!(ran.code, 1);
    assert_eq!(pool.bytes(), bytes);
    victim.assert_untouched("the trail");
}
