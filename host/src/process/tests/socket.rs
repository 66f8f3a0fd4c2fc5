//! The proof by the socket, and the dead whose socket still answers.

use nix::errno::Errno;

use super::support::*;
use crate::process::fake::FakeKernel;
use crate::process::kernel::FileKind;
use crate::process::{Claim, Inquiry, Processes, Proof, Question, Record, Standing, Strength};

fn sock_from(created_at: &str) -> Claim {
    Claim {
        created_at: created_at.into(),
        ..claim_with_sock()
    }
}

const EARLIER: &str = "2026-11-23T10:30:00Z";

#[test]
fn who_holds_the_socket_is_alive_whenever_it_started() {
    let fake = machine();
    fake.listen(PID, SOCK);
    fake.socket(SOCK, FileKind::Socket, Ok(()));
    for created_at in [
        "2026-11-23T11:00:00Z",
        EARLIER,
        "2020-01-01T00:00:00Z",
        "soon",
    ] {
        for strength in [Strength::Any, Strength::Strong] {
            let inspection = inspect(&fake, &sock_from(created_at), None, strength);
            assert_finding(&inspection.finding, Standing::Alive, "socket");
            assert_eq!(
                inspection.learned.as_deref(),
                Some(&Record {
                    proof: Proof::Socket,
                    ..record()
                })
            );
        }
    }
}

#[test]
fn who_holds_the_socket_is_not_asked_to_answer() {
    for refused in [Errno::EACCES, Errno::ECONNREFUSED, Errno::EMFILE] {
        let fake = machine();
        fake.listen(PID, SOCK);
        fake.socket(SOCK, FileKind::Socket, Err(refused));
        assert_finding(&find(&fake, &claim_with_sock()), Standing::Alive, "socket");
    }
}

#[test]
fn another_spelling_of_the_path_is_the_same_socket() {
    let fake = machine();
    fake.listen(PID, "/var/run/pool/w.sock");
    fake.canonical_is("/var/run/pool", "/run/pool");
    fake.socket(SOCK, FileKind::Socket, Ok(()));
    assert_finding(&find(&fake, &claim_with_sock()), Standing::Alive, "socket");

    fake.listen(PID, "/other/pool/w.sock");
    assert_finding(
        &find(&fake, &claim_with_sock()),
        Standing::Foreign,
        "another process",
    );
}

#[test]
fn a_table_that_was_read_for_another_worker_is_read_again_before_it_says_no() {
    let fake = machine();
    fake.run(5000, START, 1);
    let other = Claim {
        pid: 5000,
        sock: "/run/pool/x.sock".into(),
        ..claim()
    };
    for (pid, sock) in [(PID, SOCK), (5000, "/run/pool/x.sock")] {
        fake.listen(pid, sock);
        fake.socket(sock, FileKind::Socket, Ok(()));
    }
    // Both are in one network namespace, and the first one's table is the older.
    let claims = [claim_with_sock(), other];
    let questions = claims.each_ref().map(|claim| Question {
        claim,
        record: None,
    });
    for inspection in processes(&fake)
        .inspect(&questions, &Inquiry::new(Strength::Any))
        .expect("nobody gives up")
    {
        assert_finding(&inspection.finding, Standing::Alive, "socket");
    }
}

#[test]
fn the_other_threads_count_when_the_first_has_ended() {
    for files in [Ok(()), Err(Errno::EACCES)] {
        let fake = machine();
        fake.listen(PID, SOCK);
        fake.socket(SOCK, FileKind::Socket, Ok(()));
        let table = "heading\n0: 2 0 00010000 0001 01 31 /run/pool/w.sock\n";
        fake.deny("/proc/4711/net/unix", Errno::EINVAL);
        match files {
            Ok(()) => fake.directory("/proc/4711/fd", &[]),
            Err(error) => fake.deny("/proc/4711/fd", error),
        }
        assert_finding(
            &find(&fake, &claim_with_sock()),
            Standing::Unproven,
            "cannot be told",
        );

        fake.directory("/proc/4711/task", &["4711", "4712"]);
        fake.file("/proc/4711/task/4712/net/unix", table);
        fake.directory("/proc/4711/task/4712/fd", &["3"]);
        fake.link("/proc/4711/task/4712/fd/3", "socket:[31]");
        assert_finding(&find(&fake, &claim_with_sock()), Standing::Alive, "socket");
    }
}

