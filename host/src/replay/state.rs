//! The host's state for one request that is replayed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use wasmtime::component::{Resource, ResourceTable};

use crate::capabilities::bindings::wasi::logging::logging::Level;
use crate::capabilities::wasi::WasiState;
use crate::capabilities::{HostError, log};
use crate::error::{Error, Fault};
use crate::floor::{Budget, Grants, Proven, Reading, find_target};
use crate::process::{Claim, Signal, Standing};
use crate::recording::{CallError, ErrorKind, Observed};
use crate::request::{Register, Request};
use crate::runtime::{CpuMeter, Limits, MemoryLimiter};

use super::effects::Effects;
use super::errors::{has_ended, refused, too_many, transaction_is_over, unknown};
use super::history::{History, Moment, Sending, Treatment};
use super::past::Past;

/// Everything that belongs to one replayed request: what happened then, and what the policy
/// that is tried has done so far. It holds nothing of a pool.
pub(crate) struct ReplayState {
    past: Past,
    request: Request,
    budget: Budget,
    pub(super) settings: BTreeMap<String, String>,
    /// The registry as the policy would find it; none before it first looked.
    registry: Option<Option<Vec<u8>>>,
    /// How many transactions it has begun.
    begun: usize,
    open: Option<Open>,
    /// Whom it opened, by the number of the handle, and what WASI's handles stand for.
    pub(super) table: ResourceTable,
    pub(super) wasi: WasiState,
    treatments: HashMap<Claim, Treatment>,
    /// Which signals were sent to the process of which claim.
    signalled: HashMap<Claim, BTreeSet<Signal>>,
    waits: usize,
    times: usize,
    pub(super) log_lines_left: usize,
    /// The last line that the policy wrote to the log.
    pub(super) last_line: Option<String>,
    pub(super) effects: Effects,
    pub(super) limits: Limits,
    pub(super) meter: CpuMeter,
    pub(super) memory: MemoryLimiter,
}

/// An open transaction.
struct Open {
    /// Which of the recorded ones it is; none beyond them.
    nth: Option<usize>,
    reading: Arc<Reading>,
    /// By index in the reading.
    found: HashMap<usize, Observed>,
    /// How often each claim was asked about.
    asked: HashMap<Claim, usize>,
    /// Whether the process to register was found running.
    registering: bool,
    replaced: bool,
}

impl ReplayState {
    /// Signals and changed entries: some of each for the most workers there may be.
    const EFFECTS: usize = 200_000;

    pub(super) fn new(
        past: Past,
        request: Request,
        grants: Grants,
        settings: BTreeMap<String, String>,
        limits: &Limits,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        Self {
            past,
            budget: Budget::of(&request, &grants),
            request,
            settings,
            registry: None,
            begun: 0,
            open: None,
            table,
            wasi: WasiState::new(limits.guest_sleep),
            treatments: HashMap::new(),
            signalled: HashMap::new(),
            waits: 0,
            times: 0,
            log_lines_left: limits.log_lines,
            last_line: None,
            effects: Effects::default(),
            meter: CpuMeter::start(limits.guest_cpu, limits.host_cpu),
            memory: MemoryLimiter::new(limits),
            limits: limits.clone(),
        }
    }

    /// Writes a line of the policy to the log, while the request may write any.
    pub(super) fn log(&mut self, level: Level, context: &str, message: &str) {
        if let Some((_, message)) = log(&mut self.log_lines_left, level, context, message) {
            self.last_line = Some(message);
        }
    }

