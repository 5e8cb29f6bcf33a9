//! Processes inside the private namespaces: the first process, which reaps and ends all others, and the server,
//! which starts the lab's parts.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{ExitCode, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use axum::routing::get;
use axum::{Json, Router};
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, wait};
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixListener;

use crate::aws::{self, Aws};
use crate::castai::{self, Castai};
use crate::control_plane::{self, ControlPlane};
use crate::dns::{self, Dns};
use crate::kubelet::{self, Delays, Kubelet, Node, Registry};
use crate::metadata::{self, Metadata};
use crate::network;
use crate::pki::Authority;
use crate::proxy::Proxy;
use crate::registry::distribution::Distribution;
use crate::registry::ecr::{self, Ecr};
use crate::registry::oci::Oci;
use crate::registry::source::{self, Sources};
use crate::settings::{Folder, Purpose, Session};
use crate::{address, api_server, cluster, github, host, impostor, injector, layers};

/// The server's message on standard output when the lab is ready, or when the seed is complete.
pub const READY: &str = "ready";

/// The first process of the namespace: it runs the server, reaps orphans, and when the server ends, it ends
/// everything else and removes the lab's folder.
/// The two are separate processes because a process that waits for any child gets the results of those that its
/// own libraries wait for.
pub fn init(folder: &Folder) -> anyhow::Result<ExitCode> {
    let session = folder.read_session()?;
    let server = std::process::Command::new(std::env::current_exe()?)
        .args(["inside", "--serve", "--folder"])
        .arg(folder.path())
        .spawn()
        .context("starting the server")?;
    let server = Pid::from_child(&server);
    let succeeded = loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == server => break status.exit_status() == Some(0),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("waiting for the server"),
        }
    };
    // For kill(2), the process group "1" is every process of the namespace except this one.
    let _ = kill_process_group(Pid::INIT, Signal::KILL);
    while wait(WaitOptions::empty()).is_ok() {}
    let is_seed = session.purpose == Purpose::Seed && succeeded;
    if !is_seed && !session.keep {
        std::fs::remove_dir_all(folder.path())
            .with_context(|| format!("removing `{}`", folder.path().display()))?;
    }
    Ok(if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Starts everything, reports it on standard output, and serves until standard input closes: so nothing outlives the
/// process that started the lab, however that process ends.
pub async fn serve(folder: &Folder) -> anyhow::Result<()> {
    let session = folder.read_session()?;
    tokio::select! {
        result = run(folder, &session) => result,
        () = input_closes() => match session.purpose {
            Purpose::Seed => bail!("the process that requested the seed has exited"),
            Purpose::Use => Ok(()),
        },
    }
}

async fn run(folder: &Folder, session: &Session) -> anyhow::Result<()> {
    network::set_up(folder).await?;
    let authority = Arc::new(Authority::load_or_create(&folder.pki())?);
    let mut parts = Parts::start(folder, session, &authority).await?;
    if session.purpose == Purpose::Seed {
        cluster::apply(session.settings.fixture, &session.tools, &folder.internal_kubeconfig()).await?;
        if session.settings.fixture.is_at_rest() {
            parts.control_plane.stop_controllers().await?;
            let client = control_plane::client(&folder.internal_kubeconfig()).await?;
            cluster::crowd::fill(&client, control_plane::ETCD)
                .await
                .context("adding the workloads of the large cluster")?;
        }
        parts.control_plane.stop().await?;
        announce();
        return Ok(());
    }
    let listener = UnixListener::bind(folder.control_socket()).context("listening on the control socket")?;
    announce();
    tokio::select! {
        result = axum::serve(listener, parts.control.clone()) => result.context("serving the control socket"),
        failure = parts.control_plane.failure() => bail!(failure),
    }
}

/// All parts of the lab.
struct Parts {
    control_plane: ControlPlane,
    control: Router,
    /// The registries' processes, which end when this is dropped.
    _storage: [Distribution; 3],
}

impl Parts {
    async fn start(folder: &Folder, session: &Session, authority: &Arc<Authority>) -> anyhow::Result<Self> {
        // DNS starts first, because everything else is found by name.
        let dns = Dns::start(dns::Settings {
            address: on(address::DNS, 53),
            cluster_address: on(address::CLUSTER_DNS, 53),
        })
        .await?;
        let metadata = Metadata::start(metadata::Settings { address: on(address::METADATA, 80) }).await?;
        let proxy = Proxy::start(on(address::PROXY.1, 3128)).await?;
        impostor::start(authority).await?;
        let castai =
            Castai::start(castai::Settings { authority: authority.clone(), addresses: castai::addresses() })
                .await?;
        let aws = Aws::start(aws::Settings {
            authority: authority.clone(),
            moto: session.tools.join("moto/bin/moto_server"),
            moto_address: on(Ipv4Addr::LOCALHOST, 5555),
            moto_log: folder.logs().join("moto.log"),
            sts: on(address::STS.1, 443),
            ec2: on(address::EC2.1, 443),
            eks: on(address::EKS.1, 443),
            route53: on(address::ROUTE_53.1, 443),
            names: dns.private_names(),
        })
        .await?;
        github::start(github::Settings {
            authority: authority.clone(),
            site: on(address::GITHUB.1, 443),
            assets: on(address::GITHUB_ASSETS.1, 443),
            releases: folder.releases(),
        })
        .await?;
        layers::start(on(address::S3_LAYERS.1, 443), authority).await?;
        injector::start(on(address::INJECTOR.1, 443), authority).await?;
        let (control_plane, registries) = tokio::try_join!(
            ControlPlane::start(&session.tools, folder, authority, !is_at_rest(session)),
            Registries::start(folder, session, authority),
        )?;
        let kubelet = start_kubelet(folder, session, authority, registries.ecr.node_token()).await?;
        let client = control_plane::client(&folder.internal_kubeconfig()).await?;
        let api_server = api_server::start(address::API_SERVER_FRONT, client).await?;
        let settings = session.settings.clone();
        let control = Router::new()
            .route("/settings", get(async move || Json(settings)))
            .nest("/dns", dns.control())
            .nest("/metadata", metadata.control())
            .nest("/proxy", proxy.control())
            .nest("/castai", castai.control())
            .nest("/aws", aws.control())
            .nest("/source", registries.sources.control())
            .nest("/ecr", registries.ecr.control())
            .nest("/oci", registries.oci.control())
            .nest("/kubernetes", api_server)
            .nest("/kubelet", kubelet.control());
        Ok(Self { control_plane, control, _storage: registries.storage })
    }
}

/// The sources, ECR and an in-house registry: front servers for real registries, whose content is part of the seed.
struct Registries {
    sources: Sources,
    ecr: Ecr,
    oci: Oci,
    storage: [Distribution; 3],
}

impl Registries {
    async fn start(folder: &Folder, session: &Session, authority: &Authority) -> anyhow::Result<Self> {
        let program = session.tools.join("registry");
        let storage = folder.state().join("registry");
        let [in_sources, in_ecr, in_oci] = ["sources", "ecr", "oci"].map(|name| storage.join(name));
        let (behind_sources, behind_ecr, behind_oci) = tokio::try_join!(
            Distribution::start(&program, &in_sources, (Ipv4Addr::LOCALHOST, 5001).into()),
            Distribution::start(&program, &in_ecr, (Ipv4Addr::LOCALHOST, 5002).into()),
            Distribution::start(&program, &in_oci, (Ipv4Addr::LOCALHOST, 5003).into()),
        )?;
        let upstream = behind_sources.upstream().clone();
        let sources = Sources::start(source::real_address, authority, upstream).await?;
        let ecr = Ecr::start(
            ecr::Settings {
                api: on(address::ECR_API.1, 443),
                registry: on(address::ECR.1, 443),
                folder: storage.join("ecr-front"),
                access_keys: vec![host::ACCESS_KEY.0.to_owned()],
                caller: format!("arn:aws:iam::{}:user/platform-engineer", address::ACCOUNT),
            },
            authority,
            behind_ecr.upstream().clone(),
        )
        .await?;
        let oci =
            Oci::start(on(address::OCI_REGISTRY.1, 443), authority, behind_oci.upstream().clone()).await?;
        tokio::try_join!(sources.seed(session.settings.fixture), ecr.seed())?;
        Ok(Self { sources, ecr, oci, storage: [behind_sources, behind_ecr, behind_oci] })
    }
}

/// Nodes of both architectures in both zones, which pull with the permissions of the node role.
async fn start_kubelet(
    folder: &Folder,
    session: &Session,
    authority: &Authority,
    token: String,
) -> anyhow::Result<Kubelet> {
    // If controllers do not run, heartbeats are not needed.
    let count = if is_at_rest(session) { 0 } else { session.settings.node_count() };
    let nodes = (0..count)
        .map(|index| Node::new(index, if index % 4 < 2 { "amd64" } else { "arm64" }))
        .collect::<Vec<_>>();
    let trusted = reqwest::Certificate::from_pem(authority.certificate.as_bytes())?;
    Kubelet::start(kubelet::Settings {
        client: control_plane::client(&folder.internal_kubeconfig()).await?,
        http: reqwest::Client::builder().tls_certs_only([trusted]).build()?,
        registries: vec![
            Registry { host: address::ECR.0.to_owned(), token: Some(Arc::new(move || token.clone())) },
            Registry { host: address::OCI_REGISTRY.0.to_owned(), token: None },
        ],
        // EKS' add-on registry: the nodes reach it, the lab has no server for it.
        assumed: vec!["602401143452.dkr.ecr.*".to_owned()],
        identity: authority.issue("system:node", Some("system:nodes"), &["*.compute.internal"])?,
        delays: Delays::default(),
        nodes,
        folder: folder.pods(),
    })
    .await
}

/// Whether controllers and nodes do not run.
fn is_at_rest(session: &Session) -> bool {
    session.purpose == Purpose::Use && session.settings.fixture.is_at_rest()
}

fn on(address: Ipv4Addr, port: u16) -> SocketAddr {
    SocketAddr::from((address, port))
}

#[expect(clippy::print_stdout, reason = "the host side waits for this line")]
fn announce() {
    println!("{READY}");
}

async fn input_closes() {
    let mut input = tokio::io::stdin();
    let mut buffer = [0; 64];
    while matches!(input.read(&mut buffer).await, Ok(count) if count > 0) {}
}

/// The command that creates the private namespaces, with `inside` as their first process.
pub fn command(lab: &std::path::Path, folder: &Folder) -> std::process::Command {
    let mut command = std::process::Command::new("unshare");
    command
        .args([
            "--user",
            "--map-root-user",
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ])
        .arg("--")
        .arg(lab)
        .args(["inside", "--folder"])
        .arg(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}
