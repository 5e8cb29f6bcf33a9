//! Runs the program of a container for real: in a root folder and a network namespace of its own, with the pod's
//! address, name servers and files.
//!
//! As in a VPC, the lab's addresses see the pod's own address. A veth pair connects the two networks; addresses to which the
//! pod's link is silent are routed to a neighbour that does not exist.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::{Component, Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use anyhow::Context as _;
use ipnet::Ipv4Net;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use super::unpack::Program;

/// What the kubelet keeps of a termination message.
const MAX_MESSAGE_BYTES: u64 = 4096;
const MAX_LOG_BYTES: u64 = 16 << 20;
/// The exit code of a container whose program is for another machine (runc 1.2).
const NOT_EXECUTABLE: i32 = 255;
/// The path of the lab's programs, which set up the network.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Arguments: what `ip` does in the pod's namespace, what it does in the lab's, and the command. The first process of the
/// lab is in the lab's network.
const SCRIPT: &str = "\
    printf %s \"$1\" | ip -batch - && \
    printf %s \"$2\" | nsenter --net=/proc/1/ns/net ip -batch - && \
    shift 2 && exec \"$@\"";

/// A container to run once.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) program: Arc<Program>,
    /// The root folder, which does not exist yet.
    pub(super) root: PathBuf,
    pub(super) command: Vec<String>,
    pub(super) environment: BTreeMap<String, String>,
    /// Files by their absolute path in the container.
    pub(super) files: BTreeMap<PathBuf, Vec<u8>>,
    pub(super) termination_log: PathBuf,
    /// Absent if the container uses the node's network.
    pub(super) network: Option<Network>,
}

/// The network of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Network {
    pub(super) address: Ipv4Addr,
    /// Destinations to which all packets are lost.
    pub(super) silent: Vec<Ipv4Net>,
}

/// What a container left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Output {
    pub(super) code: i32,
    pub(super) log: String,
    pub(super) message: String,
}

impl Container {
    /// Runs until the program exits; it is killed if the future is dropped.
    pub(super) async fn run(self) -> Output {
        if !self.program.is_executable {
            let log =
                format!("exec {}: exec format error\n", self.command.first().map_or("", String::as_str));
            return Output { code: NOT_EXECUTABLE, log, message: String::new() };
        }
        let output = self.run_program().await.unwrap_or_else(|error| {
            // runc reports what it cannot start as code 128; here it is also a fault of the lab.
            let message = format!("failed to create containerd task: {error:#}");
            eprintln!("lab: {message}");
            Output { code: 128, log: String::new(), message }
        });
        let _ = std::fs::remove_dir_all(&self.root);
        output
    }

    async fn run_program(&self) -> anyhow::Result<Output> {
        self.prepare().with_context(|| format!("preparing `{}`", self.root.display()))?;
        let mut command = match &self.network {
            None => Command::new("chroot"),
            Some(network) => {
                // The name must be new: that of an earlier container exists until its namespace is gone.
                let device = format!("pod{:08x}", rand::random::<u32>());
                let mut command = Command::new("unshare");
                command.args(["--net", "--", "sh", "-c", SCRIPT, "sh"]);
                command.args([network.in_pod(&device), network.in_lab(&device), "chroot".to_owned()]);
                command
            }
        };
        let mut child = command
            .arg(&self.root)
            .args(&self.command)
            .env_clear()
            .env("PATH", SYSTEM_PATH)
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("starting the program")?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (status, stdout, stderr) = tokio::join!(child.wait(), read(stdout), read(stderr));
        let code = status?.code().unwrap_or(137);
        let message = std::fs::File::open(self.inside(&self.termination_log))
            .and_then(|file| {
                let mut message = Vec::new();
                std::io::Read::read_to_end(&mut std::io::Read::take(file, MAX_MESSAGE_BYTES), &mut message)?;
                Ok(message)
            })
            .unwrap_or_default();
        let log = [stdout, stderr].concat();
        Ok(Output { code, log: text(&log), message: text(&message) })
    }

    /// Makes the root folder from the image's layers and the pod's files.
    fn prepare(&self) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.root)?;
        for archive in &self.program.archives {
            tar::Archive::new(archive.as_slice()).unpack(&self.root)?;
        }
        let empty = BTreeMap::from([(self.termination_log.clone(), Vec::new())]);
        for (path, content) in self.files.iter().chain(&empty) {
            let path = self.inside(path);
            std::fs::create_dir_all(path.parent().context("a file has a folder")?)?;
            std::fs::write(path, content)?;
        }
        Ok(())
    }

    /// The path of a file of the container in this machine's file system.
    fn inside(&self, path: &Path) -> PathBuf {
        let names = path.components().filter(|part| matches!(part, Component::Normal(_)));
        names.fold(self.root.clone(), |folder, name| folder.join(name))
    }
}

impl Network {
    /// The commands for `ip` in the pod's namespace.
    fn in_pod(&self, device: &str) -> String {
        let mut commands = format!(
            "link set lo up\n\
             link add eth0 address 02:00:00:00:00:02 type veth peer name {device} address 02:00:00:00:00:03 netns 1\n\
             address add {}/32 dev eth0\n\
             link set eth0 up\n\
             neighbour add 169.254.1.1 lladdr 02:00:00:00:00:03 dev eth0 nud permanent\n\
             neighbour add 169.254.1.2 lladdr 02:00:00:00:00:99 dev eth0 nud permanent\n\
             route add default via 169.254.1.1 dev eth0 onlink\n",
            self.address
        );
        for silent in &self.silent {
            // Writing to a string cannot fail.
            let _ = writeln!(commands, "route replace {silent} via 169.254.1.2 dev eth0 onlink");
        }
        commands
    }

    /// The commands for `ip` in the lab's namespace.
    fn in_lab(&self, device: &str) -> String {
        format!(
            "link set {device} up\n\
             neighbour add {0} lladdr 02:00:00:00:00:02 dev {device} nud permanent\n\
             route replace {0}/32 dev {device}\n",
            self.address
        )
    }
}

async fn read(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut content = Vec::new();
    if let Some(stream) = stream {
        // What was read before an error is still the log.
        let _ = stream.take(MAX_LOG_BYTES).read_to_end(&mut content).await;
    }
    content
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(is_executable: bool) -> Container {
        Container {
            program: Arc::new(Program { archives: Vec::new(), is_executable }),
            root: "/root".into(),
            command: vec!["/probe".to_owned(), "--request".to_owned()],
            environment: BTreeMap::new(),
            files: BTreeMap::new(),
            termination_log: PathBuf::new(),
            network: None,
        }
    }

    #[tokio::test]
    async fn a_program_for_another_machine_does_not_start() {
        let output = container(false).run().await;
        assert_eq!((output.code, output.message.as_str()), (255, ""));
        assert_eq!(output.log, "exec /probe: exec format error\n");
    }

    #[test]
    fn paths_stay_inside_the_root_folder() {
        let container = container(true);
        for (path, expected) in
            [("/etc/x", "/root/etc/x"), ("etc/x", "/root/etc/x"), ("/../../etc/./x", "/root/etc/x")]
        {
            assert_eq!(container.inside(Path::new(path)), Path::new(expected));
        }
    }
}
