//! The real control plane: etcd, kube-apiserver, kube-controller-manager and kube-scheduler of one version.
//!
//! Flags trade durability and safety for speed: the cluster lives for one test.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use kube::config::KubeConfigOptions;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::address;
use crate::kubeconfig::kubeconfig;
use crate::pki::{Authority, Identity};
use crate::process::Process;
use crate::settings::Folder;

/// The address of etcd.
pub const ETCD: &str = "127.0.0.1:2379";
/// The service range of EKS if the VPC's own network is in 10/8, and its first address.
const SERVICE_RANGE: &str = "172.20.0.0/16";
const SERVICE_ADDRESS: &str = "172.20.0.1";
const START_LIMIT: Duration = Duration::from_mins(5);
const PAUSE: Duration = Duration::from_millis(25);
/// The controllers that tests depend on; each of the others costs start-up time.
const CONTROLLERS: &[&str] = &[
    "clusterrole-aggregation-controller",
    "cronjob-controller",
    "daemonset-controller",
    "deployment-controller",
    "disruption-controller",
    "endpoints-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "node-lifecycle-controller",
    "pod-garbage-collector-controller",
    "replicaset-controller",
    "replicationcontroller-controller",
    "resourcequota-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "statefulset-controller",
    "taint-eviction-controller",
    "ttl-after-finished-controller",
    "validatingadmissionpolicy-status-controller",
];

pub struct ControlPlane {
    etcd: Process,
    api_server: Process,
    /// The controller manager and the scheduler, unless they do not run.
    controllers: Option<[Process; 2]>,
}

impl ControlPlane {
    /// Starts the programs of `tools`, all four if `with_controllers` is set. Returns when the API server is ready.
    /// `Folder::kubeconfig` and `Folder::internal_kubeconfig` are then written, both for an administrator.
    pub async fn start(
        tools: &Path,
        folder: &Folder,
        authority: &Authority,
        with_controllers: bool,
    ) -> anyhow::Result<Self> {
        let files = Files::write(folder, authority)?;
        let logs = folder.logs();
        let mut etcd = Process::start("etcd", &mut etcd(tools, folder), &logs)?;
        connects(ETCD, &mut etcd).await?;
        let mut api_server = Process::start("kube-apiserver", &mut api_server(tools, &files), &logs)?;
        ready(&files.internal_kubeconfig, &mut [&mut etcd, &mut api_server]).await?;
        let controllers = if with_controllers {
            Some([
                Process::start("kube-controller-manager", &mut controller_manager(tools, &files), &logs)?,
                Process::start("kube-scheduler", &mut scheduler(tools, &files), &logs)?,
            ])
        } else {
            None
        };
        Ok(Self { etcd, api_server, controllers })
    }

    /// Waits until one of the programs exits, and returns which and why.
    pub async fn failure(&mut self) -> String {
        let processes = [&mut self.etcd, &mut self.api_server].into_iter();
        let failures =
            processes.chain(self.controllers.iter_mut().flatten()).map(|process| Box::pin(process.failure()));
        futures::future::select_all(failures).await.0
    }

    /// Stops controllers and scheduler: from then on nothing changes without a request.
    pub async fn stop_controllers(&mut self) -> anyhow::Result<()> {
        if let Some([controller_manager, scheduler]) = self.controllers.take() {
            tokio::try_join!(controller_manager.stop(), scheduler.stop())?;
        }
        Ok(())
    }

    /// Stops everything so that etcd's folder is complete. The API server must stop before etcd, or it hangs.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.stop_controllers().await?;
        self.api_server.stop().await?;
        self.etcd.stop().await
    }
}

/// Keys, certificates and kubeconfigs on disk, for the programs.
struct Files {
    authority: PathBuf,
    server: Pair,
    kubelet_client: Pair,
    service_accounts: Pair,
    internal_kubeconfig: PathBuf,
}

/// A certificate (or public key) and its private key.
struct Pair {
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn write(folder: &Folder, authority: &Authority) -> anyhow::Result<Self> {
        let certificates = folder.certificates();
        let server_address = address::API_SERVER.to_string();
        let server = authority.issue(
            "kube-apiserver",
            None,
            &[
                address::API_SERVER_HOST,
                &server_address,
                SERVICE_ADDRESS,
                "kubernetes",
                "kubernetes.default",
                "kubernetes.default.svc",
                "kubernetes.default.svc.cluster.local",
            ],
        )?;
        let kubelet_client = authority.issue("kube-apiserver-kubelet-client", Some("system:masters"), &[])?;
        let administrator = authority.issue("kubernetes-admin", Some("system:masters"), &[])?;
        let internal_kubeconfig = folder.internal_kubeconfig();
        let by_address = format!("https://{}", address::API_SERVER);
        write(&internal_kubeconfig, &kubeconfig(&by_address, authority, &administrator))?;
        let by_name = format!("https://{}", address::API_SERVER_HOST);
        write(&folder.kubeconfig(), &kubeconfig(&by_name, authority, &administrator))?;
        Ok(Self {
            authority: folder.authority_certificate(),
            server: Pair::write(&certificates, "apiserver", &server)?,
            kubelet_client: Pair::write(&certificates, "kubelet-client", &kubelet_client)?,
            service_accounts: service_account_keys(&folder.pki())?,
            internal_kubeconfig,
        })
    }
}

