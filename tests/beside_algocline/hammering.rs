//! Both programs on one registry at once, as fast as they can.

use std::thread;

use serde_json::json;

use crate::algocline::Algocline;
use crate::harness::Worker;

/// How many threads register and forget, and how often each.
const THREADS: usize = 4;
const PAIRS: usize = 25;

#[test]
fn nothing_is_lost_and_nobody_complains() {
    let workers: Vec<_> = (0..THREADS).map(|_| Worker::obedient()).collect();
    let mut peer = Algocline::start();
    let mut stays = vec![peer.start_worker()];
    for (i, worker) in workers.iter().enumerate() {
        let sid = format!("stays-{i}");
        peer.pool.ask(&[
            "register",
            "--sid",
            &sid,
            "--pid",
            &worker.pid().to_string(),
        ]);
        stays.push(sid);
    }

    let Algocline { pool, mcp } = &mut peer;
    let pool = &*pool;
    let (mut rounds, mut started) = (0, Vec::new());
    thread::scope(|scope| {
        let hammers: Vec<_> = workers
            .iter()
            .enumerate()
            .map(|(i, worker)| {
                let pid = worker.pid().to_string();
                scope.spawn(move || {
                    for pair in 0..PAIRS {
                        let sid = format!("t{i}-{pair}");
                        pool.ask(&["register", "--sid", &sid, "--pid", &pid]);
                        // Lost in between, it could not be forgotten.
                        pool.ask(&["forget", &sid, "--even-if-alive"]);
                    }
                })
            })
            .collect();
        while hammers.iter().any(|hammer| !hammer.is_finished()) || rounds == 0 {
            let answer = mcp.answer("alc_pool_ensure", json!({}));
            for sid in stays.iter().chain(&started) {
                let sessions = answer["sessions"].as_array().expect("sessions");
                assert!(
                    sessions.iter().any(|one| one["sid"] == sid.as_str()),
                    "{sid}: {answer}"
                );
            }
            mcp.answer("alc_pool_status", json!({}));
            if rounds % 50 == 0 && started.len() < 4 {
                started.push(Algocline::start_worker_of(mcp));
            }
            rounds += 1;
        }
    });

    stays.extend(started);
    stays.sort();
    let mut left = peer.pool.sids();
    left.sort();
    assert_eq!(left, stays);
    let answer = peer.pool.ask(&["ensure"]);
    assert_eq!(
        answer["removed"],
        json!([]),
        "after {rounds} rounds of algocline"
    );
    assert_eq!(
        answer["sessions"].as_array().map(Vec::len),
        Some(stays.len())
    );
}
