//! A long-running program of the lab, with its output in a separate file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

/// Grace period of a program before it is killed.
const PATIENCE: Duration = Duration::from_secs(5);
const SHOWN_LINES: usize = 12;

pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`; standard output and error go to `<logs>/<name>.log`.
    pub fn start(name: &'static str, command: &mut Command, logs: &Path) -> anyhow::Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let output = File::create(&log).with_context(|| format!("writing `{}`", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        Ok(Self { name, child, log })
    }

    /// Fails, with the last lines of its log, if the program has exited.
    pub fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!(self.ended(status)),
        }
    }

    /// Waits until the program exits, and returns the last lines of its log.
    pub async fn failure(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => self.ended(status),
            Err(error) => format!("{}: {error}", self.name),
        }
    }

    /// Terminates the program, and kills it after the grace period.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            kill_process(pid, Signal::TERM).with_context(|| format!("stopping {}", self.name))?;
            if tokio::time::timeout(PATIENCE, self.child.wait()).await.is_err() {
                self.child.kill().await.with_context(|| format!("killing {}", self.name))?;
            }
        }
        Ok(())
    }

    fn ended(&self, status: ExitStatus) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n");
        format!("{} ended with {status}; its last words:\n{tail}", self.name)
    }
}