impl Pair {
    fn write(folder: &Path, name: &str, identity: &Identity) -> anyhow::Result<Self> {
        let pair = Self {
            certificate: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}-key.pem")),
        };
        write(&pair.certificate, &identity.certificate)?;
        write(&pair.key, &identity.key)?;
        Ok(pair)
    }
}

/// Kept with the state, so that tokens in stored Secrets stay valid.
fn service_account_keys(folder: &Path) -> anyhow::Result<Pair> {
    let pair = Pair {
        certificate: folder.join("service-accounts.pem"),
        key: folder.join("service-accounts-key.pem"),
    };
    if !pair.key.exists() {
        let key = rcgen::KeyPair::generate()?;
        write(&pair.certificate, &key.public_key_pem())?;
        write(&pair.key, &key.serialize_pem())?;
    }
    Ok(pair)
}

fn write(file: &Path, content: &str) -> anyhow::Result<()> {
    std::fs::write(file, content).with_context(|| format!("writing `{}`", file.display()))
}

/// A single member elects itself: short timeouts only shorten its wait for others.
fn etcd(tools: &Path, folder: &Folder) -> Command {
    let mut command = Command::new(tools.join("etcd"));
    command
        .arg("--data-dir")
        .arg(folder.state().join("etcd"))
        .args(["--unsafe-no-fsync", "--log-level=warn", "--heartbeat-interval=10", "--election-timeout=100"])
        .args([
            format!("--listen-client-urls=http://{ETCD}"),
            format!("--advertise-client-urls=http://{ETCD}"),
        ]);
    command
}

fn api_server(tools: &Path, files: &Files) -> Command {
    let mut command = Command::new(tools.join("kube-apiserver"));
    command
        .args([
            format!("--etcd-servers=http://{ETCD}"),
            format!("--bind-address={}", address::API_SERVER),
            format!("--advertise-address={}", address::API_SERVER),
            format!("--service-cluster-ip-range={SERVICE_RANGE}"),
        ])
        .args([
            "--secure-port=443",
            "--authorization-mode=Node,RBAC",
            "--allow-privileged",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--kubelet-preferred-address-types=InternalIP",
            "--profiling=false",
        ])
        .args(flag("--client-ca-file", &files.authority))
        .args(flag("--tls-cert-file", &files.server.certificate))
        .args(flag("--tls-private-key-file", &files.server.key))
        .args(flag("--kubelet-client-certificate", &files.kubelet_client.certificate))
        .args(flag("--kubelet-client-key", &files.kubelet_client.key))
        .args(flag("--service-account-key-file", &files.service_accounts.certificate))
        .args(flag("--service-account-signing-key-file", &files.service_accounts.key));
    command
}

fn controller_manager(tools: &Path, files: &Files) -> Command {
    let mut command = Command::new(tools.join("kube-controller-manager"));
    command
        .args(flag("--kubeconfig", &files.internal_kubeconfig))
        .args(flag("--root-ca-file", &files.authority))
        .args(flag("--service-account-private-key-file", &files.service_accounts.key))
        .arg(format!("--controllers={}", CONTROLLERS.join(",")))
        .args([
            "--leader-elect=false",
            "--secure-port=0",
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
            "--node-monitor-period=1s",
            "--concurrent-gc-syncs=2",
        ]);
    command
}

fn scheduler(tools: &Path, files: &Files) -> Command {
    let mut command = Command::new(tools.join("kube-scheduler"));
    command.args(flag("--kubeconfig", &files.internal_kubeconfig)).args([
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
    ]);
    command
}

fn flag(name: &str, file: &Path) -> [std::ffi::OsString; 2] {
    [name.into(), file.into()]
}

async fn connects(address: &str, process: &mut Process) -> anyhow::Result<()> {
    let end = Instant::now() + START_LIMIT;
    while TcpStream::connect(address).await.is_err() {
        process.check()?;
        if Instant::now() > end {
            bail!("nothing listens on {address} after {} s", START_LIMIT.as_secs());
        }
        sleep(PAUSE).await;
    }
    Ok(())
}

async fn ready(kubeconfig: &Path, processes: &mut [&mut Process]) -> anyhow::Result<()> {
    let client = client(kubeconfig).await?;
    let end = Instant::now() + START_LIMIT;
    loop {
        let request = http::Request::get("/readyz").body(Vec::new())?;
        let Err(error) = client.request_text(request).await else {
            return Ok(());
        };
        for process in &mut *processes {
            process.check()?;
        }
        if Instant::now() > end {
            bail!("kube-apiserver is not ready after {} s: {error}", START_LIMIT.as_secs());
        }
        sleep(PAUSE).await;
    }
}

/// A client of the lab's cluster with the permissions of `kubeconfig`.
pub async fn client(kubeconfig: &Path) -> anyhow::Result<kube::Client> {
    let kubeconfig = kube::config::Kubeconfig::read_from(kubeconfig)?;
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(kube::Client::try_from(config)?)
}
