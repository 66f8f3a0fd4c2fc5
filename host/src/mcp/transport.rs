//! The stream of messages, as clients really send it.

use rmcp::RoleServer;
use rmcp::model::GetExtensions;
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::{StdioReader, StdioWriter, Transport};
use tokio::task::JoinSet;

use super::closing::Closing;
use super::incoming::{self, Refusal};
use super::lines::{Line, Lines};
use super::load::Load;
use super::outgoing::Outgoing;

/// How many lines that are no messages the log tells of: a client that sends one sends many.
const TOLD: usize = 10;

/// Standard input and output: no more is read than can be taken on, and what comes before
/// the first request is passed over.
///
/// The SDK ends a session that opens with anything but a request. Some clients send a
/// notification first, or repeat one of an earlier session; it says nothing to a server
/// that nobody has asked anything.
pub(super) struct Messages {
    lines: Lines<StdioReader>,
    outgoing: Outgoing,
    load: Load,
    closing: Closing,
    begun: bool,
    /// Answers to what is no message, on their way out.
    refusals: JoinSet<()>,
    /// How many lines were no messages.
    refused: usize,
}

impl Messages {
    /// Says in `closing` when the input ends.
    pub(super) fn new(input: StdioReader, output: StdioWriter, closing: Closing) -> Self {
        let load = Load::new();
        Self {
            lines: Lines::new(input),
            outgoing: Outgoing::new(output, load.clone(), closing.clone()),
            load,
            closing,
            begun: false,
            refusals: JoinSet::new(),
            refused: 0,
        }
    }

    /// The next line; none when there is no more to come, or nobody to answer.
    async fn next(&mut self) -> Option<Line> {
        // Asked before anything is read: the SDK drops this whenever it has something else
        // to do, and a message must not go with it.
        tokio::select! {
            biased;
            () = self.load.has_room() => {}
            () = self.closing.over_unread() => return None,
        }
        let line = tokio::select! {
            biased;
            () = self.closing.over() => return None,
            line = self.lines.next() => line,
        };
        let line = line.unwrap_or_else(|error| {
            tracing::error!("standard input cannot be read: {error}");
            None
        });
        if line.is_none() {
            self.closing.begin();
        }
        line
    }

    /// Answers a line of so many bytes that is no message, without waiting for the client to
    /// take it.
    fn refuse(&mut self, refusal: Refusal, bytes: usize) {
        self.refused += 1;
        if self.refused <= TOLD {
            let reason = refusal.reason();
            tracing::warn!("refused a line of {bytes} bytes from the client: {reason}");
        }
        if self.refused == TOLD {
            tracing::warn!("further lines that are refused are told to the client alone");
        }
        while self.refusals.try_join_next().is_some() {}
        if let Some(answer) = refusal.answer() {
            let sent = self.outgoing.clone().send_line(answer);
            self.refusals.spawn(async move {
                // Whoever does not take it is noticed there.
                let _ = sent.await;
            });
        }
    }
}

impl Transport<RoleServer> for Messages {
    type Error = std::io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.outgoing.clone().send(message)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            let Some(line) = self.next().await else {
                while self.refusals.join_next().await.is_some() {}
                return None;
            };
            let bytes = line.len();
            let mut message = match incoming::message(&line) {
                Ok(Some(message)) => message,
                Ok(None) => continue,
                Err(refusal) => {
                    self.refuse(refusal, bytes);
                    continue;
                }
            };
            if let RxJsonRpcMessage::<RoleServer>::Request(request) = &mut message {
                self.begun = true;
                // It goes with the request, whatever becomes of that.
                let place = self.load.take(bytes);
                request.request.extensions_mut().insert(place);
            }
            if self.begun {
                return Some(message);
            }
            tracing::debug!("passed over a message before the first request");
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}
