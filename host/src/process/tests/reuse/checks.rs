//! What has to hold in each round, whatever the point.

use std::time::Duration;

use crate::{Register, Request, Stop};

use super::hooked::{Point, Struck};
use super::nursery::Report;
use super::round::{BYSTANDER, HEIR, SID, Stranger, Suite, lock};
use super::scenario::{Scenario, Taker, Verb};

impl Suite {
    /// The worker lived until now.
    pub(super) fn check_unhit(&mut self, scenario: Scenario) {
        let kept = self.sids().iter().any(|sid| sid == SID);
        if !kept && scenario.verb == Verb::Ensure {
            self.tally.lost += 1;
            self.tally
                .broken
                .push(format!("{scenario:?}: a living worker was collected"));
        }
    }

    /// Nothing that was read of a process counts once it has ended.
    pub(super) fn check_told(
        &mut self,
        scenario: Scenario,
        point: Point,
        struck: Option<Struck>,
        told: &str,
    ) {
        let undecided = !scenario.is_decided_while_the_stranger_lives();
        let right = match told {
            // That it ran when it was last looked at.
            "running" => !struck.is_some_and(|struck| struck.looked),
            "unproven" | "foreign" | "refused" => undecided,
            "failed" | "unknown" | "absent" | "invalid-pid" | "would-signal" => false,
            _ => true,
        };
        if !right {
            self.broken(
                scenario,
                point,
                &format!("{struck:?}: the answer says {told}"),
            );
        }
    }

    /// What holds while the stranger lives.
    pub(super) fn check_after(
        &mut self,
        scenario: Scenario,
        point: Point,
        struck: Option<Struck>,
        stranger: &Stranger,
    ) {
        let call = struck.map_or("none", |struck| struck.call);
        self.check_untouched(scenario, point, call, stranger);
        let kept = self.sids().iter().any(|sid| sid == SID);
        if scenario.is_served_on() && scenario.verb == Verb::Ensure && !kept {
            self.broken(scenario, point, "collected though its socket answers");
        }
        // Another request, by those who know nothing and by those who know it all.
        let fresh = self.fresh_server();
        for server in [&self.long_lived, &fresh] {
            self.call(server, Request::Ensure { dry_run: false });
        }
        let kept_on = self.sids().iter().any(|sid| sid == SID);
        if kept_on && scenario.is_decided_while_the_stranger_lives() {
            self.broken(scenario, point, "its entry is not collected");
        }
        if kept && !kept_on && scenario.is_served_on() {
            self.broken(scenario, point, "collected later though its socket answers");
        }
        self.check_untouched(scenario, point, call, stranger);
        if struck.is_none() && scenario.taker == Taker::Process {
            self.check_heir(scenario, point, stranger);
        }
    }

    fn check_untouched(
        &mut self,
        scenario: Scenario,
        point: Point,
        call: &str,
        stranger: &Stranger,
    ) {
        for (pid, who) in [
            (stranger.pid, "the stranger"),
            (self.bystander.pid, BYSTANDER),
        ] {
            if pid == 0 {
                continue;
            }
            let report = lock(&self.nursery).report(pid);
            if report != Report::UNTOUCHED {
                self.tally.signals += match report {
                    Report::Runs { signals, .. } => signals as usize,
                    Report::Hit(_) => 1,
                };
                self.broken(
                    scenario,
                    point,
                    &format!("before {call}: {who} got {report:?}"),
                );
            }
        }
    }

    /// The stranger can be a worker too: then it is listed, and a stop reaches it. That
    /// shows as well that a signal would have been counted.
    fn check_heir(&mut self, scenario: Scenario, point: Point, stranger: &Stranger) {
        let pid = u32::try_from(stranger.pid).expect("positive");
        let register = Register {
            sid: HEIR.into(),
            pid,
            sock: String::new(),
            version: String::new(),
        };
        self.call(&self.long_lived, Request::Register(register));
        self.call(&self.long_lived, Request::Ensure { dry_run: false });
        if !self.sids().iter().any(|sid| sid == HEIR) {
            self.tally.lost += 1;
            self.broken(
                scenario,
                point,
                "the pid's next owner was registered and lost",
            );
        }
        let stop = Stop {
            sid: Some(SID.into()),
            grace: Duration::ZERO,
            ..Stop::default()
        };
        self.call(&self.long_lived, Request::Stop(stop.clone()));
        self.check_untouched(scenario, point, "the heir", stranger);
        let stop = Stop {
            sid: Some(HEIR.into()),
            ..stop
        };
        self.call(&self.long_lived, Request::Stop(stop));
        let report = lock(&self.nursery).report(stranger.pid);
        // SIGTERM, and SIGCONT after it.
        let expected = Report::Runs {
            signals: 2,
            first: nix::libc::SIGTERM.unsigned_abs(),
        };
        if report != expected {
            self.broken(
                scenario,
                point,
                &format!("a stop of the heir gave {report:?}"),
            );
        }
    }

    /// What holds when nobody is left but the bystander.
    pub(super) fn check_end(&mut self, scenario: Scenario, point: Point) {
        self.call(&self.long_lived, Request::Ensure { dry_run: false });
        let sids = self.sids();
        if sids != [BYSTANDER] {
            if !sids.iter().any(|sid| sid == BYSTANDER) {
                self.tally.lost += 1;
            }
            self.broken(scenario, point, &format!("in the end there are {sids:?}"));
        }
    }

    pub(super) fn broken(&mut self, scenario: Scenario, point: Point, what: &str) {
        self.tally
            .broken
            .push(format!("{scenario:?}, {point:?}: {what}"));
    }
}
