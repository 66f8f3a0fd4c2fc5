//! The pool as an MCP server over standard input and output.

mod schema;
mod server;
mod tools;
mod transport;

use std::sync::Arc;

use anyhow::Context;
use poolwarden::Pool;
use rmcp::ServiceExt;
use rmcp::service::ServerInitializeError;

use server::Server;
use transport::FirstRequest;

/// Serves until the client closes its end.
///
/// # Errors
/// When the streams cannot be used, or the client breaks the protocol's opening.
pub(crate) fn serve(pool: Pool, tool_prefix: &str) -> anyhow::Result<()> {
    // The protocol is all that is asynchronous; requests run on the blocking threads.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    let served = runtime.block_on(async {
        let server = Server::new(Arc::new(pool), tool_prefix);
        let (input, output) = rmcp::transport::stdio_pipes();
        let transport = FirstRequest::new(input, output, server.closing());
        match server.serve(transport).await {
            Ok(running) => running.waiting().await.map(drop).context("the server broke off"),
            // A client that leaves before it has said anything.
            Err(ServerInitializeError::ConnectionClosed(_)) => Ok(()),
            Err(error) => Err(error).context("the client did not open the session"),
        }
    });
    // Withdrawn requests are on their way out; none of them may delay the exit.
    runtime.shutdown_background();
    served
}