#[test]
fn a_socket_that_somebody_else_serves_is_foreign() {
    for answer in [Ok(()), Err(Errno::EAGAIN), Err(Errno::EPROTOTYPE)] {
        for created_at in ["2026-11-23T11:00:00Z", EARLIER, "soon"] {
            let fake = machine();
            fake.socket(SOCK, FileKind::Socket, answer);
            let finding = find(&fake, &sock_from(created_at));
            assert_finding(&finding, Standing::Foreign, "pid 4711 does not hold it");
        }
    }
}

#[test]
fn a_socket_listed_but_not_among_its_files_is_not_held() {
    let fake = machine();
    fake.listen(PID, SOCK);
    fake.socket(SOCK, FileKind::Socket, Ok(()));
    fake.link("/proc/4711/fd/3", "socket:[32]");
    assert_finding(
        &find(&fake, &claim_with_sock()),
        Standing::Foreign,
        "does not hold it",
    );
}

#[test]
fn an_unanswered_socket_is_reused_by_who_started_later_and_else_unproven() {
    for refused in [Errno::ECONNREFUSED, Errno::ENOENT] {
        let fake = machine();
        fake.socket(SOCK, FileKind::Socket, Err(refused));
        let find = |created_at| find(&fake, &sock_from(created_at));
        let why = "does not hold the socket /run/pool/w.sock and nobody answers there";
        assert_finding(&find(EARLIER), Standing::Reused, why);
        assert_finding(
            &find(EARLIER),
            Standing::Reused,
            "a clock that was not stepped",
        );
        assert_finding(&find("2026-11-23T11:00:00Z"), Standing::Unproven, why);
        assert_finding(&find("2026-11-23T10:59:57Z"), Standing::Unproven, why);
        assert_finding(&find("2026-11-23T13:00:00Z"), Standing::Unproven, why);
        assert_finding(&find("soon"), Standing::Unproven, why);
        let strong = inspect(&fake, &sock_from(EARLIER), None, Strength::Strong).finding;
        assert_finding(&strong, Standing::Unproven, "proof = strong");
    }
}

#[test]
fn hidden_files_leave_it_open_who_serves() {
    for path in ["/proc/4711/fd", "/proc/4711/fd/3", "/proc/4711/net/unix"] {
        let fake = machine();
        fake.listen(PID, SOCK);
        fake.socket(SOCK, FileKind::Socket, Ok(()));
        fake.deny(path, Errno::EACCES);
        for created_at in ["2026-11-23T11:00:00Z", EARLIER] {
            let finding = find(&fake, &sock_from(created_at));
            assert_finding(&finding, Standing::Unproven, "cannot be told");
        }
        // Now it is left behind: no table lists it.
        fake.socket(SOCK, FileKind::Socket, Err(Errno::ECONNREFUSED));
        if path != "/proc/4711/net/unix" {
            fake.file("/proc/4711/net/unix", "heading\n");
        }
        assert_finding(
            &find(&fake, &sock_from(EARLIER)),
            Standing::Reused,
            "nobody answers",
        );
    }
}

/// A table that lists a socket which is bound and does not listen.
const BOUND: &str = "heading\n0: 00000002 00000000 00000000 0001 01 31 /run/pool/w.sock\n";

/// Whoever bound it may listen the next moment.
#[test]
fn a_socket_that_is_bound_and_does_not_listen_yet_is_not_unanswered() {
    for table in ["/proc/4711/net/unix", "/proc/self/net/unix"] {
        for created_at in ["2026-11-23T11:00:00Z", EARLIER, "soon"] {
            let fake = machine();
            fake.socket(SOCK, FileKind::Socket, Err(Errno::ECONNREFUSED));
            fake.link("/proc/4711/ns/net", "net:[2]");
            fake.file(table, BOUND);
            let finding = find(&fake, &sock_from(created_at));
            assert_finding(&finding, Standing::Unproven, "does not listen yet");
        }
    }
}

