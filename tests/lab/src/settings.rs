//! The settings of a lab, and the layout of the folder of a running lab.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// Settings of the caller; the same settings always start with the same state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
pub struct Settings {
    /// The workloads that are in the cluster at the start.
    #[arg(long, value_enum, default_value_t)]
    pub fixture: Fixture,
    /// The number of nodes, alternating between zones a and b; the whole cluster has at least 3.
    #[arg(long, default_value_t = 2)]
    pub nodes: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self { fixture: Fixture::default(), nodes: 2 }
    }
}

impl Settings {
    /// The number of nodes of the fixture. In the whole cluster, each of the workload autoscaler's two replicas needs its
    /// own node, and a rollout starts a third replica.
    pub fn node_count(&self) -> u8 {
        let fewest = if self.fixture == Fixture::WholeCluster { 3 } else { 0 };
        self.nodes.max(fewest)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Fixture {
    /// EKS' own workloads, Cast AI as its charts install it, and a customer's workloads.
    #[default]
    FirstCluster,
    /// EKS' own workloads and a customer's, without Cast AI.
    Empty,
    /// Like the first cluster, with every component of Cast AI that its charts install on EKS.
    WholeCluster,
    /// The first cluster among 5,000 workloads and 50,000 pods of a customer, without controllers and nodes.
    LargeCluster,
}

impl Fixture {
    /// Whether controllers and nodes do not run: a test machine cannot run fifty thousand pods.
    pub fn is_at_rest(self) -> bool {
        self == Self::LargeCluster
    }
}

/// The input of the processes inside the namespaces, as a file in the lab's folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    pub settings: Settings,
    pub purpose: Purpose,
    /// The folder with the control plane's programs.
    pub tools: PathBuf,
    /// Whether the folder is kept with its logs when the lab ends.
    pub keep: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// Apply the fixture to an empty cluster, wait until it is settled, and end.
    Seed,
    /// Serve until the process on the host ends it.
    Use,
}

/// The folder of one lab, which contains everything that it writes.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The content of a seed, with which a later lab starts: etcd's data, keys, and a folder for each module that
    /// stores something.
    pub fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    /// Keys that stored objects depend on: the authority and the service accounts' signing key.
    pub fn pki(&self) -> PathBuf {
        self.state().join("pki")
    }

    /// The authority's certificate, for every client of the lab.
    pub fn authority_certificate(&self) -> PathBuf {
        self.pki().join("ca.pem")
    }

    /// Certificates that are issued at each start.
    pub fn certificates(&self) -> PathBuf {
        self.0.join("certificates")
    }

    pub fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    pub fn home(&self) -> PathBuf {
        self.0.join("home")
    }

    /// The root folders of pods that run a program.
    pub fn pods(&self) -> PathBuf {
        self.0.join("pods")
    }

    /// Programs under test, found before those of the system.
    pub fn programs(&self) -> PathBuf {
        self.0.join("bin")
    }

    /// The releases of the plugin that the lab's GitHub serves: a folder for each tag, with its files.
    pub fn releases(&self) -> PathBuf {
        self.0.join("releases")
    }

    /// The administrator's kubeconfig, as `aws eks update-kubeconfig` would write it.
    pub fn kubeconfig(&self) -> PathBuf {
        self.0.join("kubeconfig")
    }

    /// The lab's own kubeconfig: it uses the API server's address, so it does not depend on the lab's DNS.
    pub fn internal_kubeconfig(&self) -> PathBuf {
        self.certificates().join("internal.kubeconfig")
    }

    pub fn control_socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    fn session_file(&self) -> PathBuf {
        self.0.join("session.json")
    }

    /// Creates the folders that exist from the start.
    pub fn create(&self) -> anyhow::Result<()> {
        for folder in [
            self.state(),
            self.pki(),
            self.certificates(),
            self.logs(),
            self.home(),
            self.pods(),
            self.programs(),
            self.releases(),
        ] {
            std::fs::create_dir_all(&folder).with_context(|| format!("creating `{}`", folder.display()))?;
        }
        Ok(())
    }

    pub fn write_session(&self, session: &Session) -> anyhow::Result<()> {
        let file = self.session_file();
        std::fs::write(&file, serde_json::to_vec_pretty(session)?)
            .with_context(|| format!("writing `{}`", file.display()))
    }

    pub fn read_session(&self) -> anyhow::Result<Session> {
        let file = self.session_file();
        let bytes = std::fs::read(&file).with_context(|| format!("reading `{}`", file.display()))?;
        serde_json::from_slice(&bytes).with_context(|| format!("reading `{}`", file.display()))
    }
}
