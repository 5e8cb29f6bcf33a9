//! Parses the command line, runs the command, and turns its result into an exit code.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use castai_privatelink::cli::{self, Arguments};
use castai_privatelink::commands::{self, ExitStatus, complete};
use castai_privatelink::output;
use tokio::sync::oneshot;

// musl's own allocator is slow with many threads.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long an interrupted command may take to stop.
const GRACE: Duration = Duration::from_millis(500);

/// How long an interrupted command may take in addition, to remove what it created in the cluster. A second signal ends it
/// at once.
const REMOVAL: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    let task = if let Some(line) = complete::words_to_complete(&words) {
        Task::Complete(line)
    } else if startup::was_stdout_closed() {
        return commands::stdout_closed().exit_code();
    } else {
        match cli::parse(&words) {
            Ok(arguments) => Task::Run(Box::new(arguments)),
            Err(error) => return commands::not_run(&error).exit_code(),
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::error(&format!("error: cannot start threads: {error}"), None);
            return ExitStatus::Failed.exit_code();
        }
    };
    let (interrupt, interrupted) = oneshot::channel();
    let may_change = task.may_change();
    runtime.spawn(watch(interrupt, may_change));
    // Dropping the command's future cancels everything in progress, at a point where each request was either sent or
    // not sent.
    let exit_status = runtime.block_on(async {
        tokio::select! {
            exit_status = task.run() => Some(exit_status),
            Ok(()) = interrupted => None,
        }
    });
    let exit_status = exit_status.unwrap_or_else(|| {
        let removal = runtime.block_on(commands::remove_created(REMOVAL));
        commands::interrupted(may_change, removal)
    });
    // Blocking work that cannot be cancelled, such as a credential plugin, must not delay the exit.
    runtime.shutdown_background();
    exit_status.exit_code()
}

/// Signals that the command is interrupted, and exits the process itself if the command does not react: it may be
/// blocked on a pipe that is not read.
#[expect(clippy::exit, reason = "the main thread is blocked, so nothing else can end the process")]
async fn watch(interrupt: oneshot::Sender<()>, may_change: bool) {
    signal().await;
    // The receiver is gone if the command has just ended; then the process is about to exit too.
    let _ = interrupt.send(());
    let grace = if commands::is_removal_pending() { GRACE + REMOVAL } else { GRACE };
    tokio::select! {
        () = tokio::time::sleep(grace) => {}
        () = signal() => {}
    }
    let removal = commands::unfinished_removal();
    // Writing to standard error may block too.
    let notice = tokio::task::spawn_blocking(move || commands::interrupted(may_change, removal));
    let _ = tokio::time::timeout(GRACE, notice).await;
    std::process::exit(ExitStatus::Interrupted.code().into());
}

/// Waits for Ctrl-C, or for the signal that `kill`, a shutdown or a cancelled CI job sends.
async fn signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

enum Task<'a> {
    Run(Box<Arguments>),
    /// A shell requests completions for these words.
    Complete(&'a [OsString]),
}

impl Task<'_> {
    fn may_change(&self) -> bool {
        matches!(self, Self::Run(arguments) if arguments.command.may_change())
    }

    async fn run(self) -> ExitStatus {
        match self {
            Self::Run(arguments) => Box::pin(commands::run(*arguments)).await,
            Self::Complete(line) => {
                complete::answer(line).await;
                ExitStatus::Done
            }
        }
    }
}
