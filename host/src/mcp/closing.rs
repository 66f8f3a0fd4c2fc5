//! The end of a session: when it begins, and how long it may take.

use std::future::pending;
use std::os::fd::AsFd;
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// How long requests under way, and answers that nobody takes, may still take when the
/// client has left. Clients wait two seconds for a server to exit before they signal it,
/// also where the machine is busy.
const GRACE: Duration = Duration::from_secs(1);

/// How long cancelled requests may take after that to end. They record within half a second that
/// a kill was withdrawn, unless somebody else holds the pool's trail; and with [`GRACE`] this is
/// less than the two seconds.
const ENDING: Duration = Duration::from_millis(800);

/// Whether the client has left, and when whatever is left over is given up.
#[derive(Clone)]
pub(super) struct Closing {
    end: watch::Sender<Option<Instant>>,
    /// How many requests are under way on threads of their own.
    requests: watch::Sender<usize>,
}

/// A request that is under way, until this is dropped.
pub(super) struct UnderWay(watch::Sender<usize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|requests| *requests -= 1);
    }
}

impl Closing {
    /// A session that goes on.
    pub(super) fn new() -> Self {
        Self {
            end: watch::Sender::new(None),
            requests: watch::Sender::new(0),
        }
    }

    /// Begins a request, which the end waits for.
    pub(super) fn request(&self) -> UnderWay {
        self.requests.send_modify(|requests| *requests += 1);
        UnderWay(self.requests.clone())
    }

    /// Cancels the requests that are under way, and waits until they have ended or may take no
    /// longer.
    pub(super) async fn finish(&self) {
        self.end_now();
        let mut requests = self.requests.subscribe();
        let ended = requests.wait_for(|requests| *requests == 0);
        if timeout_at(Instant::now() + ENDING, ended).await.is_err() {
            tracing::warn!("the server ends, and what a request was about to do is not recorded");
        }
    }

    /// Nobody asks any more, or nobody listens. Further calls change nothing.
    pub(super) fn begin(&self) {
        self.end.send_if_modified(|end| {
            let first = end.is_none();
            if first {
                *end = Some(Instant::now() + GRACE);
            }
            first
        });
    }

    /// Nothing goes on, not even what is under way.
    pub(super) fn end_now(&self) {
        self.end.send_replace(Some(Instant::now()));
    }

    /// Waits until the end begins.
    pub(super) async fn begun(&self) {
        // The sender lives as long as this.
        let _ = self.end.subscribe().wait_for(Option::is_some).await;
    }

    /// Waits until what is left over is to be given up.
    pub(super) async fn over(&self) {
        let mut closing = self.end.subscribe();
        // The sender lives as long as this. The end may be brought forward.
        while let Ok(Some(end)) = closing.wait_for(Option::is_some).await.map(|end| *end) {
            if timeout_at(end, closing.changed()).await.is_err() {
                return;
            }
        }
    }

    /// The same for those who hold up the reading of the input, and with it the news that
    /// it has ended.
    pub(super) async fn over_unread(&self) {
        let hung_up = async {
            hung_up().await;
            self.begin();
            pending::<()>().await;
        };
        tokio::select! {
            () = self.over() => {}
            () = hung_up => {}
        }
    }
}

/// Waits until nobody can write to standard input any more, whether or not all of it was
/// read. Where that cannot be told, as of a file, it waits for ever.
async fn hung_up() {
    // A descriptor of its own: one can be waited for once (epoll_ctl(2)).
    let input = std::io::stdin().as_fd().try_clone_to_owned();
    let watched = input.ok().and_then(|input| {
        // SAFETY: an `OwnedFd` is open, and stays the same until it is dropped.
        unsafe { AsyncFd::register_with_interest(input, Interest::READABLE) }.ok()
    });
    if let Some(input) = watched {
        while let Ok(mut ready) = input.readable().await {
            if ready.ready().is_read_closed() {
                return;
            }
            // Something can be read, but not here.
            ready.clear_ready();
        }
    }
    pending::<()>().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_waits_for_requests_and_not_for_ever() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("an event loop").block_on(async {
            let closing = Closing::new();
            closing.finish().await;
            let ends = closing.request();
            let finish = closing.finish();
            tokio::pin!(finish);
            tokio::select! {
                biased;
                () = &mut finish => panic!("a request is under way"),
                () = tokio::task::yield_now() => {}
            }
            drop(ends);
            finish.await;
            let _stuck = closing.request();
            closing.finish().await;
        });
    }
}
