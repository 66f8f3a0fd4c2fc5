//! The whole job, shown on a real pool of real processes.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail, ensure};
use rmcp::ServiceExt;
use rmcp::model::{CallToolRequestParams, JsonObject};
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::TokioChildProcess;
use serde_json::{Value, json};

use super::{Exit, output};
use crate::stderr::say;

const SESSIONS: [&str; 3] = ["search", "index", "watch"];

/// Starts three workers in a temporary pool, kills one behind the pool's back, and shows
/// what ensure, status and stop make of it, through a real MCP client that talks to this
/// very program. The shipped policy decides, whatever the user has configured.
///
/// # Errors
/// When any step does not end as it must: the demonstration is a test of the machine.
pub(super) fn run() -> anyhow::Result<Exit> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let pool = TemporaryPool::new()?;
    show(format_args!("A pool in {}\n", pool.0.display()))?;

    let mut workers = Vec::new();
    for sid in SESSIONS {
        let worker = Worker::start(&program, &pool.0.join(format!("{sid}.sock")))?;
        register(&program, &pool.0, sid, &worker)?;
        workers.push(worker);
    }

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    runtime.block_on(play(&program, &pool.0, &mut workers))?;
    show(format_args!(
        "That was poolwarden: every answer above came from the sandboxed policy."
    ))?;
    Ok(Exit::Ok)
}

async fn play(program: &Path, pool: &Path, workers: &mut [Worker]) -> anyhow::Result<()> {
    let command = tokio::process::Command::from(command(program, pool, &["mcp"]));
    show(format_args!(
        "$ poolwarden --state-dir {} mcp    (an MCP client is connected to it)",
        pool.display()
    ))?;
    let server = TokioChildProcess::new(command).context("cannot start the server")?;
    let client = ().serve(server).await.context("cannot connect to the server")?;

    let status = call(&client, "pool_status", json!({})).await?;
    expect(&status, "/sessions/1/status", "running")?;

    let victim = &mut workers[1];
    show(format_args!(
        "\nWorker \"index\", pid {}, is killed behind the pool's back.",
        victim.0.id()
    ))?;
    victim.end()?;

    let ensured = call(&client, "pool_ensure", json!({})).await?;
    expect(&ensured, "/removed/0/sid", "index")?;

    let stopped = call(&client, "pool_stop", json!({"sid": "search"})).await?;
    expect(&stopped, "/stopped/0", "search")?;
    let stopped = call(&client, "pool_stop", json!({})).await?;
    expect(&stopped, "/stopped/0", "watch")?;

    let left = call(&client, "pool_status", json!({})).await?;
    ensure!(
        left["sessions"] == json!([]),
        "workers are left in the pool"
    );
    client.cancel().await.context("the server did not end")?;

    for worker in workers {
        let ended = worker.0.try_wait().context("cannot look at a worker")?;
        ensure!(ended.is_some(), "worker {} was not stopped", worker.0.id());
    }
    Ok(())
}

/// Prints a line. A reader that goes away is no error: the demonstration ends as it would.
fn show(line: impl Display) -> anyhow::Result<()> {
    Ok(output::write(&format!("{line}\n"))?)
}

/// Calls a tool and prints what was asked and answered.
async fn call(
    client: &RunningService<RoleClient, ()>,
    tool: &'static str,
    arguments: Value,
) -> anyhow::Result<Value> {
    show(format_args!("\n> {tool} {arguments}"))?;
    let arguments: JsonObject = serde_json::from_value(arguments).context("no object")?;
    let result = client
        .call_tool(CallToolRequestParams::new(tool).with_arguments(arguments))
        .await
        .with_context(|| format!("{tool} was not answered"))?;
    let Some(answer) = result
        .structured_content
        .filter(|_| result.is_error != Some(true))
    else {
        bail!("{tool} failed: {:?}", result.content);
    };
    show(format_args!("{answer:#}"))?;
    Ok(answer)
}

fn expect(answer: &Value, pointer: &str, expected: &str) -> anyhow::Result<()> {
    let found = answer.pointer(pointer).and_then(Value::as_str);
    ensure!(
        found == Some(expected),
        "expected {expected:?} at {pointer} of the answer, found {found:?}"
    );
    Ok(())
}

/// A command of this program on the demonstration's pool.
fn command(program: &Path, pool: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        // What the user has configured may name another policy, with other ideas.
        .env_remove("POOLWARDEN_POLICY")
        .arg("--state-dir")
        .arg(pool)
        .args(arguments);
    command
}

fn register(program: &Path, pool: &Path, sid: &str, worker: &Worker) -> anyhow::Result<()> {
    let pid = worker.0.id().to_string();
    let sock = pool.join(format!("{sid}.sock"));
    show(format_args!(
        "$ poolwarden --state-dir {} register --sid {sid} --pid {pid} --sock {}",
        pool.display(),
        sock.display()
    ))?;
    let register = ["register", "--sid", sid, "--pid", &pid, "--sock"];
    let done = command(program, pool, &register)
        .arg(&sock)
        .stdin(Stdio::null())
        .output()
        .context("cannot run this program")?;
    ensure!(
        done.status.success(),
        "register failed: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    show(format_args!("{}", String::from_utf8_lossy(&done.stdout)))?;
    Ok(())
}

/// A real worker process. It is ended when this goes.
struct Worker(Child);

impl Worker {
    /// Starts a worker and waits until it serves its socket.
    fn start(program: &Path, sock: &Path) -> anyhow::Result<Self> {
        let child = Command::new(program)
            .arg("demo-worker")
            .arg(sock)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start a worker")?;
        let mut worker = Self(child);
        let stdout = worker.0.stdout.take().context("the worker has no output")?;
        let mut ready = String::new();
        BufReader::new(stdout)
            .read_line(&mut ready)
            .context("the worker says nothing")?;
        ensure!(ready == "ready\n", "the worker did not start");
        Ok(worker)
    }

    fn end(&mut self) -> anyhow::Result<()> {
        self.0.kill().context("cannot kill the worker")?;
        self.0.wait().context("cannot reap the worker")?;
        Ok(())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It fails only for a worker that has ended and was reaped.
        let _ = self.end();
    }
}

/// A directory of its own, removed when this goes.
struct TemporaryPool(PathBuf);

impl TemporaryPool {
    fn new() -> anyhow::Result<Self> {
        let template = std::env::temp_dir().join("poolwarden-demo-XXXXXX");
        // mkdtemp(3) makes it with mode 0700 and a name that nobody else has.
        let path = nix::unistd::mkdtemp(&template)
            .with_context(|| format!("cannot make {}", template.display()))?;
        let pool = Self(path);
        // A configuration in the pool counts before the user's, and whole: an empty one
        // leaves it to the shipped policy. Whoever can write it is who may.
        let configuration = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(pool.0.join("poolwarden.toml"));
        configuration.context("cannot make the demonstration's configuration")?;
        Ok(pool)
    }
}

impl Drop for TemporaryPool {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            say!("warning: {} is left: {error}", self.0.display());
        }
    }
}
