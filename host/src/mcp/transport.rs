//! The stream of messages, as clients really send it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use rmcp::RoleServer;
use rmcp::model::GetExtensions;
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::{StdioReader, StdioWriter, Transport};
use tokio::io::{AsyncRead, DuplexStream, ReadBuf};

use super::closing::Closing;
use super::load::Load;
use super::outgoing::Outgoing;

/// Standard input and output: no more is read than can be taken on, and what comes before
/// the first request is passed over.
///
/// The SDK ends a session that opens with anything but a request. Some clients send a
/// notification first, or repeat one of an earlier session; it says nothing to a server
/// that nobody has asked anything.
pub(super) struct Messages {
    inner: AsyncRwTransport<RoleServer, Watched, DuplexStream>,
    outgoing: Outgoing,
    load: Load,
    closing: Closing,
    /// Bytes read since the last message.
    read: Arc<AtomicUsize>,
    begun: bool,
}

impl Messages {
    /// Says in `closing` when the input ends.
    pub(super) fn new(input: StdioReader, output: StdioWriter, closing: Closing) -> Self {
        let (load, read) = (Load::new(), Arc::default());
        let outgoing = Outgoing::new(output, load.clone(), closing.clone());
        let input = Watched {
            input,
            read: Arc::clone(&read),
            closing: closing.clone(),
        };
        Self {
            inner: AsyncRwTransport::new_server(input, outgoing.stream()),
            outgoing,
            load,
            closing,
            read,
            begun: false,
        }
    }

    /// The next message; none when there is no more to come, or nobody to answer.
    async fn next(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        // Asked before anything is read: the SDK drops this whenever it has something else
        // to do, and a message must not go with it.
        tokio::select! {
            biased;
            () = self.load.has_room() => {}
            () = self.closing.over_unread() => return None,
        }
        tokio::select! {
            biased;
            () = self.closing.over() => None,
            message = self.inner.receive() => message,
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
            let mut message = self.next().await?;
            let read = self.read.swap(0, Ordering::Relaxed);
            if let RxJsonRpcMessage::<RoleServer>::Request(request) = &mut message {
                self.begun = true;
                // It goes with the request, whatever becomes of that.
                let place = self.load.take(read);
                request.request.extensions_mut().insert(place);
            }
            if self.begun {
                return Some(message);
            }
            tracing::debug!("passed over a message before the first request");
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await
    }
}

/// Standard input that counts what is read, and tells when it has ended.
struct Watched {
    input: StdioReader,
    read: Arc<AtomicUsize>,
    closing: Closing,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.input).poll_read(context, buffer);
        let read = buffer.filled().len() - before;
        self.read.fetch_add(read, Ordering::Relaxed);
        if polled.is_ready() && read == 0 {
            self.closing.begin();
        }
        polled
    }
}
