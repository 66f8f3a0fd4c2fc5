//! The server: from a tool call to a request on the pool, and back.

use std::path::Path;
use std::sync::Arc;

use poolwarden::audit::Asker;
use poolwarden::{Answer, Cancel, Error, Pool, Request};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
    ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};

use super::closing::Closing;
use super::policy::Governed;
use super::tools::{PoolTool, instructions, shortened};
use crate::hint::hint;

/// Serves the tools on one pool.
pub(super) struct Server {
    governed: Governed,
    prefix: String,
    tools: Vec<(PoolTool, Tool)>,
    closing: Closing,
}

impl Server {
    pub(super) fn new(governed: Governed, prefix: &str, closing: Closing) -> Self {
        let tools = PoolTool::ALL
            .map(|tool| (tool, tool.definition(prefix)))
            .into();
        Self {
            governed,
            prefix: prefix.to_owned(),
            tools,
            closing,
        }
    }

    /// The pool, unless the client withdraws the call, or has left for some time, while the
    /// policy is being loaded.
    async fn pool(&self, context: &RequestContext<RoleServer>) -> Result<Arc<Pool>, String> {
        tokio::select! {
            pool = self.governed.pool() => pool,
            () = context.ct.cancelled() => Err("the call was withdrawn, nothing was done".into()),
            () = self.closing.over() => Err("the server ends, nothing was done".into()),
        }
    }

    /// Runs a request on a thread where it may block, and withdraws it when the client
    /// does, when this call is dropped, or some time after it has left.
    async fn run(
        &self,
        pool: &Pool,
        request: Request,
        context: &RequestContext<RoleServer>,
    ) -> Result<Answer, Error> {
        let cancel = Cancel::new().map_err(|error| {
            Error::System(format!(
                "cannot start a request: {error}; close some files and try again"
            ))
        })?;
        let _withdraw = WithdrawOnDrop(cancel.clone());
        let pool = pool.asked_by(asker(context));
        let of_request = cancel.clone();
        let mut work = tokio::task::spawn_blocking(move || pool.call(request, &of_request));
        let done = tokio::select! {
            done = &mut work => done,
            () = context.ct.cancelled() => { cancel.cancel(); work.await }
            () = self.closing.over() => { cancel.cancel(); work.await }
        };
        done.unwrap_or_else(|panic| {
            Err(Error::System(format!(
                "the request broke off: {panic}; please report this"
            )))
        })
    }
}

/// Withdraws a request whose call nobody waits for any more.
struct WithdrawOnDrop(Cancel);

impl Drop for WithdrawOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let mut info = ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_instructions(instructions(&self.prefix));
        info.server_info = Implementation::new("poolwarden", env!("CARGO_PKG_VERSION"));
        info
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = self.tools.iter().map(|(_, tool)| tool.clone()).collect();
        Ok(ListToolsResult::with_all_items(tools))
    }

    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some((tool, _)) = self.tools.iter().find(|(_, tool)| tool.name == call.name) else {
            let known: Vec<_> = self
                .tools
                .iter()
                .map(|(_, tool)| tool.name.as_ref())
                .collect();
            let name = shortened(&call.name);
            let known = known.join(", ");
            let text = format!("unknown tool {name:?}; the tools are {known}");
            return Err(ErrorData::invalid_params(text, None));
        };
        let result = match tool.request(&self.prefix, call.arguments) {
            Ok(request) => match self.pool(&context).await {
                Ok(pool) => match self.run(&pool, request, &context).await {
                    // `Outgoing` adds the structured content: it is the same text.
                    Ok(answer) => {
                        CallToolResult::success(vec![ContentBlock::text(answer.into_text())])
                    }
                    Err(error) => failure(&error, pool.path()),
                },
                Err(text) => CallToolResult::error(vec![ContentBlock::text(text)]),
            },
            Err(text) => CallToolResult::error(vec![ContentBlock::text(text)]),
        };
        Ok(result.into())
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.tools
            .iter()
            .find(|(_, tool)| tool.name == name)
            .map(|(_, tool)| tool.clone())
    }
}

/// Who calls: what the client said when it opened the session or, in a request that
/// stands for itself, in that request.
fn asker(context: &RequestContext<RoleServer>) -> Asker {
    match context.client_info() {
        Some(client) => Asker::mcp(&client.name, &client.version),
        None => Asker::unknown_mcp_client(),
    }
}

/// A failed request as the model sees it: what happened, and what to do.
fn failure(error: &Error, pool: &Path) -> CallToolResult {
    let text = match hint(error, pool) {
        Some(hint) => format!("{error}\n{hint}"),
        None => error.to_string(),
    };
    CallToolResult::error(vec![ContentBlock::text(text)])
}
