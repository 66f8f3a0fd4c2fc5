//! The stream of messages, as clients really send it.

use std::pin::Pin;
use std::task::{Context, Poll};

use rmcp::RoleServer;
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::StdioReader;
use rmcp::transport::Transport;
use rmcp::transport::async_rw::AsyncRwTransport;
use tokio::io::{AsyncRead, DuplexStream, ReadBuf};
use tokio::sync::watch;

use super::outgoing::Outgoing;

/// Standard input and output, tolerant of what comes before the first request.
///
/// The SDK ends a session that opens with anything but a request. Some clients send a
/// notification first, or repeat one of an earlier session; it says nothing to a server
/// that nobody has asked anything, so it is passed over.
pub(super) struct FirstRequest {
    inner: AsyncRwTransport<RoleServer, Watched, DuplexStream>,
    outgoing: Outgoing,
    begun: bool,
}

impl FirstRequest {
    /// `closing` becomes true when the input ends.
    pub(super) fn new(
        input: StdioReader,
        outgoing: Outgoing,
        closing: watch::Sender<bool>,
    ) -> Self {
        let input = Watched { input, closing };
        let inner = AsyncRwTransport::new_server(input, outgoing.stream());
        Self {
            inner,
            outgoing,
            begun: false,
        }
    }
}

impl Transport<RoleServer> for FirstRequest {
    type Error = std::io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.outgoing.clone().send(message)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            let message = self.inner.receive().await?;
            if self.begun || matches!(message, RxJsonRpcMessage::<RoleServer>::Request(_)) {
                self.begun = true;
                return Some(message);
            }
            tracing::debug!("passed over a message before the first request");
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await
    }
}

/// Standard input that tells when it has ended.
struct Watched {
    input: StdioReader,
    closing: watch::Sender<bool>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.input).poll_read(context, buffer);
        let ended = match &polled {
            Poll::Ready(Ok(())) => buffer.filled().len() == before,
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        };
        if ended {
            self.closing.send_replace(true);
        }
        polled
    }
}
