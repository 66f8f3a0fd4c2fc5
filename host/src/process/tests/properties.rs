//! What holds whatever the facts are.

use nix::errno::Errno;
use proptest::prelude::*;
use proptest::sample::select;

use super::support::*;
use crate::process::fake::{Call, FakeKernel};
use crate::process::kernel::FileKind;
use crate::process::{Claim, Proof, Record, Standing, Strength};

fn records() -> impl Strategy<Value = Option<Record>> {
    let machine = select(vec![
        FakeKernel::place().machine,
        String::new(),
        "f".repeat(32),
    ]);
    let boot = select(vec!["this-boot", "other"]);
    let namespace = select(vec![FakeKernel::place().pid_namespace, 7]);
    let inode = select(vec![None, Some(1000 + u64::from(PID)), Some(9)]);
    let ticks = select(vec![START, START - 100]);
    let proof = select(vec![
        Proof::Registered,
        Proof::Socket,
        Proof::Time,
        Proof::Adopted,
    ]);
    let row = (machine, boot, namespace, inode, ticks, proof);
    proptest::option::of(
        row.prop_map(|(machine, boot, pid_namespace, inode, ticks, proof)| {
            let mut record = record();
            record.identity.place.machine = machine;
            record.identity.place.boot = boot.into();
            record.identity.place.pid_namespace = pid_namespace;
            record.identity.inode = inode;
            record.identity.start_ticks = ticks;
            Record { proof, ..record }
        }),
    )
}

fn claims() -> impl Strategy<Value = Claim> {
    let pid = select(vec![0, 1, PID, PID, PID, PID, 5000, u32::MAX]);
    let created_at = select(vec![
        "2026-11-23T11:00:00Z",
        "2026-11-23T10:30:00Z",
        "2026-11-22T00:00:00Z",
        "2027-01-01T00:00:00Z",
        "",
    ]);
    let sock = select(vec![SOCK, SOCK, ""]);
    (pid, created_at, sock).prop_map(|(pid, created_at, sock)| Claim {
        pid,
        created_at: created_at.into(),
        sock: sock.into(),
        ..claim()
    })
}

/// What can be done to the machine.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    None,
    End,
    Reap,
    NoPidfs,
    NoPidfd,
    Hidden,
    OtherProc,
    HiddenFiles,
}

fn troubles() -> impl Strategy<Value = Trouble> {
    use Trouble::*;
    select(vec![
        None,
        End,
        Reap,
        NoPidfs,
        NoPidfd,
        Hidden,
        OtherProc,
        HiddenFiles,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn promises_hold(
        claim in claims(),
        record in records(),
        trouble in troubles(),
        listens in any::<bool>(),
        answer in select(vec![
            None, Some(Ok(())), Some(Err(Errno::EAGAIN)), Some(Err(Errno::ECONNREFUSED)),
            Some(Err(Errno::EACCES)),
        ]),
        strength in select(vec![Strength::Any, Strength::Strong]),
    ) {
        let fake = machine();
        if listens {
            fake.listen(PID, SOCK);
        }
        if let Some(answer) = answer {
            fake.socket(SOCK, FileKind::Socket, answer);
        }
        match trouble {
            Trouble::None => {}
            Trouble::End => fake.end(PID),
            Trouble::Reap => fake.reap(PID),
            Trouble::NoPidfs => fake.without_pidfs(),
            Trouble::NoPidfd => fake.refuse(Call::OpenPidfd, Errno::ENOSYS),
            Trouble::Hidden => fake.deny("/proc/4711/stat", Errno::ENOENT),
            Trouble::OtherProc => fake.link("/proc/self", "7"),
            Trouble::HiddenFiles => fake.deny("/proc/4711/fd", Errno::EACCES),
        }
        let processes = processes(&fake);
        let inspection = ask(&processes, &claim, record.as_ref(), strength);
        let finding = &inspection.finding;

        // Nothing whose socket answers, or may answer, is dead.
        let may_answer = matches!(answer, Some(Ok(()) | Err(Errno::EAGAIN | Errno::EACCES)));
        if !claim.sock.is_empty() && may_answer {
            prop_assert!(!finding.standing.is_dead(), "{finding:?}");
        }
        if finding.standing == Standing::Alive {
            prop_assert_eq!(claim.pid, PID);
            prop_assert!(!matches!(
                trouble,
                Trouble::End | Trouble::Reap | Trouble::NoPidfd | Trouble::Hidden | Trouble::OtherProc
            ));
            let process = inspection.process.as_ref().expect("asked alone");
            prop_assert_eq!(process.identity().start_ticks, START);
            // Strong never rests on time alone.
            let by_time = inspection.learned.as_deref().or(record.as_ref());
            if strength == Strength::Strong {
                prop_assert_ne!(by_time.map(|row| row.proof), Some(Proof::Time));
            }
        }
        // What is remembered changes nothing.
        let again = ask(&processes, &claim, record.as_ref(), strength).finding;
        prop_assert_eq!(&again, finding);
        // Not even for the other strength.
        let other = if strength == Strength::Any { Strength::Strong } else { Strength::Any };
        let (warm, cold) = (
            ask(&processes, &claim, record.as_ref(), other).finding,
            inspect(&fake, &claim, record.as_ref(), other).finding,
        );
        prop_assert_eq!(warm.standing, cold.standing);
        // Nor does the row that was learned, once it is written.
        if let Some(learned) = &inspection.learned {
            let written = inspect(&fake, &claim, Some(learned), strength);
            prop_assert_eq!(written.finding.standing, Standing::Alive);
            prop_assert_eq!(written.learned, None);
        }
    }
}