#[test]
fn the_dead_whose_socket_is_bound_are_foreign() {
    for (fake, record, _) in dead() {
        fake.socket(SOCK, FileKind::Socket, Err(Errno::ECONNREFUSED));
        fake.file("/proc/self/net/unix", BOUND);
        let finding = inspect(&fake, &claim_with_sock(), record.as_ref(), Strength::Any).finding;
        assert_finding(&finding, Standing::Foreign, "is bound by another process");
    }
}

#[test]
fn the_dead_whose_sockets_cannot_be_listed_are_unknown() {
    for (fake, record, _) in dead() {
        fake.socket(SOCK, FileKind::Socket, Err(Errno::ECONNREFUSED));
        fake.deny("/proc/self/net/unix", Errno::EACCES);
        let finding = inspect(&fake, &claim_with_sock(), record.as_ref(), Strength::Any).finding;
        assert_finding(&finding, Standing::Unknown, "may still answer");
    }
}

/// As on a mount whose server is down: whoever looks there may never come back.
#[test]
fn a_socket_on_a_file_system_that_may_not_answer_is_not_looked_at() {
    for (fake, record, _) in dead() {
        fake.block("/run/pool", Errno::EREMOTE);
        let finding = inspect(&fake, &claim_with_sock(), record.as_ref(), Strength::Any).finding;
        assert_finding(&finding, Standing::Unknown, "may still answer");
    }
    let fake = machine();
    fake.block("/run/pool", Errno::EREMOTE);
    assert_finding(
        &find(&fake, &claim_with_sock()),
        Standing::Unproven,
        "/run/pool/w.sock cannot be seen",
    );
}

#[test]
fn what_is_no_socket_leaves_it_to_time() {
    for kind in [FileKind::Symlink, FileKind::Other] {
        let fake = machine();
        fake.socket(SOCK, kind, Ok(()));
        assert_finding(&find(&fake, &claim_with_sock()), Standing::Alive, "time");
    }
    let fake = machine();
    for sock in [SOCK, "w.sock", "/run/\0", ""] {
        let claim = Claim {
            sock: sock.into(),
            ..claim()
        };
        assert_finding(&find(&fake, &claim), Standing::Alive, "time");
    }
}

#[test]
fn a_socket_that_cannot_be_asked_leaves_it_unproven() {
    let fake = machine();
    fake.socket(SOCK, FileKind::Socket, Err(Errno::EACCES));
    let finding = find(&fake, &sock_from(EARLIER));
    assert_finding(
        &finding,
        Standing::Unproven,
        "whether its socket /run/pool/w.sock answers",
    );
    fake.hide(SOCK, Errno::EACCES);
    let finding = find(&fake, &sock_from(EARLIER));
    assert_finding(
        &finding,
        Standing::Unproven,
        "/run/pool/w.sock cannot be seen",
    );
}

/// Machines on which the claim is dead, each in its own way.
fn dead() -> Vec<(std::sync::Arc<FakeKernel>, Option<Record>, Standing)> {
    let gone = machine();
    gone.reap(PID);
    let exited = machine();
    exited.end(PID);
    let mut other = record();
    other.identity.inode = Some(9);
    let mut earlier = record();
    earlier.identity.place.boot = "earlier".into();
    vec![
        (gone, None, Standing::Gone),
        (exited, None, Standing::Exited),
        (machine(), Some(other), Standing::Reused),
        (machine(), Some(earlier), Standing::Gone),
    ]
}

#[test]
fn the_dead_stay_dead_when_nobody_answers() {
    for (fake, record, standing) in dead() {
        let find = || inspect(&fake, &claim_with_sock(), record.as_ref(), Strength::Any).finding;
        assert_eq!(find().standing, standing);
        fake.socket(SOCK, FileKind::Socket, Err(Errno::ECONNREFUSED));
        assert_eq!(find().standing, standing);
        fake.socket(SOCK, FileKind::Other, Ok(()));
        assert_eq!(find().standing, standing);
        fake.hide(SOCK, Errno::ENOTDIR);
        assert_eq!(find().standing, standing);
    }
}

