//! Which of the workers without an entry get one. Pure.

use crate::process::{Claim, Standing};

/// A worker that may get an entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Applicant<'a> {
    pub(super) claim: &'a Claim,
    /// Whether it is proven to be the worker, and does not only say so.
    pub(super) proven: bool,
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// An entry names it already.
    Named,
    /// It has ended meanwhile.
    Ended,
    /// It gets an entry.
    Added,
    /// It gets none, for this reason.
    KeptOut(String),
}

/// Decides about each applicant. A second entry for a sid would make sure that neither of
/// the two can be stopped.
pub(super) fn decide(entries: &[(&Claim, Standing)], applicants: &[Applicant<'_>]) -> Vec<Verdict> {
    let lives = |wanted: &dyn Fn(&Claim) -> bool| {
        let mut entries = entries.iter();
        entries
            .find(|(claim, standing)| !standing.is_dead() && wanted(claim))
            .copied()
    };
    let named =
        |applicant: &Applicant<'_>| lives(&|claim| claim.pid == applicant.claim.pid).is_some();
    let rivals = |applicant: &Applicant<'_>| -> Vec<&Applicant<'_>> {
        let others = applicants.iter().filter(|other| {
            other.claim.sid == applicant.claim.sid && other.claim != applicant.claim
        });
        others.filter(|other| !named(other)).collect()
    };
    applicants
        .iter()
        .map(|applicant| {
            if named(applicant) {
                return Verdict::Named;
            }
            if let Some((claim, standing)) = lives(&|claim| claim.sid == applicant.claim.sid) {
                return Verdict::KeptOut(format!(
                    "its sid has an entry that names pid {}, which is {standing}",
                    claim.pid
                ));
            }
            let rivals = rivals(applicant);
            match rivals.iter().find(|rival| rival.proven >= applicant.proven) {
                Some(rival) => Verdict::KeptOut(format!(
                    "pid {} is a worker of the same sid, and which of them is meant cannot be \
                     decided",
                    rival.claim.pid
                )),
                None => Verdict::Added,
            }
        })
        .collect()
}

/// Which entries of a registry that is written anew are left out: the dead whose sid
/// somebody else has who lives.
pub(super) fn left_out(entries: &[(&Claim, Standing)], added: &[&Claim]) -> Vec<bool> {
    let alive = entries
        .iter()
        .filter(|(_, standing)| !standing.is_dead())
        .map(|(claim, _)| *claim);
    let taken: std::collections::HashSet<&str> = alive
        .chain(added.iter().copied())
        .map(|claim| claim.sid.as_str())
        .collect();
    entries
        .iter()
        .map(|(claim, standing)| standing.is_dead() && taken.contains(claim.sid.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(sid: &str, pid: u32) -> Claim {
        Claim {
            sid: sid.into(),
            pid,
            created_at: String::new(),
            sock: String::new(),
        }
    }

    /// `+` added, `=` named, `-` kept out.
    fn verdicts(entries: &[(&str, u32, Standing)], applicants: &[(&str, u32, bool)]) -> String {
        let entries: Vec<_> = entries
            .iter()
            .map(|(sid, pid, standing)| (claim(sid, *pid), *standing))
            .collect();
        let entries: Vec<_> = entries
            .iter()
            .map(|(claim, standing)| (claim, *standing))
            .collect();
        let claims: Vec<_> = applicants
            .iter()
            .map(|(sid, pid, _)| claim(sid, *pid))
            .collect();
        let applicants: Vec<_> = claims
            .iter()
            .zip(applicants)
            .map(|(claim, (_, _, proven))| Applicant {
                claim,
                proven: *proven,
            })
            .collect();
        let verdicts = decide(&entries, &applicants);
        verdicts
            .iter()
            .map(|verdict| match verdict {
                Verdict::Added => '+',
                Verdict::Named => '=',
                Verdict::KeptOut(_) => '-',
                Verdict::Ended => panic!("nobody asks for that here"),
            })
            .collect()
    }

    #[test]
    fn who_has_no_entry_gets_one() {
        use Standing::{Alive, Gone, Reused, Unproven};
        assert_eq!(verdicts(&[], &[("a", 10, false), ("b", 11, true)]), "++");
        assert_eq!(verdicts(&[("a", 10, Alive)], &[("a", 10, false)]), "=");
        // Under whatever sid it was registered.
        assert_eq!(verdicts(&[("b", 10, Unproven)], &[("a", 10, false)]), "=");
        // An entry that is proven to be about another process names nobody.
        assert_eq!(verdicts(&[("a", 10, Reused)], &[("a", 10, false)]), "+");
        assert_eq!(verdicts(&[("a", 9, Gone)], &[("a", 10, false)]), "+");
    }

    #[test]
    fn two_of_one_sid_are_decided_by_proof_or_not_at_all() {
        use Standing::{Alive, Unknown};
        assert_eq!(verdicts(&[("a", 9, Alive)], &[("a", 10, true)]), "-");
        assert_eq!(verdicts(&[("a", 9, Unknown)], &[("a", 10, true)]), "-");
        assert_eq!(verdicts(&[], &[("a", 10, false), ("a", 11, false)]), "--");
        assert_eq!(verdicts(&[], &[("a", 10, true), ("a", 11, true)]), "--");
        assert_eq!(verdicts(&[], &[("a", 10, false), ("a", 11, true)]), "-+");
        // One that has an entry is nobody's rival.
        assert_eq!(
            verdicts(&[("x", 10, Alive)], &[("a", 10, false), ("a", 11, false)]),
            "=+"
        );
    }

    #[test]
    fn only_the_dead_are_left_out_and_only_for_the_living() {
        let (a, b, c) = (claim("a", 1), claim("a", 2), claim("c", 3));
        let left_out = |entries: &[(&Claim, Standing)], added: &[&Claim]| left_out(entries, added);
        let (dead, alive) = (Standing::Gone, Standing::Alive);
        assert_eq!(
            left_out(&[(&a, dead), (&b, alive), (&c, dead)], &[]),
            [true, false, false]
        );
        assert_eq!(left_out(&[(&a, alive), (&b, alive)], &[]), [false, false]);
        assert_eq!(left_out(&[(&a, dead), (&b, dead)], &[]), [false, false]);
        assert_eq!(left_out(&[(&a, dead), (&c, dead)], &[&b]), [true, false]);
        assert_eq!(left_out(&[(&a, Standing::Unknown)], &[&b]), [false]);
    }
}
