//! What a lab is asked to be, and how the folder of a running lab is laid out.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// What the caller of the lab chooses; the same settings always start from the same state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
pub struct Settings {
    /// The workloads that are in the cluster at the start.
    #[arg(long, value_enum, default_value_t)]
    pub fixture: Fixture,
    /// How many nodes the cluster has, in zones a and b in turn; the whole cluster has at least 3.
    #[arg(long, default_value_t = 2)]
    pub nodes: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self { fixture: Fixture::default(), nodes: 2 }
    }
}

impl Settings {
    /// The nodes that the fixture gets. In the whole cluster each of the workload autoscaler's two replicas wants a node
    /// for itself, and a rollout starts a third.
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
    /// The first cluster among 5,000 workloads and 50,000 pods of a customer's, where nothing acts: for measuring.
    LargeCluster,
}

impl Fixture {
    /// Whether controllers and nodes stand still: fifty thousand pods are nobody's to run on a test machine.
    pub fn is_at_rest(self) -> bool {
        self == Self::LargeCluster
    }
}

/// What the processes inside the namespaces are told, as a file in the lab's folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    pub settings: Settings,
    pub purpose: Purpose,
    /// The folder with the control plane's programs.
    pub tools: PathBuf,
    /// Whether the folder stays when the lab ends, for a look at its logs.
    pub keep: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// Apply the fixture to an empty cluster, wait until it is settled, and end.
    Seed,
    /// Serve until the host side lets go.
    Use,
}

/// The folder of one lab: everything that it writes lies below.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What a seed holds and a later lab starts from: etcd's data, keys, and a folder for each module that
    /// stores something.
    pub fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    /// Keys that stored objects depend on: the authority and the service accounts' signing key.
    pub fn pki(&self) -> PathBuf {
        self.state().join("pki")
    }

    /// The authority's certificate, as every client of the lab is given it.
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

    /// Programs under test, found before those of the system.
    pub fn programs(&self) -> PathBuf {
        self.0.join("bin")
    }

    /// What the lab's GitHub serves as the plugin's releases: a folder for each tag, with its files.
    pub fn releases(&self) -> PathBuf {
        self.0.join("releases")
    }

    /// The administrator's kubeconfig, as `aws eks update-kubeconfig` would write it.
    pub fn kubeconfig(&self) -> PathBuf {
        self.0.join("kubeconfig")
    }

    /// The lab's own kubeconfig: it reaches the API server by address, whatever the lab's DNS answers.
    pub fn internal_kubeconfig(&self) -> PathBuf {
        self.certificates().join("internal.kubeconfig")
    }

    pub fn control_socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    fn session_file(&self) -> PathBuf {
        self.0.join("session.json")
    }

    /// Makes the folders that are there from the start.
    pub fn create(&self) -> anyhow::Result<()> {
        for folder in [
            self.state(),
            self.pki(),
            self.certificates(),
            self.logs(),
            self.home(),
            self.programs(),
            self.releases(),
        ] {
            std::fs::create_dir_all(&folder).with_context(|| format!("making `{}`", folder.display()))?;
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
