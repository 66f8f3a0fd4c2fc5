//! The stream of messages, as clients really send it.

use rmcp::RoleServer;
use rmcp::model::{ClientNotification, ClientRequest, GetExtensions};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::{StdioReader, StdioWriter, Transport};
use tokio::task::JoinSet;

use super::closing::Closing;
use super::incoming::{self, Refusal};
use super::lines::{Line, Lines};
use super::load::Load;
use super::outgoing::Outgoing;
use super::waiting::Waiting;

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
    /// Requests that start no work, and what is to be written. Nothing is read while this has
    /// no room.
    traffic: Load,
    /// Calls of tools under way. Further ones wait while this has no room.
    calls: Load,
    waiting: Waiting,
    closing: Closing,
    begun: bool,
    /// Whether the input has ended.
    ended: bool,
    /// Answers to what is no message, on their way out.
    refusals: JoinSet<()>,
    /// How many lines were no messages.
    refused: usize,
}

/// What is to be done next.
enum Next {
    /// A line has come.
    Line(Line),
    /// There is room for a call that waits.
    Call,
    /// Nothing more comes, or nobody listens.
    End,
}

impl Messages {
    /// Says in `closing` when the input ends.
    pub(super) fn new(input: StdioReader, output: StdioWriter, closing: Closing) -> Self {
        let traffic = Load::new();
        Self {
            lines: Lines::new(input),
            outgoing: Outgoing::new(output, traffic.clone(), closing.clone()),
            traffic,
            calls: Load::new(),
            waiting: Waiting::default(),
            closing,
            begun: false,
            ended: false,
            refusals: JoinSet::new(),
            refused: 0,
        }
    }

    /// Waits for what is to be done next.
    async fn next(&mut self) -> Next {
        // Asked before anything is read: the SDK drops this whenever it has something else
        // to do, and a message must not go with it.
        tokio::select! {
            biased;
            () = self.traffic.has_room() => {}
            () = self.closing.over_unread() => return Next::End,
        }
        loop {
            if self.ended && self.waiting.is_empty() {
                return Next::End;
            }
            let reads = !self.ended && self.waiting.has_room();
            let line = tokio::select! {
                biased;
                () = self.closing.over() => return Next::End,
                () = self.calls.has_room(), if !self.waiting.is_empty() => return Next::Call,
                line = self.lines.next(), if reads => line,
                () = self.closing.over_unread(), if !reads => return Next::End,
            };
            let line = line.unwrap_or_else(|error| {
                tracing::error!("standard input cannot be read: {error}");
                None
            });
            match line {
                Some(line) => return Next::Line(line),
                None => {
                    self.ended = true;
                    self.closing.begin();
                }
            }
        }
    }

    /// Whether a message is a call of a tool that has to wait for room. It is held then.
    fn has_to_wait(&mut self, message: &RxJsonRpcMessage<RoleServer>, line: Line) -> bool {
        match message {
            RxJsonRpcMessage::<RoleServer>::Request(request)
                if is_call(&request.request)
                    && !(self.waiting.is_empty() && self.calls.has_room_now()) =>
            {
                self.waiting.push(request.id.clone(), line.into_bytes());
                true
            }
            RxJsonRpcMessage::<RoleServer>::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) =
                    &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    self.waiting.withdraw(id);
                }
                false
            }
            _ => false,
        }
    }

    /// Gives a request the place that it takes while it is under way.
    fn take_on(&mut self, message: &mut RxJsonRpcMessage<RoleServer>, bytes: usize) {
        if let RxJsonRpcMessage::<RoleServer>::Request(request) = message {
            let load = if is_call(&request.request) {
                &self.calls
            } else {
                &self.traffic
            };
            // It goes with the request, whatever becomes of that.
            let place = load.take(bytes);
            request.request.extensions_mut().insert(place);
        }
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
            let (line, is_waiting) = match self.next().await {
                Next::Line(line) => (line, false),
                Next::Call => match self.waiting.pop() {
                    Some(line) => (Line::Whole(line), true),
                    None => continue,
                },
                Next::End => {
                    while self.refusals.join_next().await.is_some() {}
                    return None;
                }
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
            self.begun |= matches!(message, RxJsonRpcMessage::<RoleServer>::Request(_));
            if !self.begun {
                tracing::debug!("passed over a message before the first request");
                continue;
            }
            if !is_waiting && self.has_to_wait(&message, line) {
                continue;
            }
            self.take_on(&mut message, bytes);
            return Some(message);
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// Whether a request starts work on the pool.
fn is_call(request: &ClientRequest) -> bool {
    matches!(request, ClientRequest::CallToolRequest(_))
}
