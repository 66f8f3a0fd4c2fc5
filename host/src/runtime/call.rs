//! One request, in a fresh instance of a policy.

use std::io;

use serde::de::DeserializeOwned;
use wasmtime::component::ResourceTableError;
use wasmtime::{Store, Trap};

use crate::answer::{Answered, Facts, Misread};
use crate::capabilities::bindings::exports::poolwarden::pool::pool::{
    self as wit, Failure, NewEntry, StopOptions,
};
use crate::capabilities::bindings::{Policy as Instance, PolicyPre};
use crate::capabilities::{RequestState, WasiHost, end_output};
use crate::error::{Error, Fault};
use crate::floor::Unreadable;
use crate::recording::CallError;
use crate::request::{Register, Request, Stop, milliseconds};
use crate::visible;

use super::{Bounded, Description, Exceeded, Policy, Setting, Unanswered};

/// Asks the policy, and reads what it says into the fields of the answer. Also returns the
/// request, and what the host found and did meanwhile, which is what the policy's words are
/// held against.
///
/// Whatever happens, the instance is gone afterwards and with it its transaction.
pub(crate) fn call<T: DeserializeOwned>(
    policy: &Policy,
    state: RequestState,
) -> (Result<Answered<T>, Unanswered>, Request, Facts) {
    let request = state.request.clone();
    match instantiate(policy, policy.pre(), state) {
        Ok((instance, mut store)) => {
            let text = answer(policy, &instance, &mut store, &request);
            let answered = text.and_then(|text| {
                Answered::read(text).map_err(|misread| match misread {
                    Misread::NoAnswer(error) => Fault::NotJson(error.to_string()).into(),
                    Misread::OtherForm { reason, answer } => {
                        Unanswered::OtherForm { reason, answer }
                    }
                })
            });
            let mut state = store.into_data();
            state.finish();
            (answered, request, state.into_facts())
        }
        Err(error) => (Err(error.into()), request, Facts::default()),
    }
}

/// Asks an instance; the text of its answer. What a failure says is cut to its limit and can
/// be shown.
pub(super) fn answer<T: WasiHost>(
    policy: &Policy,
    instance: &Instance,
    store: &mut Store<T>,
    request: &Request,
) -> Result<String, Unanswered> {
    let (limit, longest) = (store.data().limits().answer, store.data().limits().text);
    let _tick = policy.tick();
    let answer = ask(instance, store, request).map_err(|trap| broken(store, trap))?;
    end_output(store.data_mut());
    let text = answer.map_err(|failure| match failure {
        Failure::Host(error) => Unanswered::Host(CallError::from(error).cut(longest)),
        Failure::Corrupted(found) => Unanswered::Corrupted(Unreadable {
            line: found.line,
            column: found.column,
            detail: visible::excerpt(&found.detail, longest),
        }),
        Failure::Rejected(text) => Error::Rejected(visible::excerpt(&text, longest)).into(),
    })?;
    if text.len() > limit {
        return Err(Fault::AnswerTooLarge {
            size: text.len(),
            limit,
        }
        .into());
    }
    Ok(text)
}

/// Asks the policy what it is.
///
/// # Errors
/// When it traps or exceeds a limit.
pub(crate) fn describe(policy: &Policy, state: RequestState) -> Result<Description, Error> {
    let longest = state.limits().text;
    let (instance, mut store) = instantiate(policy, policy.pre(), state)?;
    let _tick = policy.tick();
    let said = instance
        .poolwarden_pool_pool()
        .call_describe(&mut store)
        .map_err(|trap| broken(&mut store, trap))?;
    let text = |text: String| visible::cut(text, longest);
    let setting = |setting: wit::Setting| Setting {
        name: text(setting.name),
        description: text(setting.description),
    };
    Ok(Description {
        name: text(said.name),
        version: text(said.version),
        settings: said.settings.into_iter().map(setting).collect(),
    })
}

/// A fresh instance of a policy, as it was linked here.
pub(super) fn instantiate<T: WasiHost>(
    policy: &Policy,
    linked: &PolicyPre<T>,
    state: T,
) -> Result<(Instance, Store<T>), Error> {
    let mut store = policy.store(state);
    let _tick = policy.tick();
    match linked.instantiate(&mut store) {
        Ok(instance) => Ok((instance, store)),
        Err(error) => Err(match refusal_of_system(&error) {
            Some(refusal) => Error::System(format!("the policy cannot be started: {refusal}")),
            None => broken(&mut store, error),
        }),
    }
}

