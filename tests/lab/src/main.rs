//! The lab as a program: start one, look around in it, or run a command in it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use lab::demo;
use lab::host::Lab;
use lab::host::namespaces::say;
use lab::inside;
use lab::settings::{Fixture, Folder, Settings};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// A VPC on one machine: a real control plane and registries, and stand-ins for AWS and Cast AI's endpoints.
#[derive(Parser)]
#[command(name = "lab", version)]
struct Arguments {
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Subcommand)]
enum Subcommands {
    /// Start a lab and keep it running until Ctrl-C.
    Up {
        #[command(flatten)]
        settings: Settings,
    },
    /// Start a lab and open a shell in it.
    Shell {
        #[command(flatten)]
        settings: Settings,
    },
    /// Start a lab, run one command in it, and stop it; the exit code is the command's.
    Run {
        #[command(flatten)]
        settings: Settings,
        /// The command and its arguments.
        #[arg(required = true, last = true)]
        command: Vec<String>,
    },
    /// Show the main job: preflight before and after endpoints create, and the images before and after sync-images.
    Demo,
    /// The processes inside the namespaces.
    #[command(hide = true)]
    Inside {
        #[arg(long)]
        folder: PathBuf,
        #[arg(long)]
        serve: bool,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Subcommands::Up { settings } => up(&settings),
        Subcommands::Shell { settings } => shell(&settings),
        Subcommands::Run { settings, command } => command_in_lab(&settings, &command),
        Subcommands::Demo => demo::run(),
        Subcommands::Inside { folder, serve: false } => inside::init(&Folder::new(folder)),
        Subcommands::Inside { folder, serve: true } => {
            rustls::crypto::aws_lc_rs::default_provider()
                .install_default()
                .map_err(|_| anyhow::anyhow!("a TLS provider is installed already"))?;
            let runtime = Runtime::new()?;
            let result = runtime.block_on(inside::serve(&Folder::new(folder)));
            // A read of standard input cannot be cancelled: do not wait for it.
            runtime.shutdown_background();
            result.map(|()| ExitCode::SUCCESS)
        }
    }
}

fn up(settings: &Settings) -> anyhow::Result<ExitCode> {
    let lab = start(settings)?;
    say(&format!("enter it with: {} [COMMAND…]", lab.enter_script().display()));
    say("press Ctrl-C to stop the lab");
    Runtime::new()?.block_on(async {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        anyhow::Ok(ExitCode::SUCCESS)
    })
}

fn shell(settings: &Settings) -> anyhow::Result<ExitCode> {
    let lab = start(settings)?;
    if settings.fixture == Fixture::FirstCluster {
        lab::helm::store_releases(&lab)?;
    }
    say("try `kubectl get pods -A` and `kubectl castai-privatelink preflight`");
    say(&format!("logs are in {}", lab.folder().logs().display()));
    say("`exit` stops the lab");
    let mut command = lab.command_in(&std::env::current_dir()?, "bash");
    command.args(["--noprofile", "--norc", "-i"]).env("PS1", "lab$ ");
    wait(command)
}

fn command_in_lab(settings: &Settings, command: &[String]) -> anyhow::Result<ExitCode> {
    let lab = start(settings)?;
    let (program, arguments) = command.split_first().context("no command was given")?;
    let mut entered = lab.command_in(&std::env::current_dir()?, program);
    entered.args(arguments);
    wait(entered)
}

/// Runs the command until it exits. Only the command handles Ctrl-C: the lab must outlive it to clean up.
fn wait(command: std::process::Command) -> anyhow::Result<ExitCode> {
    Runtime::new()?.block_on(async {
        let _interrupt = signal(SignalKind::interrupt())?;
        let mut child = tokio::process::Command::from(command).spawn().context("entering the lab")?;
        let status = child.wait().await?;
        // A shell reports a signal as 128 plus its number.
        let signalled = || std::os::unix::process::ExitStatusExt::signal(&status).map(|signal| 128 + signal);
        let code = status.code().or_else(signalled).unwrap_or(1);
        anyhow::Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
    })
}

fn start(settings: &Settings) -> anyhow::Result<Lab> {
    let start = std::time::Instant::now();
    let lab = Lab::start(settings)?;
    say(&format!("ready after {:.1} s", start.elapsed().as_secs_f64()));
    Ok(lab)
}
