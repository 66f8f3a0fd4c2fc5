//! Progress notifications for a call that takes long.

use std::time::{Duration, Instant};

use poolwarden::Progress;
use rmcp::RoleServer;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::{Peer, RequestContext};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval_at};

/// How long the client hears nothing at most, while a call goes on. Some clients give up after
/// 10 s.
const SILENCE: Duration = Duration::from_secs(4);

/// How many more workers could end before the fraction of the next one is half told.
const HALF: Duration = Duration::from_secs(60);

/// Tells the client how far its call has come.
pub(super) struct Notifier {
    peer: Peer<RoleServer>,
    token: ProgressToken,
    begun: Instant,
    ticks: Interval,
    seen: watch::Receiver<Progress>,
}

impl Notifier {
    /// For this call, where its caller has given a token; and where to put how far it has come.
    pub(super) fn of(
        context: &RequestContext<RoleServer>,
    ) -> (Option<Self>, watch::Sender<Progress>) {
        let (sender, seen) = watch::channel(Progress::default());
        let notifier = context.meta.get_progress_token().map(|token| {
            let mut ticks = interval_at(tokio::time::Instant::now() + SILENCE, SILENCE);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            Self {
                peer: context.peer.clone(),
                token,
                begun: Instant::now(),
                ticks,
                seen,
            }
        });
        (notifier, sender)
    }

    /// Waits until there is something to tell: more workers have ended, or the client has heard
    /// nothing for some time.
    pub(super) async fn due(&mut self) {
        let told = self.seen.borrow_and_update().clone();
        let news = async {
            loop {
                if self.seen.changed().await.is_err() {
                    // The request has ended: its answer comes.
                    std::future::pending::<()>().await;
                }
                let now = self.seen.borrow_and_update().clone();
                if (now.ended, now.signalled) != (told.ended, told.signalled) {
                    return;
                }
            }
        };
        tokio::select! {
            () = news => {}
            _ = self.ticks.tick() => {}
        }
    }

    /// Tells it. That the client takes nothing more is noticed elsewhere.
    pub(super) async fn tell(&mut self) {
        let now = self.seen.borrow().clone();
        let param = notification(&self.token, &now, self.begun.elapsed());
        let _ = self.peer.notify_progress(param).await;
        self.ticks.reset();
    }
}

/// What is told after so long. The protocol wants the progress to increase with each
/// notification, also while nobody ends: so the time adds a growing fraction of one worker.
fn notification(
    token: &ProgressToken,
    now: &Progress,
    elapsed: Duration,
) -> ProgressNotificationParam {
    let Progress {
        signalled,
        ended,
        waits_for,
    } = now;
    let fraction = elapsed.as_secs_f64() / (elapsed.as_secs_f64() + HALF.as_secs_f64());
    #[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 workers")]
    let (ended_so_far, total) = (*ended as f64, *signalled as f64);
    let mut param = ProgressNotificationParam::new(token.clone(), ended_so_far + fraction);
    if *signalled == 0 {
        return param.with_message(format!("under way for {} s", elapsed.as_secs()));
    }
    param = param.with_total(total);
    let mut message = format!("{ended} of {signalled} workers have ended");
    if !waits_for.is_empty() {
        let named: Vec<_> = waits_for
            .iter()
            .map(|sid| super::tools::shortened(sid))
            .collect();
        message = format!("{message}, waiting for {}", named.join(", "));
    }
    param.with_message(message)
}

#[cfg(test)]
mod tests {
    use rmcp::model::NumberOrString;

    use super::*;

    #[test]
    fn progress_increases_and_stays_below_the_total_until_all_have_ended() {
        let token = ProgressToken(NumberOrString::Number(1));
        let mut last = 0.0;
        for (seconds, ended) in [(1, 0), (5, 0), (6, 1), (100, 1), (3600, 2), (3601, 2)] {
            let now = Progress {
                signalled: 3,
                ended,
                waits_for: vec!["a".into()],
            };
            let told = notification(&token, &now, Duration::from_secs(seconds));
            assert!(told.progress > last && told.progress < 3.0, "{told:?}");
            assert_eq!(told.total, Some(3.0));
            let message = told.message.expect("a message");
            let begin = format!("{ended} of 3 workers have ended");
            assert!(message.starts_with(&begin), "{message}");
            last = told.progress;
        }
    }
}
