//! Which of the workers without an entry get one. Pure.

use crate::process::{Claim, Standing};

/// A worker that may get an entry.
#[derive(Clone, Debug)]
pub(super) struct Applicant<'a> {
    pub(super) claim: &'a Claim,
    /// What is found about its claim.
    pub(super) standing: Standing,
    /// Whether the ledger has its claim, so that it had an entry.
    pub(super) is_recorded: bool,
    /// What the ledger has against it.
    pub(super) objection: Option<String>,
}

impl Applicant<'_> {
    /// Whether it is proven to be the worker, and does not only say so.
    fn is_proven(&self) -> bool {
        self.is_recorded && self.standing == Standing::Alive
    }

    /// Whether this entry, whose process is not found dead, is its.
    fn is_named_by(&self, entry: &Claim, standing: Standing) -> bool {
        let is_same_session = self.is_recorded && entry.sid == self.claim.sid;
        // A number means the same process only where it means one here.
        let is_same_process = entry.pid == self.claim.pid && standing != Standing::Foreign;
        self.is_recorded && entry == self.claim
            || is_same_process && (is_same_session || self.standing == Standing::Alive)
    }
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
    let (dead, living): (Vec<_>, Vec<_>) =
        entries.iter().partition(|(_, standing)| standing.is_dead());
    let named = |applicant: &Applicant<'_>| {
        let mut living = living.iter();
        living.any(|(claim, standing)| applicant.is_named_by(claim, *standing))
    };
    let rival = |applicant: &Applicant<'_>| {
        let mut others = applicants.iter().filter(|other| {
            other.claim.sid == applicant.claim.sid && other.claim != applicant.claim
        });
        others.find(|other| {
            other.objection.is_none() && other.is_proven() >= applicant.is_proven() && !named(other)
        })
    };
    let judge = |applicant: &Applicant<'_>| {
        let (sid, pid) = (&applicant.claim.sid, applicant.claim.pid);
        if named(applicant) {
            return Verdict::Named;
        }
        if let Some((claim, standing)) = living.iter().find(|(claim, _)| claim.sid == *sid) {
            return Verdict::KeptOut(format!(
                "its sid has an entry that names pid {}, which is {standing}",
                claim.pid
            ));
        }
        if let Some(objection) = &applicant.objection {
            return Verdict::KeptOut(objection.clone());
        }
        let mut dead = dead.iter();
        let other = dead.find(|(claim, _)| claim.sid == *sid && claim.pid == pid);
        if let (Some((_, standing)), false) = (other, applicant.is_proven()) {
            return Verdict::KeptOut(format!(
                "an entry of this sid and pid is about another process: it is {standing}, and \
                 ensure collects it"
            ));
        }
        rival(applicant).map_or(Verdict::Added, |rival| {
            Verdict::KeptOut(format!(
                "pid {} is a worker of the same sid, and which of them is meant cannot be decided",
                rival.claim.pid
            ))
        })
    };
    applicants.iter().map(judge).collect()
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

    /// Says it itself.
    const SAID: (Standing, bool) = (Standing::Alive, false);
    /// Is proven by the ledger.
    const PROVEN: (Standing, bool) = (Standing::Alive, true);
    /// Has a row, and runs somewhere else.
    const FOREIGN: (Standing, bool) = (Standing::Foreign, true);

    /// `+` added, `=` named, `-` kept out.
    fn verdicts(
        entries: &[(&str, u32, Standing)],
        applicants: &[(&str, u32, (Standing, bool))],
    ) -> String {
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
            .map(|(claim, (_, _, (standing, is_recorded)))| Applicant {
                claim,
                standing: *standing,
                is_recorded: *is_recorded,
                objection: None,
            })
            .collect();
        shown(&decide(&entries, &applicants))
    }

    fn shown(verdicts: &[Verdict]) -> String {
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
        assert_eq!(verdicts(&[], &[("a", 10, SAID), ("b", 11, PROVEN)]), "++");
        assert_eq!(verdicts(&[("a", 10, Alive)], &[("a", 10, SAID)]), "=");
        // Under whatever sid it was registered.
        assert_eq!(verdicts(&[("b", 10, Unproven)], &[("a", 10, SAID)]), "=");
        assert_eq!(verdicts(&[("b", 10, Alive)], &[("a", 10, PROVEN)]), "=");
        assert_eq!(verdicts(&[("a", 9, Gone)], &[("a", 10, SAID)]), "+");
        assert_eq!(verdicts(&[("b", 10, Reused)], &[("a", 10, SAID)]), "+");
    }

    /// Its child has all that it had, but for its being that process.
    #[test]
    fn an_entry_that_is_about_another_process_outweighs_what_a_process_says() {
        use Standing::{Gone, Reused};
        for dead in [Gone, Reused] {
            assert_eq!(verdicts(&[("a", 10, dead)], &[("a", 10, SAID)]), "-");
            assert_eq!(verdicts(&[("a", 10, dead)], &[("a", 10, PROVEN)]), "+");
        }
    }

    /// A pid is one of its own pid namespace.
    #[test]
    fn who_is_somewhere_else_names_nobody_here() {
        use Standing::{Alive, Foreign};
        assert_eq!(verdicts(&[("b", 10, Foreign)], &[("a", 10, SAID)]), "+");
        assert_eq!(verdicts(&[("b", 10, Foreign)], &[("a", 10, PROVEN)]), "+");
        assert_eq!(verdicts(&[("a", 10, Foreign)], &[("a", 10, SAID)]), "-");
        assert_eq!(verdicts(&[("a", 9, Foreign)], &[("a", 10, PROVEN)]), "-");
        // Nor is it named by somebody here.
        assert_eq!(verdicts(&[("b", 10, Alive)], &[("a", 10, FOREIGN)]), "+");
        assert_eq!(verdicts(&[("a", 10, Foreign)], &[("a", 10, FOREIGN)]), "=");
        assert_eq!(
            verdicts(&[], &[("b", 10, PROVEN), ("a", 10, FOREIGN)]),
            "++"
        );
        // Of its entry, a part was lost and made up.
        assert_eq!(verdicts_later(Foreign), "-");
        assert_eq!(verdicts_later(Alive), "=");
    }

    /// What an entry of the same session and pid, from another time, makes of one with a row.
    fn verdicts_later(standing: Standing) -> String {
        let (entry, claim) = (claim("a", 10), claim("a", 10));
        let claim = Claim {
            created_at: "later".into(),
            ..claim
        };
        let applicant = Applicant {
            claim: &claim,
            standing: Standing::Unproven,
            is_recorded: true,
            objection: None,
        };
        shown(&decide(&[(&entry, standing)], &[applicant]))
    }

    #[test]
    fn the_ledgers_objection_counts_and_its_subject_is_no_rival() {
        let (a, b) = (claim("a", 10), claim("a", 11));
        let applicant = |claim, objection: Option<&str>| Applicant {
            claim,
            standing: Standing::Alive,
            is_recorded: false,
            objection: objection.map(Into::into),
        };
        let applicants = [applicant(&a, Some("forgotten")), applicant(&b, None)];
        let verdicts = decide(&[], &applicants);
        assert_eq!(
            verdicts,
            [Verdict::KeptOut("forgotten".into()), Verdict::Added]
        );
        assert_eq!(shown(&decide(&[(&a, Standing::Alive)], &applicants)), "=-");
    }

    #[test]
    fn two_of_one_sid_are_decided_by_proof_or_not_at_all() {
        use Standing::{Alive, Unknown};
        assert_eq!(verdicts(&[("a", 9, Alive)], &[("a", 10, PROVEN)]), "-");
        assert_eq!(verdicts(&[("a", 9, Unknown)], &[("a", 10, PROVEN)]), "-");
        assert_eq!(verdicts(&[], &[("a", 10, SAID), ("a", 11, SAID)]), "--");
        assert_eq!(verdicts(&[], &[("a", 10, PROVEN), ("a", 11, PROVEN)]), "--");
        assert_eq!(verdicts(&[], &[("a", 10, SAID), ("a", 11, PROVEN)]), "-+");
        assert_eq!(
            verdicts(&[], &[("a", 10, FOREIGN), ("a", 11, PROVEN)]),
            "-+"
        );
        assert_eq!(verdicts(&[], &[("a", 10, FOREIGN), ("a", 11, SAID)]), "--");
        // One that has an entry is nobody's rival.
        assert_eq!(
            verdicts(&[("x", 10, Alive)], &[("a", 10, SAID), ("a", 11, SAID)]),
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
