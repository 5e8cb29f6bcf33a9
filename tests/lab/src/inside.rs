//! What runs inside the private namespaces: the first process, which reaps and ends everything, and the server,
//! which starts the lab's parts.

use std::process::{ExitCode, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use axum::routing::get;
use axum::{Json, Router};
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, wait};
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixListener;

use crate::cluster;
use crate::control_plane::ControlPlane;
use crate::network;
use crate::pki::Authority;
use crate::settings::{Folder, Purpose, Session, Settings};

/// What the server prints on standard output when the lab can be used, or when the seed is complete.
pub const READY: &str = "ready";

/// The first process of the namespace: it runs the server, reaps what is orphaned, and once the server ends, ends
/// everything else and removes the lab's folder.
/// The two are separate processes because a process that waits for any child takes the results of those that its
/// own libraries wait for.
pub fn init(folder: &Folder) -> anyhow::Result<ExitCode> {
    let session = folder.read_session()?;
    let server = std::process::Command::new(std::env::current_exe()?)
        .args(["inside", "--serve", "--folder"])
        .arg(folder.path())
        .spawn()
        .context("starting the server")?;
    let server = Pid::from_child(&server);
    let succeeded = loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == server => break status.exit_status() == Some(0),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("waiting for the server"),
        }
    };
    // The process group "1" is by kill(2) every process of the namespace but this one.
    let _ = kill_process_group(Pid::INIT, Signal::KILL);
    while wait(WaitOptions::empty()).is_ok() {}
    let is_seed = session.purpose == Purpose::Seed && succeeded;
    if !is_seed && !session.keep {
        std::fs::remove_dir_all(folder.path())
            .with_context(|| format!("removing `{}`", folder.path().display()))?;
    }
    Ok(if succeeded {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Starts everything, says so on standard output, and serves until standard input closes: so nothing outlives the
/// process that started the lab, however that ends.
pub async fn serve(folder: &Folder) -> anyhow::Result<()> {
    let session = folder.read_session()?;
    tokio::select! {
        result = run(folder, &session) => result,
        () = input_closes() => match session.purpose {
            Purpose::Seed => bail!("the process that wanted the seed is gone"),
            Purpose::Use => Ok(()),
        },
    }
}

async fn run(folder: &Folder, session: &Session) -> anyhow::Result<()> {
    network::set_up(folder).await?;
    let authority = Arc::new(Authority::load_or_create(&folder.pki())?);
    let mut parts = Parts::start(folder, session, &authority).await?;
    if session.purpose == Purpose::Seed {
        cluster::apply(
            session.settings.fixture,
            &session.tools,
            &folder.internal_kubeconfig(),
        )
        .await?;
        parts.control_plane.stop().await?;
        announce();
        return Ok(());
    }
    let listener = UnixListener::bind(folder.control_socket()).context("listening on the control socket")?;
    announce();
    tokio::select! {
        result = axum::serve(listener, parts.control()) => result.context("serving the control socket"),
        failure = parts.control_plane.failure() => bail!(failure),
    }
}

/// Everything that makes up the lab.
struct Parts {
    control_plane: ControlPlane,
    settings: Settings,
}

impl Parts {
    async fn start(folder: &Folder, session: &Session, authority: &Arc<Authority>) -> anyhow::Result<Self> {
        let control_plane = ControlPlane::start(&session.tools, folder, authority).await?;
        Ok(Self {
            control_plane,
            settings: session.settings.clone(),
        })
    }

    /// The control API: what the lab was asked to be, and each part's own routes below its name.
    fn control(&self) -> Router {
        let settings = self.settings.clone();
        Router::new().route("/settings", get(async move || Json(settings)))
    }
}

#[expect(clippy::print_stdout, reason = "the host side waits for this line")]
fn announce() {
    println!("{READY}");
}

async fn input_closes() {
    let mut input = tokio::io::stdin();
    let mut buffer = [0; 64];
    while matches!(input.read(&mut buffer).await, Ok(count) if count > 0) {}
}

/// The command that makes the private namespaces, with `inside` as their first process.
pub fn command(lab: &std::path::Path, folder: &Folder) -> std::process::Command {
    let mut command = std::process::Command::new("unshare");
    command
        .args([
            "--user",
            "--map-root-user",
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ])
        .arg("--")
        .arg(lab)
        .args(["inside", "--folder"])
        .arg(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}
