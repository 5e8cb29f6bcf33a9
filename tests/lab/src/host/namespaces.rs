//! Starts and ends the private namespaces from outside.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::inside;
use crate::settings::Folder;

const START_LIMIT: Duration = Duration::from_mins(5);
const END_LIMIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);

/// The namespaces of one lab; they end with this value, or with this process.
pub struct Namespaces {
    unshare: Child,
    /// The lab runs as long as this pipe is open.
    input: Option<ChildStdin>,
    init: u32,
}

impl Namespaces {
    /// Starts the session that `folder` describes. Returns when the session reports that it is ready.
    pub fn start(folder: &Folder) -> anyhow::Result<Self> {
        let log_path = folder.logs().join("lab.log");
        // Also open for reading: after a failure the folder is removed, but not this file.
        let mut log = File::options().create(true).truncate(true).read(true).write(true).open(&log_path)?;
        let mut unshare = inside::command(&lab_program()?, folder)
            .stderr(log.try_clone()?)
            // Ctrl-C on the terminal is for the command in the lab, not for the lab.
            .process_group(0)
            .spawn()
            .context("starting `unshare`: install util-linux")?;
        let input = unshare.stdin.take();
        let output = unshare.stdout.take().context("`unshare` has no output")?;
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = BufReader::new(output).read_line(&mut line);
            let _ = sender.send(line);
        });
        let mut namespaces = Self { unshare, input, init: 0 };
        let line = receiver.recv_timeout(START_LIMIT).unwrap_or_default();
        if line.trim() != inside::READY {
            namespaces.end();
            log.rewind()?;
            let mut words = String::new();
            log.read_to_string(&mut words)?;
            bail!("the lab did not start: {}", explained(words.trim()));
        }
        namespaces.init = children(namespaces.unshare.id()).first().copied().unwrap_or_default();
        Ok(namespaces)
    }

    /// The first process inside, by its id outside: the target for `nsenter`.
    pub fn init(&self) -> u32 {
        self.init
    }

    /// Waits until a session ends.
    pub fn finish(mut self) -> anyhow::Result<()> {
        let status = self.unshare.wait()?;
        if !status.success() {
            bail!("the lab exited with {status}");
        }
        Ok(())
    }

    fn end(&mut self) {
        drop(self.input.take());
        let end = Instant::now() + END_LIMIT;
        while matches!(self.unshare.try_wait(), Ok(None)) {
            if Instant::now() > end {
                // The first process inside dies with `unshare`, and all others with it.
                let _ = self.unshare.kill();
                let _ = self.unshare.wait();
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        self.end();
    }
}

/// The host-side ids of the children of process `parent`.
pub fn children(parent: u32) -> Vec<u32> {
    let list = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|id| id.parse().ok()).collect()
}

/// Kills the process with the host-side id `id` as `kill -9` does.
pub fn kill(id: u32) -> anyhow::Result<()> {
    let pid = Pid::from_raw(id.cast_signed()).context("no such process")?;
    kill_process(pid, Signal::KILL).with_context(|| format!("killing process {id}"))
}

/// Prints to standard error what the lab is doing.
pub fn say(message: &str) {
    eprintln!("lab: {message}");
}

/// The program `lab`: this very program, or the one that cargo built beside this test.
fn lab_program() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe()?;
    if this.file_name().is_some_and(|name| name == "lab") {
        return Ok(this);
    }
    let near = this.ancestors().skip(1).take(2).map(|folder| folder.join("lab"));
    near.into_iter().find(|program| program.is_file()).with_context(|| {
        format!("no program `lab` near `{}`: run `cargo build --workspace`", folder_of(&this))
    })
}

fn folder_of(file: &Path) -> String {
    file.parent().unwrap_or(file).display().to_string()
}

/// Adds a hint if the kernel denies namespaces to ordinary users.
fn explained(words: &str) -> String {
    let refused = words.contains("Operation not permitted") || words.contains("Permission denied");
    if words.contains("unshare:") && refused {
        return format!(
            "{words}\n\
             This system does not give private namespaces to ordinary users (Ubuntu 24.04 and later restrict them \
             by AppArmor, containers by seccomp).\n\
             Run it with sudo, or allow them: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
        );
    }
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denied_namespace_has_a_hint_and_other_failures_have_none() {
        let refused = "unshare: write failed /proc/self/uid_map: Operation not permitted";
        assert!(explained(refused).contains("sudo sysctl"));
        assert!(explained(refused).starts_with(refused));
        let other = "setting up the network: Operation not permitted";
        assert_eq!(explained(other), other);
    }
}
