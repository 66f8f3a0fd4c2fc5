//! The pool as an MCP server over standard input and output.

mod closing;
mod file_watch;
mod incoming;
mod lines;
mod load;
mod lookup;
mod outgoing;
mod outline;
mod policy;
mod schema;
mod server;
mod tools;
mod transport;
mod unique;

use anyhow::Context;
use nix::fcntl::{FcntlArg, fcntl};
use poolwarden::PoolBuilder;
use rmcp::ServiceExt;
use rmcp::service::ServerInitializeError;

use crate::cli::PolicySource;
use closing::Closing;
use policy::Governed;
use server::Server;
use transport::Messages;

/// Serves until the client closes its end.
///
/// # Errors
/// When the streams cannot be used, or the client breaks the protocol's opening.
pub(crate) fn serve(
    builder: PoolBuilder,
    source: PolicySource,
    tool_prefix: &str,
) -> anyhow::Result<()> {
    let governed = Governed::start(builder, source)?;
    // The protocol is all that is asynchronous; requests run on the blocking threads.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    let served = runtime.block_on(async {
        widen_output();
        let closing = Closing::new();
        let server = Server::new(governed, tool_prefix, closing.clone());
        let (input, output) = rmcp::transport::stdio_pipes();
        let transport = Messages::new(input, output, closing);
        match server.serve(transport).await {
            Ok(running) => running
                .waiting()
                .await
                .map(drop)
                .context("the server broke off"),
            // A client that leaves before it has said anything.
            Err(ServerInitializeError::ConnectionClosed(_)) => Ok(()),
            Err(error) => Err(error).context("the client did not open the session"),
        }
    });
    // Withdrawn requests are on their way out; none of them may delay the exit.
    runtime.shutdown_background();
    served
}

/// An answer about a thousand workers is larger than a pipe usually holds (64 KiB), and
/// passing it in pieces costs a change of process for each. 1 MiB is what pipe(7) lets
/// everybody ask for.
fn widen_output() {
    if let Err(error) = fcntl(std::io::stdout(), FcntlArg::F_SETPIPE_SZ(1 << 20)) {
        tracing::debug!("standard output is no pipe, or stays as it is: {error}");
    }
}
