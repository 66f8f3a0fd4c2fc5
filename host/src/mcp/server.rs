//! The server: from a tool call to a request on the pool, and back.

use std::path::Path;
use std::sync::Arc;

use poolwarden::audit::Asker;
use poolwarden::doctor::Doctor;
use poolwarden::{Cancel, Error, Mandate, Pool, Request};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
    ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, SubscriptionFilter,
    Tool,
};
use rmcp::service::{Peer, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};

use super::closing::Closing;
use super::policy::Governed;
use super::progress::Notifier;
use super::tools::{Call, PoolTool, instructions, shortened};
use super::view::{Lookup, Shown, View, WITHOUT_PROGRESS};
use crate::hint::hint;

/// Serves the tools on one pool.
pub(super) struct Server {
    governed: Governed,
    prefix: String,
    closing: Closing,
}

impl Server {
    pub(super) fn new(governed: Governed, prefix: &str, closing: Closing) -> Self {
        Self {
            governed,
            prefix: prefix.to_owned(),
            closing,
        }
    }

    /// The tools as they are listed now.
    fn tools(&self) -> Vec<Tool> {
        definitions(&self.governed, &self.prefix)
    }

    /// The tool that clients call by this name.
    fn tool(&self, name: &str) -> Option<PoolTool> {
        let mut all = PoolTool::ALL.into_iter();
        all.find(|tool| name.strip_prefix(self.prefix.as_str()) == Some(tool.name()))
    }

    /// Tells a client that opened its session by `initialize` whenever the tools have changed;
    /// the others subscribe to that.
    pub(super) fn tell_of_changes(
        &self,
        peer: Peer<RoleServer>,
    ) -> impl Future<Output = ()> + use<> {
        let mut listed = Listed::new(self);
        async move {
            loop {
                listed.changed().await;
                if peer.peer_info().is_some() && peer.notify_tool_list_changed().await.is_err() {
                    return;
                }
            }
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
        call: Call,
        context: &RequestContext<RoleServer>,
    ) -> Result<Shown, Error> {
        let cancel = Cancel::new().map_err(|error| {
            Error::System(format!(
                "cannot start a request: {error}; close some files and try again"
            ))
        })?;
        let _withdraw = WithdrawOnDrop(cancel.clone());
        let (mut notifier, progress) = Notifier::of(context);
        let mut pool = pool.asked_by(asker(context));
        if notifier.is_some() {
            pool = pool.reporting_to(move |now| drop(progress.send_replace(now)));
        }
        let call = if notifier.is_some() {
            call
        } else {
            returning_early(call)
        };
        if leaves_kills(&call) {
            pool = pool.leaving_kills();
        }
        let of_request = cancel.clone();
        let under_way = self.closing.request();
        let mut work = tokio::task::spawn_blocking(move || {
            let done = carry_out(&pool, call, &of_request);
            drop(under_way);
            done
        });
        let withdrawn = async {
            tokio::select! {
                () = context.ct.cancelled() => {}
                () = self.closing.over() => {}
            }
        };
        tokio::pin!(withdrawn);
        let done = loop {
            tokio::select! {
                done = &mut work => break done,
                () = &mut withdrawn => { cancel.cancel(); break work.await; }
                () = due(&mut notifier) => {}
            }
            // It is written before the answer: after that, the client knows its token no more.
            tokio::select! {
                () = tell(&mut notifier) => {}
                () = &mut withdrawn => { cancel.cancel(); break work.await; }
            }
        };
        done.unwrap_or_else(|panic| {
            Err(Error::System(format!(
                "the request broke off: {panic}; please report this"
            )))
        })
    }
}

/// Waits until the client is to be told how far its call has come; for ever where it does not
/// want to know.
async fn due(notifier: &mut Option<Notifier>) {
    match notifier {
        Some(notifier) => notifier.due().await,
        None => std::future::pending().await,
    }
}

async fn tell(notifier: &mut Option<Notifier>) {
    if let Some(notifier) = notifier {
        notifier.tell().await;
    }
}

/// A call that no progress can keep the client waiting for: a long stop returns before the
/// client gives up, and leaves what was to come after its wait to another call.
fn returning_early(mut call: Call) -> Call {
    if let (Request::Stop(stop), View::Stop { returned_early, .. }) =
        (&mut call.request, &mut call.view)
        && stop.grace > WITHOUT_PROGRESS
    {
        *returned_early = Some((stop.grace, stop.force));
        stop.grace = WITHOUT_PROGRESS;
        stop.force = false;
    }
    call
}

/// Whether a call returns before the kill that its client asked for.
fn leaves_kills(call: &Call) -> bool {
    let View::Stop { returned_early, .. } = &call.view else {
        return false;
    };
    returned_early.is_some_and(|(_, kills)| kills)
}

/// Carries out a call, on this thread.
fn carry_out(pool: &Pool, call: Call, cancel: &Cancel) -> Result<Shown, Error> {
    let answer = pool.call(call.request, cancel)?;
    Ok(call.view.show(answer.into_text(), &OnPool { pool, cancel }))
}

/// Looks up in the pool what the note of an answer needs.
struct OnPool<'a> {
    pool: &'a Pool,
    cancel: &'a Cancel,
}

