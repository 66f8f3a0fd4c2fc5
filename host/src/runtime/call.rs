//! One request, in a fresh instance of a policy.

use std::io;
use std::path::PathBuf;

use wasmtime::component::ResourceTableError;
use wasmtime::{Store, Trap};

use crate::answer::Answer;
use crate::capabilities::bindings::exports::poolwarden::pool::pool::{
    self as wit, Failure, NewEntry, StopOptions,
};
use crate::capabilities::bindings::poolwarden::pool::types;
use crate::capabilities::bindings::{Policy as Instance, PolicyPre};
use crate::capabilities::{RequestState, WasiHost, end_output};
use crate::error::{Error, Fault};
use crate::request::{Register, Request, Stop, milliseconds};

use super::{Description, Exceeded, Policy, Setting};

/// Asks the policy, and checks that what it says is an answer.
///
/// # Errors
/// Every way in which a request can fail. Whatever happens, the instance is gone
/// afterwards and with it its transaction.
pub(crate) fn call(policy: &Policy, state: RequestState) -> Result<Answer, Error> {
    let request = state.request.clone();
    let registry = state.context.registry_path();
    let (instance, mut store) = instantiate(policy, policy.pre(), state)?;
    let answered = answer(policy, &instance, &mut store, &request, registry);
    store.data_mut().finish();
    answered
}

/// Asks an instance, and checks that what it says is an answer. `registry` is the file that
/// an error about it names.
pub(super) fn answer<T: WasiHost>(
    policy: &Policy,
    instance: &Instance,
    store: &mut Store<T>,
    request: &Request,
    registry: PathBuf,
) -> Result<Answer, Error> {
    let limit = store.data().limits().answer;
    let _tick = policy.tick();
    let answer = ask(instance, store, request).map_err(|trap| broken(store, trap))?;
    end_output(store.data_mut());
    let text = answer.map_err(|failure| match failure {
        Failure::Host(error) => from_host(error),
        Failure::Corrupted(found) => Error::Corrupted {
            path: registry,
            line: found.line,
            column: found.column,
            detail: found.detail,
        },
        Failure::Rejected(text) => Error::Rejected(text),
    })?;
    if text.len() > limit {
        return Err(Fault::AnswerTooLarge {
            size: text.len(),
            limit,
        }
        .into());
    }
    Ok(Answer::check(text).map_err(|error| Fault::NotJson(error.to_string()))?)
}

/// Asks the policy what it is.
///
/// # Errors
/// When it traps or exceeds a limit.
pub(crate) fn describe(policy: &Policy, state: RequestState) -> Result<Description, Error> {
    let (instance, mut store) = instantiate(policy, policy.pre(), state)?;
    let _tick = policy.tick();
    let said = instance
        .poolwarden_pool_pool()
        .call_describe(&mut store)
        .map_err(|trap| broken(&mut store, trap))?;
    let setting = |setting: wit::Setting| Setting {
        name: setting.name,
        description: setting.description,
    };
    Ok(Description {
        name: said.name,
        version: said.version,
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
        (None, _) => Fault::Trap(trap.root_cause().to_string()),
    }
    .into()
}

/// Whether the runtime refused to take so many bytes over from the guest. It has no type for
/// that which could be named here.
fn passed_too_much(trap: &wasmtime::Error) -> bool {
    let cause = trap.root_cause().to_string();
    cause.ends_with("fuel allocated for hostcalls has been exhausted")
}

/// A host error that the policy passed on as the reason of its failure.
fn from_host(error: types::Error) -> Error {
    match error {
        types::Error::Busy(text) => Error::Busy(text),
        types::Error::Denied(text) => Error::Denied(text),
        types::Error::Refused(text) | types::Error::Misuse(text) => Error::Refused(text),
        types::Error::TooLarge(text) | types::Error::Ended(text) | types::Error::System(text) => {
            Error::System(text)
        }
        types::Error::Cancelled(_) => Error::Cancelled,
    }
}
