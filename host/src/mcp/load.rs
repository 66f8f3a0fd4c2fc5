//! How much a server takes on at once.
//!
//! The SDK reads as long as there is something to read, and starts a task for each
//! request: a client that asks faster than it is answered, or does not read its answers,
//! would have the server hold all of it, with a thread and some descriptors for each of
//! hundreds of calls. So calls of tools start only while there is room for them, and reading
//! pauses while the client leaves its answers unread.

use std::sync::Arc;

use tokio::sync::watch;

/// The most that is taken on: requests whose answers are not written yet.
const MOST: usize = 256;

/// A message weighs as much as one request, and as one more for each so many bytes.
const HEAVY: usize = 16 << 10;

/// What a server has taken on.
#[derive(Clone)]
pub(super) struct Load(watch::Sender<usize>);

impl Load {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    /// Waits until there is room for another request, however heavy.
    pub(super) async fn has_room(&self) {
        // The sender lives as long as this.
        let _ = self.0.subscribe().wait_for(|load| *load < MOST).await;
    }

    /// Whether there is room for another request now.
    pub(super) fn has_room_now(&self) -> bool {
        *self.0.borrow() < MOST
    }

    /// Takes on a message of so many bytes.
    pub(super) fn take(&self, bytes: usize) -> Place {
        let weight = 1 + bytes / HEAVY;
        self.0.send_modify(|load| *load += weight);
        Place(Arc::new(Weight {
            load: self.clone(),
            weight,
        }))
    }
}

/// A message's part of the load, given back when the last copy of this goes.
#[derive(Clone)]
pub(super) struct Place(#[expect(dead_code, reason = "it works by being there")] Arc<Weight>);

struct Weight {
    load: Load,
    weight: usize,
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.load.0.send_modify(|load| *load -= self.weight);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn has_room(load: &Load) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        pin!(load.has_room()).poll(&mut context) == Poll::Ready(())
    }

    #[test]
    fn there_is_room_again_once_the_last_copy_of_a_place_is_gone() {
        let load = Load::new();
        let mut places: Vec<_> = (1..MOST).map(|_| load.take(0)).collect();
        assert!(has_room(&load));
        let last = load.take(0);
        assert!(!has_room(&load));
        let copy = last.clone();
        drop(last);
        assert!(!has_room(&load));
        drop(copy);
        assert!(has_room(&load));
        places.clear();
        assert_eq!(*load.0.borrow(), 0);
    }

    #[test]
    fn one_heavy_message_is_taken_on_and_then_nothing_more() {
        let load = Load::new();
        let heavy = load.take(MOST * HEAVY);
        assert!(!has_room(&load));
        drop(heavy);
        assert!(has_room(&load));
    }
}