impl Lookup for OnPool<'_> {
    fn sids(&self) -> Vec<String> {
        let forecast = poolwarden::Ensure { dry_run: true };
        let found = self.pool.ensure(forecast, self.cancel);
        let sessions = found.map(|found| found.into_fields().sessions);
        let sessions = sessions.unwrap_or_default().into_iter();
        sessions.map(|session| session.sid).collect()
    }

    fn way_out(&self, sid: &str) -> Option<String> {
        let mut doctor = Doctor::new(self.pool.path());
        let mandate = self.pool.mandate();
        let proof = mandate.settings().get(Mandate::PROOF);
        if let Some(proof) = proof.and_then(|value| value.parse().ok()) {
            doctor = doctor.with_proof(proof);
        }
        doctor.way_out(sid)
    }

    fn withdrawn_kills(&self) -> Vec<String> {
        let claims = self.pool.withdrawn_kills(self.cancel).unwrap_or_default();
        claims.into_iter().map(|claim| claim.sid).collect()
    }
}

/// Withdraws a request whose call nobody waits for any more.
struct WithdrawOnDrop(Cancel);

impl Drop for WithdrawOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The tools as a client has them, once they were listed or announced.
struct Listed {
    governed: Governed,
    prefix: String,
    tools: Vec<Tool>,
}

impl Listed {
    fn new(server: &Server) -> Self {
        Self {
            governed: server.governed.clone(),
            prefix: server.prefix.clone(),
            tools: server.tools(),
        }
    }

    /// Waits until the tools are others.
    async fn changed(&mut self) {
        loop {
            self.governed.changed().await;
            let tools = definitions(&self.governed, &self.prefix);
            if tools != self.tools {
                self.tools = tools;
                return;
            }
        }
    }
}

fn definitions(governed: &Governed, prefix: &str) -> Vec<Tool> {
    let grants = governed.grants();
    PoolTool::ALL
        .map(|tool| tool.definition(prefix, grants.as_ref()))
        .into()
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .build();
        let mut text = instructions(&self.prefix, self.governed.path());
        if let Some(trouble) = self.governed.trouble() {
            text = format!("NOT USABLE NOW: {trouble}. {text}");
        }
        let mut info = ServerConfig::new(capabilities).with_instructions(text);
        info.server_info = Implementation::new("poolwarden", env!("CARGO_PKG_VERSION"));
        info
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.tools()))
    }

    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(tool) = self.tool(&call.name) else {
            let known = PoolTool::ALL.map(|tool| tool.name_with(&self.prefix));
            let name = shortened(&call.name);
            let known = known.join(", ");
            let text = format!("unknown tool {name:?}; the tools are {known}");
            return Err(ErrorData::invalid_params(text, None));
        };
        let result = match tool.call(&self.prefix, call.arguments) {
            Ok(call) => match self.pool(&context).await {
                Ok(pool) => match self.run(&pool, call, &context).await {
                    Ok(shown) => answered(shown),
                    Err(error) => failure(&error, pool.path()),
                },
                Err(text) => CallToolResult::error(vec![ContentBlock::text(text)]),
            },
            Err(text) => CallToolResult::error(vec![ContentBlock::text(text)]),
        };
        Ok(result.into())
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let tool = self.tool(name)?;
        Some(tool.definition(&self.prefix, self.governed.grants().as_ref()))
    }

    fn accepted_subscription_filter(
        &self,
        _requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(SubscriptionFilter::builder().tools_list_changed().build())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut listed = Listed::new(self);
        loop {
            tokio::select! {
                () = listed.changed() => {}
                () = context.cancelled() => return Ok(()),
                () = self.closing.begun() => return Ok(()),
            }
            if context.sink().notify_tool_list_changed().await.is_err() {
                return Ok(());
            }
        }
    }
}

/// An answer for the client.
fn answered(Shown { text, failed }: Shown) -> CallToolResult {
    if !failed {
        // `Outgoing` adds the structured content: it is the same text.
        return CallToolResult::success(vec![ContentBlock::text(text)]);
    }
    let structured = serde_json::from_str(&text).ok();
    let mut result = CallToolResult::error(vec![ContentBlock::text(text)]);
    result.structured_content = structured;
    result
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
