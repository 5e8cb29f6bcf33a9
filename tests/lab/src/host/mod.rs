//! The lab from outside: start it, run commands in it, control it, stop it.

mod command;
mod control;
pub mod namespaces;
pub mod tools;

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::Value;

pub use self::command::ACCESS_KEY;
pub use self::control::Control;
use self::namespaces::{Namespaces, children, kill, say};
use crate::address;
use crate::kubeconfig::kubeconfig;
use crate::pki::Authority;
use crate::seed;
use crate::settings::{Folder, Purpose, Session, Settings};

const PAUSE: Duration = Duration::from_millis(100);
/// Timeout for a started plugin to become the process with its name.
const PLUGIN_LIMIT: Duration = Duration::from_mins(1);

/// A running lab. When it is dropped, everything in it ends and its folder is removed; several may run concurrently.
pub struct Lab {
    namespaces: Namespaces,
    folder: Folder,
    tools: PathBuf,
}

/// The result of a command in the lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A plugin that runs in the lab.
pub struct RunningPlugin {
    child: Child,
    process: u32,
}

impl Lab {
    /// Starts a lab. Blocks until it is ready: seconds, or minutes if tools and first state must be built.
    /// If `LAB_KEEP` is set in the environment, its folder is kept with the logs.
    pub fn start(settings: &Settings) -> anyhow::Result<Self> {
        let tools = tools::ready()?;
        let folder = Folder::new(temporary_path()?);
        let keep = std::env::var_os("LAB_KEEP").is_some();
        // From here on, if this fails, the first process inside removes the folder.
        let result = Self::start_in(settings, tools, folder.clone(), keep);
        if keep {
            say(&format!("keeping `{}`", folder.path().display()));
        } else if result.is_err() {
            let _ = std::fs::remove_dir_all(folder.path());
        }
        result
    }

    fn start_in(settings: &Settings, tools: PathBuf, folder: Folder, keep: bool) -> anyhow::Result<Self> {
        folder.create()?;
        seed::copy_into(settings, &tools, &folder)?;
        folder.write_session(&Session {
            settings: settings.clone(),
            purpose: Purpose::Use,
            tools: tools.clone(),
            keep,
        })?;
        if let Ok(plugin) = tools::plugin() {
            std::os::unix::fs::symlink(plugin, folder.programs().join(tools::PLUGIN))?;
        }
        let namespaces = Namespaces::start(&folder)?;
        let lab = Self { namespaces, folder, tools };
        lab.write_enter_script()?;
        Ok(lab)
    }

    /// The lab's folder, which is removed when the lab ends.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The lab's control API: the routes of each part start with its name.
    pub fn control(&self) -> Control {
        Control::new(self.folder.control_socket())
    }

    /// Runs a command in the lab to its end.
    pub fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<Output> {
        finished(self.command(program).args(arguments))
    }

    pub fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        self.run("kubectl", arguments)
    }

    /// Runs the plugin under test as users do, through `kubectl castai-privatelink`.
    pub fn plugin(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        finished(self.plugin_command()?.args(arguments))
    }

    /// The plugin under test as a command to which arguments, variables and files can be added.
    pub fn plugin_command(&self) -> anyhow::Result<Command> {
        tools::plugin()?;
        let mut command = self.command("kubectl");
        command.arg("castai-privatelink");
        Ok(command)
    }

    /// Starts the plugin and returns when the plugin itself runs, so that it can be killed.
    pub fn spawn_plugin(&self, arguments: &[&str]) -> anyhow::Result<RunningPlugin> {
        let mut child = self
            .plugin_command()?
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting the plugin")?;
        let end = Instant::now() + PLUGIN_LIMIT;
        loop {
            if let Some(process) = children(child.id()).into_iter().find(|id| is_plugin(*id)) {
                return Ok(RunningPlugin { child, process });
            }
            if let Some(status) = child.try_wait()? {
                let output = child.wait_with_output()?;
                bail!(
                    "the plugin exited immediately with {status}: {}",
                    String::from_utf8_lossy(&output.stderr)
                );
            }
            if Instant::now() > end {
                bail!("the plugin did not start in {} s", PLUGIN_LIMIT.as_secs());
            }
            std::thread::sleep(PAUSE / 10);
        }
    }

    /// Waits until `condition` holds for the output of `kubectl get <arguments> -o json`, and returns it.
    pub fn wait_for(
        &self,
        arguments: &[&str],
        limit: Duration,
        condition: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        let end = Instant::now() + limit;
        let arguments = [&["get"], arguments, &["-o", "json"]].concat();
        loop {
            let output = self.kubectl(&arguments)?;
            let value = serde_json::from_str(&output.stdout).unwrap_or_default();
            if output.code == Some(0) && condition(&value) {
                return Ok(value);
            }
            if Instant::now() > end {
                let call = arguments.join(" ");
                bail!("kubectl {call}: condition not met after {limit:?}: {}{value:#}", output.stderr);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Writes a kubeconfig for `user` in `group` (if the cluster does not know them, they have no permissions) and
    /// returns its path, for `--kubeconfig` or `$KUBECONFIG`.
    pub fn kubeconfig_for(&self, user: &str, group: Option<&str>) -> anyhow::Result<PathBuf> {
        let authority = Authority::load_or_create(&self.folder.pki())?;
        let identity = authority.issue(user, group, &[])?;
        let server = format!("https://{}", address::API_SERVER_HOST);
        let path = self.folder.path().join(format!("{}.kubeconfig", user.replace('/', "-")));
        std::fs::write(&path, kubeconfig(&server, &authority, &identity))?;
        Ok(path)
    }
}

impl RunningPlugin {
    /// Ends the plugin as `kill -9` does, and waits until it is gone.
    pub fn kill(mut self) -> anyhow::Result<()> {
        kill(self.process)?;
        self.child.wait()?;
        Ok(())
    }

    /// The id of the plugin's own process outside the lab, for other signals.
    pub fn process(&self) -> u32 {
        self.process
    }

    /// Whether it has exited.
    pub fn try_wait(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits until it exits.
    pub fn wait(self) -> anyhow::Result<Output> {
        Ok(Output::from(self.child.wait_with_output()?))
    }
}

impl From<std::process::Output> for Output {
    fn from(output: std::process::Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

fn finished(command: &mut Command) -> anyhow::Result<Output> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("starting {command:?}"))?;
    Ok(Output::from(output))
}

/// The kernel keeps the first 15 characters of a program's name.
fn is_plugin(process: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/comm"))
        .is_ok_and(|name| name.trim().len() == 15 && tools::PLUGIN.starts_with(name.trim()))
}

/// A path that no other lab uses, short enough for a socket below it.
fn temporary_path() -> anyhow::Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(format!("lab-{:x}-{process}-{count}", since.as_micros()));
    std::fs::create_dir(&path).with_context(|| format!("creating `{}`", path.display()))?;
    Ok(path)
}