    pub(super) fn begin(&mut self) -> Result<(), HostError> {
        if self.open.is_some() {
            return Err(HostError::misuse(
                "this request already holds a transaction",
            ));
        }
        let nth = self.begun;
        if nth >= self.limits.transactions {
            let fault = Fault::Transactions(self.limits.transactions);
            return Err(HostError::Trap(Error::from(fault).into()));
        }
        self.begun += 1;
        let recorded = self.past.transactions.get(nth);
        match (recorded, &self.registry) {
            (Some(recorded), current) => {
                let bytes = recorded.begun.clone()?;
                if !recorded.undisturbed || current.is_none() {
                    self.registry = Some(bytes);
                }
            }
            (None, Some(_)) => {}
            (None, None) => {
                return Err(HostError::from(CallError {
                    kind: ErrorKind::System,
                    text: "the recorded policy did not look at the registry, so nothing is \
                           known of it"
                        .into(),
                }));
            }
        }
        self.open = Some(Open {
            nth: recorded.map(|_| nth),
            reading: Arc::new(Reading::new(self.registry.clone().flatten())),
            found: HashMap::new(),
            asked: HashMap::new(),
            registering: false,
            replaced: false,
        });
        Ok(())
    }

    pub(super) fn read(&mut self) -> Result<Option<Vec<u8>>, HostError> {
        Ok(self.open()?.reading.bytes().map(<[u8]>::to_vec))
    }

    pub(super) fn end(&mut self) {
        self.open = None;
    }

    pub(super) fn replace(&mut self, bytes: Vec<u8>) -> Result<(), HostError> {
        let now = self.time();
        let open = self.open.as_ref().ok_or_else(transaction_is_over)?;
        if open.replaced {
            return Err(HostError::misuse(
                "the registry was already replaced in this transaction",
            ));
        }
        let after = Reading::new(Some(bytes));
        let before = open.reading.clone();
        self.look_at_ended(&before, &after);
        let open = self.open.as_ref().ok_or_else(transaction_is_over)?;
        let proven = Proven {
            is_dead: &|index| {
                let found = open.found.get(&index);
                found.is_some_and(|found| found.standing.is_dead())
            },
            newcomer_runs: open.registering,
            now,
        };
        self.budget.check_replacement(&before, &after, &proven)?;
        let recorded = open.nth.and_then(|nth| self.past.transactions.get(nth));
        if let Some(error) = recorded.and_then(|recorded| recorded.replace_error.clone()) {
            return Err(error.into());
        }
        self.check_effects()?;
        self.effects.note_replace(&before, &after);
        self.registry = Some(after.bytes().map(<[u8]>::to_vec));
        self.open()?.replaced = true;
        Ok(())
    }

    /// As on a pool, looks again at those whose entries go and who have ended since.
    fn look_at_ended(&mut self, before: &Reading, after: &Reading) {
        for (index, claim) in before.claims().unwrap_or_default().iter().enumerate() {
            let treatment = self.treatments.get(claim);
            let has_ended = treatment.is_some_and(|treatment| treatment.has_ended);
            if has_ended && after.with_sid(&claim.sid).is_empty() {
                self.inspect_one(index, claim);
            }
        }
    }

    pub(super) fn inspect(&mut self, claims: &[Claim]) -> Vec<Observed> {
        let claims = claims.iter().enumerate();
        claims
            .map(|(hint, claim)| self.inspect_one(hint, claim))
            .collect()
    }

    fn inspect_one(&mut self, hint: usize, claim: &Claim) -> Observed {
        let Some(open) = self.open.as_mut() else {
            return unknown("no transaction is open");
        };
        let index = open.reading.position(claim, hint);
        let named = matches!(&self.request, Request::Register(Register { sid, pid, .. })
            if *sid == claim.sid && *pid == claim.pid);
        if index.is_none() && !named {
            return unknown("the registry has no such entry");
        }
        let asked = open.asked.entry(claim.clone()).or_default();
        let moment = Moment {
            transaction: open.nth,
            asked_before: *asked,
        };
        *asked += 1;
        let treatment = self.treatments.entry(claim.clone()).or_default();
        let history = self.past.histories.get(claim);
        let found = history
            .and_then(|history| history.finding(treatment, moment))
            .unwrap_or_else(|| unknown("not in the recording"));
        match index {
            Some(index) => {
                open.found.insert(index, found.clone());
            }
            None => open.registering = found.standing == Standing::Alive,
        }
        found
    }

