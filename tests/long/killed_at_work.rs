//! Programs and servers on one pool, each of them killed at any moment while the others
//! go on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use serde_json::Value;

use crate::algocline::Algocline;
use crate::alone::{alone, say};
use crate::chance::Chance;
use crate::echo::Echo;
use crate::harness::TestPool;
use crate::lifeline::Lifeline;
use crate::listing::listed;
use crate::orphans::{adopt, children, orphans};
use crate::pace::Pace;
use crate::peer::{Peer, algocline, is_algocline};
use crate::roll::{Entries, Roll};
use crate::sizes;
use crate::striker::Striker;
use crate::tally::Tally;
use crate::writer::{Place, Writer};

/// How many run programs, and how many have a server.
const PROGRAMS: usize = 5;
const SERVERS: usize = 3;

/// After so many kills everybody pauses, and everything is looked at.
const ROUND: usize = 500;

#[test]
fn loses_nothing_breaks_nothing_and_blocks_nobody() {
    let _alone = alone();
    adopt();
    let (strikes, seed) = (sizes::strikes(), sizes::seed());
    let (mut algocline, own) = (algocline(), TestPool::new());
    let (pool, mut peer) = match &mut algocline {
        Some(Algocline { pool, mcp }) => (&*pool, Some(Peer::new(mcp))),
        None => (&own, None),
    };
    say(&format!("{strikes} kills at work: seed {seed}"));
    let place = Place {
        lifeline: Lifeline::new(pool),
        pool,
        striker: Striker::default(),
        roll: Roll::default(),
        pace: Pace::default(),
        tally: Tally::default(),
        removed: Mutex::default(),
    };
    let bystander = Echo::obedient();
    let pid = bystander.pid().to_string();
    place
        .pool
        .ask(&["register", "--sid", "bystander", "--pid", &pid]);
    place.roll.add("bystander", bystander.pid());
    let mut writers: Vec<_> = (0..PROGRAMS + SERVERS)
        .map(|i| {
            let chance = Chance::new(seed.wrapping_add(i as u64));
            Writer::new(&place, format!("w{i}"), chance)
        })
        .collect();

    let (begun, mut seen, mut goal) = (Instant::now(), 0, 0);
    while goal < strikes {
        goal = strikes.min(goal + ROUND);
        seen += work(&place, &mut writers, peer.as_mut(), goal);
        let mut known = vec![bystander.pid()];
        known.extend(writers.iter().flat_map(Writer::children));
        // Its workers are no children of its own.
        known.extend(children().into_iter().filter(|&pid| is_algocline(pid)));
        look_at_everything(&place, &known);
    }
    let took = begun.elapsed();
    let killed = place.striker.killed();
    for line in place.tally.lines() {
        say(&line);
    }
    say(&format!("  killed: {}", place.striker.line()));
    say(&format!(
        "  {killed} kills in {took:.1?}, {:.0} a second; the registry was read {seen} times; \
         {} acknowledged removals; {}",
        killed as f64 / took.as_secs_f64(),
        place.removed.lock().expect("no writer has failed").len(),
        peer.map_or("there was no algocline".into(), |peer| peer.line())
    ));
    assert!(seen > killed / 4, "next to nothing was written");
}

/// Works until so many were killed in all; how often the registry was read meanwhile.
fn work(
    place: &Place<'_>,
    writers: &mut [Writer<'_>],
    peer: Option<&mut Peer<'_>>,
    goal: usize,
) -> usize {
    let over = AtomicBool::new(false);
    let is_over = || over.load(Ordering::SeqCst);
    let goes_on = || place.striker.killed() < goal && !is_over();
    thread::scope(|scope| {
        let _over = SetOnPanic(&over);
        scope.spawn(|| place.striker.strike_at_sights(place.pool, is_over));
        let reader = scope.spawn(|| {
            let _over = SetOnPanic(&over);
            place.roll.keep_reading(place.pool, is_over)
        });
        thread::scope(|scope| {
            for (i, writer) in writers.iter_mut().enumerate() {
                let over = SetOnPanic(&over);
                scope.spawn(move || {
                    let _over = over;
                    while goes_on() {
                        if i < PROGRAMS {
                            writer.run_a_program();
                        } else {
                            writer.use_a_server();
                        }
                    }
                });
            }
            if let Some(peer) = peer {
                while goes_on() {
                    peer.act(place);
                }
            }
        });
        over.store(true, Ordering::SeqCst);
        reader
            .join()
            .expect("the registry was whole whenever it was read")
    })
}

/// Ends everybody's work when somebody fails.
struct SetOnPanic<'a>(&'a AtomicBool);

impl Drop for SetOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::SeqCst);
        }
    }
}

/// Checks everything that has to hold while nobody is at work. The children that we know
/// of are these.
#[track_caller]
fn look_at_everything(place: &Place<'_>, known: &[u32]) {
    let pool = place.pool;
    assert!(pool.lock_is_free());
    // A worker that was made by a program that was killed runs only if it is registered.
    for orphan in orphans(known) {
        assert!(
            !orphan.becomes("cat"),
            "process {} is nobody's",
            orphan.pid()
        );
    }

    // Two requests that write: whatever the killed have left behind is gone then.
    let pid = std::process::id().to_string();
    pool.ask(&["register", "--sid", "last", "--pid", &pid]);
    pool.ask(&["forget", "last", "--even-if-alive"]);
    let names = fs::read_dir(pool.directory()).expect("the pool's directory");
    let names = names.map(|entry| entry.expect("an entry").file_name());
    let names: Vec<_> = names.filter_map(|name| name.into_string().ok()).collect();
    assert!(
        !names.iter().any(|name| name.ends_with(".new")),
        "{names:?}"
    );

    let answer = pool.ask(&["ensure"]);
    let sessions: Entries = listed(&answer).into_iter().collect();
    assert_eq!(sessions, place.roll.now(), "{answer}");
    assert_eq!(pool.ask(&["ensure"])["removed"], serde_json::json!([]));

    let ledger = fs::read(pool.directory().join("ledger.json")).expect("the ledger");
    let ledger: Value = serde_json::from_slice(&ledger).expect("the ledger is JSON");
    let rows = ledger["rows"].as_array().expect("rows").iter();
    let proofs: BTreeMap<_, _> = rows
        .map(|row| (text(&row["sid"]), text(&row["proof"])))
        .collect();
    for (sid, &pid) in &sessions {
        // Had its row ever been lost, there would be a weaker proof.
        let proof = ["registered", "socket"][usize::from(is_algocline(pid))];
        assert_eq!(proofs.get(&**sid), Some(&proof), "{sid}: {proofs:?}");
    }

    let ran = pool.run(&["log"]);
    assert_eq!((ran.code, &*ran.stderr), (0, ""));
    let recorded: BTreeSet<_> = ran.stdout.lines().filter_map(removed).collect();
    let removed = place.removed.lock().expect("no writer has failed");
    let missing = removed.iter().find(|sid| !recorded.contains(*sid));
    assert_eq!(missing, None, "of {} removals", removed.len());
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// The session whose entry was removed, as a line of the log says. Who removed it may have
/// been killed before it could record that it was done.
fn removed(line: &str) -> Option<String> {
    let action: Value = serde_json::from_str(line).expect("a line of JSON");
    let results = ["removed", "sent", "ended", "unknown"];
    assert!(results.contains(&text(&action["result"])), "{action}");
    (action["event"] == "removal").then(|| text(&action["sid"]).to_owned())
}
