//! Signals as the WIT package and as the host call them.

use crate::process::Signal;

use super::bindings::poolwarden::pool::types;

impl From<types::Signal> for Signal {
    fn from(signal: types::Signal) -> Self {
        match signal {
            types::Signal::Hup => Self::Hup,
            types::Signal::Int => Self::Int,
            types::Signal::Quit => Self::Quit,
            types::Signal::Usr1 => Self::Usr1,
            types::Signal::Usr2 => Self::Usr2,
            types::Signal::Term => Self::Term,
            types::Signal::Cont => Self::Cont,
            types::Signal::Stop => Self::Stop,
            types::Signal::Kill => Self::Kill,
        }
    }
}

impl From<Signal> for types::Signal {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Hup => Self::Hup,
            Signal::Int => Self::Int,
            Signal::Quit => Self::Quit,
            Signal::Usr1 => Self::Usr1,
            Signal::Usr2 => Self::Usr2,
            Signal::Term => Self::Term,
            Signal::Cont => Self::Cont,
            Signal::Stop => Self::Stop,
            Signal::Kill => Self::Kill,
        }
    }
}