/// What the system refused for an instance, and what to do: it takes memory that is mapped
/// from a file of its own.
fn refusal_of_system(error: &wasmtime::Error) -> Option<String> {
    let errno = error.chain().find_map(|cause| {
        let errno = cause.downcast_ref().copied();
        let of_system = cause.downcast_ref::<io::Error>();
        errno.or_else(|| rustix::io::Errno::from_io_error(of_system?))
    })?;
    let what_to_do = match errno {
        rustix::io::Errno::NOMEM => {
            "; it takes some GiB of addresses, and next to none of the memory behind them: raise \
             their limit, ulimit -v"
        }
        rustix::io::Errno::FBIG => "; raise the limit of file sizes: ulimit -f",
        rustix::io::Errno::MFILE | rustix::io::Errno::NFILE => {
            "; raise the limit of open files: ulimit -n"
        }
        _ => "",
    };
    Some(format!("{errno}{what_to_do}"))
}

fn ask<T: WasiHost>(
    instance: &Instance,
    store: &mut Store<T>,
    request: &Request,
) -> wasmtime::Result<Result<String, Failure>> {
    let pool = instance.poolwarden_pool_pool();
    match request {
        Request::Ensure { dry_run } => pool.call_ensure(store, *dry_run),
        Request::Status { sid } => pool.call_status(store, sid.as_deref()),
        Request::Stop(Stop {
            sid,
            pid: _,
            signal,
            group,
            grace,
            force,
            dry_run,
        }) => {
            let options = StopOptions {
                sid: sid.clone(),
                signal: (*signal).into(),
                group: *group,
                grace: milliseconds(*grace),
                force: *force,
                dry_run: *dry_run,
            };
            pool.call_stop(store, &options)
        }
        Request::Register(Register {
            sid,
            pid,
            sock,
            version,
        }) => {
            let entry = NewEntry {
                sid: sid.clone(),
                pid: *pid,
                sock: sock.clone(),
                version: version.clone(),
            };
            pool.call_register(store, &entry)
        }
        Request::Forget {
            sid, even_if_alive, ..
        } => pool.call_forget(store, sid, *even_if_alive),
    }
}

/// Why a guest did not come back: the limit it ran into, or its own trap.
fn broken<T: WasiHost>(store: &mut Store<T>, trap: wasmtime::Error) -> Error {
    // What it printed last may say more than its trap.
    end_output(store.data_mut());
    let trap = match trap.downcast::<Error>() {
        Ok(of_host) => return of_host,
        Err(trap) => trap,
    };
    let state = store.data();
    let limits = state.limits();
    if trap.downcast_ref::<Trap>() == Some(&Trap::Interrupt) {
        return match state.meter().exceeded() {
            Some(Exceeded::Guest) => Fault::Cpu(limits.guest_cpu).into(),
            Some(Exceeded::Host) => Fault::HostCpu(limits.host_cpu).into(),
            None => Error::Cancelled,
        };
    }
    if let Some(ResourceTableError::Full) = trap.downcast_ref() {
        return Fault::Handles(limits.handles).into();
    }
    match (state.refused(), trap.downcast_ref::<Trap>()) {
        (Some("memory"), _) => Fault::Memory(limits.guest_memory),
        (Some(_), _) => Fault::Tables(limits.guest_table_elements),
        (None, Some(Trap::StackOverflow)) => Fault::Stack,
        (None, Some(Trap::MemoryOutOfBounds)) => Fault::OutOfBounds,
        (None, None) if passed_too_much(&trap) => Fault::Passed(limits.passed),
        (None, _) => Fault::Trap(trapped(&trap, state.last_line(), limits.text)),
    }
    .into()
}

/// A trap, with what the policy wrote last: an exception of its language stands there.
fn trapped(trap: &wasmtime::Error, last_line: Option<&str>, longest: usize) -> String {
    let cause = visible::excerpt(&trap.root_cause().to_string(), longest);
    match last_line {
        Some(line) => format!(
            "{cause}; the last line that it wrote: {}",
            visible::excerpt(line, longest)
        ),
        None => cause,
    }
}

/// Whether the runtime refused to take so many bytes over from the guest. It has no type for
/// that which could be named here.
fn passed_too_much(trap: &wasmtime::Error) -> bool {
    let cause = trap.root_cause().to_string();
    cause.ends_with("fuel allocated for hostcalls has been exhausted")
}