    /// The number of the handle for the worker.
    pub(super) fn open_target(&mut self, sid: &str, pid: u32) -> Result<u32, HostError> {
        let open = self.open()?;
        let reading = open.reading.clone();
        let index = find_target(&reading, sid, pid)?;
        let found = open.found.get(&index).cloned();
        self.budget.check_target(sid, pid)?;
        let claim = reading
            .claims()
            .map_err(|error| refused(&error.to_string()))?[index]
            .clone();
        let found = match found {
            Some(found) if found.standing == Standing::Alive => found,
            _ => self.inspect_one(index, &claim),
        };
        if found.standing != Standing::Alive {
            let evidence = found.evidence.as_deref();
            let evidence = evidence.unwrap_or("there is no evidence");
            let text = format!("its process is not proven alive: {evidence}");
            return Err(refused(&text));
        }
        let nth = self.open()?.nth;
        let history = self.past.histories.get(&claim);
        if let Some(error) = history.and_then(|history| history.open_error(nth)) {
            return Err(error.into());
        }
        Ok(self.table.push(claim)?.rep())
    }

    pub(super) fn drop_target(&mut self, handle: u32) -> wasmtime::Result<()> {
        self.table.delete(Resource::<Claim>::new_own(handle))?;
        Ok(())
    }

    pub(super) fn send(&mut self, target: u32, sending: Sending) -> Result<(), HostError> {
        let claim = self.target(target)?.clone();
        let sent = self.signalled.get(&claim);
        let was_sent = |signal| sent.is_some_and(|sent| sent.contains(&signal));
        self.budget
            .check_signal(&claim, sending.signal, sending.group, &was_sent)?;
        self.check_effects()?;
        let treatment = self.treatments.entry(claim.clone()).or_default();
        let history = self.past.histories.get(&claim);
        let error = history
            .and_then(|history| history.send_error(treatment, sending))
            .or_else(|| (treatment.has_ended && !sending.group).then(has_ended));
        treatment.note_send(sending, error.as_ref());
        if let Some(error) = error {
            let is_news = self.open.is_some() && sent.is_none();
            if error.kind == ErrorKind::Ended && is_news {
                // As on a pool, its entry may go once it is found to have ended.
                self.inspect_one(0, &claim);
            }
            return Err(error.into());
        }
        self.effects
            .note_signal(&claim, sending.signal, sending.group);
        self.signalled
            .entry(claim)
            .or_default()
            .insert(sending.signal);
        Ok(())
    }

    pub(super) fn wait(&mut self, targets: &[u32]) -> Result<Vec<bool>, HostError> {
        if self.open.is_some() {
            return Err(HostError::misuse(
                "waiting inside a transaction: a worker may need the lock to exit",
            ));
        }
        let nth = self.waits;
        self.waits += 1;
        if let Some(Some(error)) = self.past.waits.get(nth) {
            return Err(error.clone().into());
        }
        let mut ended = Vec::with_capacity(targets.len());
        for target in targets {
            let claim = self.target(*target)?.clone();
            let history = self.past.histories.get(&claim);
            let treatment = self.treatments.entry(claim).or_default();
            let ends = history.unwrap_or(&History::default()).ends(treatment);
            treatment.note_wait(ends);
            ended.push(ends);
        }
        Ok(ended)
    }

    pub(super) fn now(&mut self) -> SystemTime {
        let now = self.time();
        self.times += 1;
        now
    }

    /// What the clock says when it is asked next.
    fn time(&self) -> SystemTime {
        let times = &self.past.times;
        let last = times.last().copied().unwrap_or(SystemTime::UNIX_EPOCH);
        times.get(self.times).copied().unwrap_or(last)
    }

    fn open(&mut self) -> Result<&mut Open, HostError> {
        self.open.as_mut().ok_or_else(transaction_is_over)
    }

    fn target(&self, handle: u32) -> Result<&Claim, HostError> {
        Ok(self.table.get(&Resource::new_borrow(handle))?)
    }

    /// A policy that acts without end must not fill the memory.
    fn check_effects(&self) -> Result<(), HostError> {
        if self.effects.count() < Self::EFFECTS {
            Ok(())
        } else {
            Err(too_many())
        }
    }
}
