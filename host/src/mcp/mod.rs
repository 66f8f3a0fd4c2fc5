//! The pool as an MCP server over standard input and output.

mod arguments;
mod closing;
mod fields;
mod file_watch;
mod incoming;
mod lines;
mod load;
mod lookup;
mod near;
mod outgoing;
mod outline;
mod policy;
mod progress;
mod schema;
mod server;
mod tools;
mod transport;
mod unique;
mod view;
mod waiting;

use anyhow::Context;
use nix::fcntl::{FcntlArg, fcntl};
use poolwarden::PoolBuilder;
use rmcp::ServiceExt;
use rmcp::service::ServerInitializeError;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::PolicySource;
use closing::Closing;
use policy::Governed;
use server::Server;
use transport::Messages;

/// Serves until the client closes its end, or a signal asks for the end (TERM or INT). Where
/// there is no pool to serve, every call is answered with the reason.
///
/// # Errors
/// When the streams cannot be used, or the client breaks the protocol's opening.
pub(crate) fn serve(
    served: anyhow::Result<(PoolBuilder, PolicySource)>,
    tool_prefix: &str,
) -> anyhow::Result<()> {
    let governed = Governed::start(served)?;
    // The protocol is all that is asynchronous; requests run on the blocking threads.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    let served = runtime.block_on(async {
        widen_output();
        let closing = Closing::new();
        tokio::spawn(end_at_signals(closing.clone())?);
        let server = Server::new(governed, tool_prefix, closing.clone());
        let (input, output) = rmcp::transport::stdio_pipes();
        let transport = Messages::new(input, output, closing.clone());
        let served = match server.serve(transport).await {
            Ok(running) => {
                let peer = running.peer().clone();
                tokio::spawn(running.service().tell_of_changes(peer));
                running
                    .waiting()
                    .await
                    .map(drop)
                    .context("the server broke off")
            }
            // A client that leaves before it has said anything.
            Err(ServerInitializeError::ConnectionClosed(_)) => Ok(()),
            Err(error) => Err(error).context("the client did not open the session"),
        };
        closing.finish().await;
        served
    });
    // A policy that is being loaded, and a request that takes too long to end, may not delay the
    // exit. The runtime is
    // not shut down: it would detach its threads, and glibc 2.36 was seen to crash in
    // pthread_detach(3) when a thread ended at the same moment and freed what is read there.
    std::mem::forget(runtime);
    served
}

/// Ends the session at TERM and INT. Without a handler, the first process of a pid namespace, as
/// a container has it, does not even notice them (pid_namespaces(7)).
fn end_at_signals(closing: Closing) -> anyhow::Result<impl Future<Output = ()> + Send> {
    let handler = |kind| signal(kind).context("cannot install a handler for signals");
    let mut term = handler(SignalKind::terminate())?;
    let mut int = handler(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        closing.end_now();
    })
}

/// An answer about a thousand workers is larger than a pipe usually holds (64 KiB), and
/// passing it in pieces costs a change of process for each. 1 MiB is what pipe(7) lets
/// everybody ask for.
fn widen_output() {
    if let Err(error) = fcntl(std::io::stdout(), FcntlArg::F_SETPIPE_SZ(1 << 20)) {
        tracing::debug!("standard output is no pipe, or stays as it is: {error}");
    }
}