#[test]
fn the_dead_whose_socket_answers_are_foreign() {
    for kind in [FileKind::Socket, FileKind::Symlink] {
        for answer in [Ok(()), Err(Errno::EAGAIN), Err(Errno::EPROTOTYPE)] {
            for (fake, record, _) in dead() {
                fake.socket(SOCK, kind, answer);
                let claim = claim_with_sock();
                let finding = inspect(&fake, &claim, record.as_ref(), Strength::Any).finding;
                assert_finding(&finding, Standing::Foreign, "w.sock still answers");
            }
        }
    }
}

#[test]
fn the_dead_whose_socket_cannot_be_asked_are_unknown() {
    for error in [
        Errno::EACCES,
        Errno::EPERM,
        Errno::EMFILE,
        Errno::ENAMETOOLONG,
    ] {
        for (fake, record, _) in dead() {
            fake.socket(SOCK, FileKind::Socket, Err(error));
            let claim = claim_with_sock();
            let finding = inspect(&fake, &claim, record.as_ref(), Strength::Any).finding;
            assert_finding(&finding, Standing::Unknown, "may still answer");
        }
    }
    for (fake, record, _) in dead() {
        fake.hide(SOCK, Errno::EACCES);
        let finding = inspect(&fake, &claim_with_sock(), record.as_ref(), Strength::Any).finding;
        assert_finding(&finding, Standing::Unknown, "may still answer");
    }
}

/// Neither lstat(2) nor anybody else can name what is there.
#[test]
fn the_dead_whose_socket_no_call_can_name_stay_dead() {
    for (fake, record, standing) in dead() {
        fake.hide(SOCK, Errno::ENAMETOOLONG);
        let finding = inspect(&fake, &claim_with_sock(), record.as_ref(), Strength::Any).finding;
        assert_eq!(finding.standing, standing);
    }
    let fake = machine();
    fake.hide(SOCK, Errno::ENAMETOOLONG);
    assert_finding(&find(&fake, &claim_with_sock()), Standing::Alive, "time");
}

/// The table and the files of the process are read once, however many entries there are.
#[test]
fn sockets_that_others_serve_cost_the_same_for_each_entry() {
    let calls = |entries: usize| {
        let fake = machine();
        fake.directory("/proc/4711/fd", &["0", "3", "4", "5", "6", "7", "8"]);
        let socks = (0..entries).map(|index| format!("/run/pool/{index}.sock"));
        let claims: Vec<_> = socks
            .map(|sock| {
                fake.socket(&sock, FileKind::Socket, Ok(()));
                Claim { sock, ..claim() }
            })
            .collect();
        let lines = (0..entries).map(|index| {
            format!(
                "0: 00000002 00000000 00010000 0001 01 {} /run/pool/{index}.sock\n",
                100 + index
            )
        });
        let table: String = std::iter::once("heading\n".to_owned())
            .chain(lines)
            .collect();
        fake.file("/proc/4711/net/unix", &table);
        let questions = claims.iter().map(|claim| Question {
            claim,
            record: None,
        });
        let before = fake.all_calls();
        let inspections = processes(&fake)
            .inspect(&questions.collect::<Vec<_>>(), &Inquiry::new(Strength::Any))
            .expect("nobody gives up");
        for inspection in inspections {
            assert_finding(&inspection.finding, Standing::Foreign, "does not hold it");
        }
        assert_eq!(fake.reads("/proc/4711/net/unix"), 1);
        fake.all_calls() - before
    };
    let (few, many) = (calls(50), calls(200));
    assert!(many <= 5 * few, "{few} calls for 50 and {many} for 200");
}

#[test]
fn evidence_quotes_only_the_beginning_of_a_long_field() {
    let fake = machine();
    let long = format!("/{}", "x".repeat(1_000_000));
    fake.hide(&long, Errno::EACCES);
    let claim = Claim {
        sock: long.clone(),
        created_at: long,
        ..claim()
    };
    let alive = find(&fake, &claim);
    fake.reap(PID);
    for finding in [alive, find(&fake, &claim)] {
        let evidence = finding.evidence;
        assert!(evidence.contains("(1000001 bytes)"), "{evidence:.300}");
        assert!(evidence.len() < 1000, "{} bytes", evidence.len());
    }
}
