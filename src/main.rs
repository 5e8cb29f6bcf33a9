//! Parses the command line, runs the command, and turns its end into an exit code.

use std::ffi::OsString;
use std::process::ExitCode;

use castai_privatelink::cli::Arguments;
use castai_privatelink::commands::{self, Ending, complete};
use clap::Parser as _;

// musl's own allocator is slow under threads.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    let task = match complete::asked(&words) {
        Some(line) => Task::Complete(line),
        None => Task::Run(Box::new(Arguments::parse())),
    };
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().enable_all().build() else {
        return Ending::CouldNotRun.exit_code();
    };
    // Dropping the command's future cancels everything that it has under way, at a point where each request is
    // either made or not made.
    let ending = runtime.block_on(async {
        tokio::select! {
            ending = task.run() => Some(ending),
            _ = tokio::signal::ctrl_c() => None,
        }
    });
    let ending = ending.unwrap_or_else(commands::interrupted);
    // Blocking work that cannot be cancelled, such as a credential plugin, must not delay the end.
    runtime.shutdown_background();
    ending.exit_code()
}

enum Task<'a> {
    Run(Box<Arguments>),
    /// A shell asks what may follow these words.
    Complete(&'a [OsString]),
}

impl Task<'_> {
    async fn run(self) -> Ending {
        match self {
            Self::Run(arguments) => commands::run(*arguments).await,
            Self::Complete(line) => {
                complete::answer(line).await;
                Ending::Done
            }
        }
    }
}
