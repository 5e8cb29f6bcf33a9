//! Connecting to the API server as kubectl does: kubeconfig, flags, credential plugins, proxies.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use http::{HeaderName, HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Intercept;
use kube::config::{Cluster, ExecAuthCluster, ExecInteractiveMode};
use kube::{Client, Config};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::error::{Error, Plugin, Way};
use super::kubeconfig::{self, EksIdentity, Selection};
use crate::transport::USER_AGENT;
use crate::transport::proxy::{self, Proxies};

/// How long we wait for a connection unless `--request-timeout` says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may stay silent unless `--request-timeout` says otherwise.
const READ_TIMEOUT: Duration = Duration::from_mins(1);
/// Pauses before a failed read is tried again.
const READ_DELAYS: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(600)];

/// kubectl's flags on where to connect and as whom.
#[derive(Clone, Default)]
pub struct ConnectionFlags {
    pub kubeconfig: Option<PathBuf>,
    pub context: Option<String>,
    pub cluster: Option<String>,
    pub user: Option<String>,
    pub server: Option<String>,
    pub token: Option<String>,
    /// `--as`.
    pub impersonate: Option<String>,
    /// `--as-group`.
    pub impersonate_groups: Vec<String>,
    /// `--as-uid`.
    pub impersonate_uid: Option<String>,
    pub certificate_authority: Option<PathBuf>,
    pub client_certificate: Option<PathBuf>,
    pub client_key: Option<PathBuf>,
    pub insecure_skip_tls_verify: bool,
    pub tls_server_name: Option<String>,
    /// For each request; zero means no limit, as in kubectl.
    pub request_timeout: Option<Duration>,
    /// Nobody can be asked: a credential plugin gets no standard input.
    pub unattended: bool,
}

impl ConnectionFlags {
    fn choose_a_cluster(&self) -> bool {
        self.kubeconfig.is_some()
            || self.context.is_some()
            || self.cluster.is_some()
            || self.user.is_some()
            || self.server.is_some()
    }
}

/// A cluster that requests can be sent to.
#[derive(Clone)]
pub struct Connection {
    pub client: Client,
    /// The context, else the cluster's entry, else the server.
    pub name: String,
    pub server: String,
    pub eks: Option<EksIdentity>,
    way: Way,
}

/// Reads the configuration and makes a client. Only a credential plugin is run; no request is sent.
///
/// # Errors
/// No cluster is configured, a name does not exist, a file cannot be read, or the credential plugin fails.
pub async fn connect(flags: &ConnectionFlags) -> Result<Connection, Error> {
    let loaded = kubeconfig::load(flags.kubeconfig.as_deref())?;
    let (config, selection) = match loaded {
        Some(loaded) => {
            let selection = kubeconfig::select(loaded, flags)?;
            (configure(&selection, flags)?, Some(selection))
        }
        None if flags.server.is_some() => {
            let selection = kubeconfig::select(kube::config::Kubeconfig::default(), flags)?;
            (configure(&selection, flags)?, Some(selection))
        }
        None if flags.choose_a_cluster() => {
            return Err(match &flags.context {
                Some(context) => {
                    Error::config(format!("context \"{context}\" does not exist"), Some(NO_KUBECONFIG))
                }
                None => Error::config("no kubeconfig found", Some(NO_KUBECONFIG)),
            });
        }
        None => (
            Config::incluster()
                .map_err(|_| Error::config("no cluster is configured", Some(NO_KUBECONFIG)))?,
            None,
        ),
    };
    let config = with_manners(config, flags);
    let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
    let exec = selection.as_ref().and_then(|selection| selection.user.exec.as_ref());
    let plugin = exec.map(|exec| Plugin {
        command: exec.command.clone().unwrap_or_default(),
        install_hint: exec.install_hint.clone(),
    });
    let proxy = config.proxy_url.as_ref().and_then(Uri::authority).map(|authority| {
        let text = authority.as_str();
        text.rsplit_once('@').map_or(text, |(_, address)| address).to_owned()
    });
    let way = Way { server: server.clone(), proxy, plugin };
    // A credential plugin runs while the client is made, and may take its time or ask for a code.
    let client = tokio::task::spawn_blocking(move || Client::try_from(config))
        .await
        .map_err(|error| Error::other(format!("the client cannot be made: {error}")))?
        .map_err(|error| Error::from_kube(&error, &way))?;
    Ok(Connection {
        client,
        name: selection
            .as_ref()
            .and_then(|selection| selection.context.clone().or_else(|| selection.cluster_name.clone()))
            .unwrap_or_else(|| server.clone()),
        eks: selection.as_ref().and_then(|selection| EksIdentity::read(selection, &server)),
        server,
        way,
    })
}

const NO_KUBECONFIG: &str = "there is no kubeconfig: set KUBECONFIG or --kubeconfig, or for EKS run `aws eks update-kubeconfig --name <cluster>`";

impl Connection {
    /// Sends a reading request, and again after a moment where the failure may pass.
    pub(super) async fn read<T, F>(&self, request: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = kube::Result<T>>,
    {
        for delay in READ_DELAYS {
            match self.once(request()).await {
                Err(error) if error.is_transient() => tokio::time::sleep(delay).await,
                done => return done,
            }
        }
        self.once(request()).await
    }

    /// Sends a request once, as every writing one must be.
    pub(super) async fn once<T>(&self, request: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
        request.await.map_err(|error| Error::from_kube(&error, &self.way))
    }
}

/// What kubectl would connect to, without kube's own reading of proxy variables, which matches `NO_PROXY` against
/// the proxy instead of the server (kube-client 5.0.0, `ConfigLoader::proxy_url`).
fn configure(selection: &Selection, flags: &ConnectionFlags) -> Result<Config, Error> {
    let cluster = overridden(&selection.cluster, flags);
    let server = cluster.server.as_deref().filter(|server| !server.is_empty()).ok_or_else(|| {
        Error::config("the cluster's entry in the kubeconfig has no server", Some("name one with --server"))
    })?;
    let server = if server.contains("://") { server.to_owned() } else { format!("https://{server}") };
    let url: Uri = server
        .parse()
        .map_err(|error| Error::config(format!("server {server:?} is no URL: {error}"), None))?;
    let mut config = Config::new(url);
    if let Some(namespace) = &selection.namespace {
        config.default_namespace.clone_from(namespace);
    }
    config.root_cert = root_certificates(&cluster)?;
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
    config.tls_server_name.clone_from(&cluster.tls_server_name);
    config.proxy_url =
        match cluster.proxy_url.as_deref().filter(|proxy| !proxy.is_empty()) {
            // The value is not repeated: it may hold a password.
            Some(proxy) => Some(proxy.parse().map_err(|error| {
                Error::config(format!("the cluster's proxy-url is no URL: {error}"), None)
            })?),
            None => Proxies::from_environment().of(&config.cluster_url).map(|proxy| with_login(&proxy)),
        };
    let mut user = selection.user.clone();
    if let Some(exec) = user.exec.as_mut().filter(|exec| exec.provide_cluster_info) {
        exec.cluster = Some(
            ExecAuthCluster::try_from(&cluster).map_err(|error| Error::config(error.to_string(), None))?,
        );
    }
    if let Some(token) = &flags.token {
        // As in kubectl, a token replaces whatever else the user would log in with.
        user.exec = None;
        user.auth_provider = None;
        user.token_file = None;
        user.token = Some(token.clone().into());
    }
    // As in kubectl, a file named by a flag replaces what the kubeconfig holds.
    if let Some(path) = &flags.client_certificate {
        user.client_certificate = Some(path.display().to_string());
        user.client_certificate_data = None;
    }
    if let Some(path) = &flags.client_key {
        user.client_key = Some(path.display().to_string());
        user.client_key_data = None;
    }
    for (field, path, data) in [
        ("client-certificate", &user.client_certificate, user.client_certificate_data.is_some()),
        ("client-key", &user.client_key, user.client_key_data.is_some()),
    ] {
        // kube reads it too, and does not name it where it cannot.
        if let Some(path) = path.as_ref().filter(|path| !data && !path.is_empty()) {
            std::fs::File::open(path)
                .map_err(|error| Error::config(format!("{field}: {path}: {error}"), None))?;
        }
    }
    if let Some(exec) = user.exec.as_mut().filter(|_| flags.unattended) {
        exec.interactive_mode = Some(ExecInteractiveMode::Never);
    }
    config.auth_info = user;
    Ok(config)
}

fn overridden(cluster: &Cluster, flags: &ConnectionFlags) -> Cluster {
    let mut cluster = cluster.clone();
    if flags.server.is_some() {
        cluster.server.clone_from(&flags.server);
    }
    if flags.tls_server_name.is_some() {
        cluster.tls_server_name.clone_from(&flags.tls_server_name);
    }
    if let Some(path) = &flags.certificate_authority {
        cluster.certificate_authority = Some(path.display().to_string());
        cluster.certificate_authority_data = None;
    }
    if flags.insecure_skip_tls_verify {
        cluster.insecure_skip_tls_verify = Some(true);
        cluster.certificate_authority = None;
        cluster.certificate_authority_data = None;
    }
    cluster
}

fn root_certificates(cluster: &Cluster) -> Result<Option<Vec<Vec<u8>>>, Error> {
    let wrong = |why: String| Error::config(format!("certificate-authority: {why}"), None);
    let pem = match (&cluster.certificate_authority_data, &cluster.certificate_authority) {
        (Some(data), _) if !data.is_empty() => base64::engine::general_purpose::STANDARD
            .decode(data)
            .map_err(|error| wrong(error.to_string()))?,
        (_, Some(path)) if !path.is_empty() => {
            std::fs::read(path).map_err(|error| wrong(format!("{path}: {error}")))?
        }
        _ => return Ok(None),
    };
    let certificates: Vec<Vec<u8>> = CertificateDer::pem_slice_iter(&pem)
        .map(|certificate| certificate.map(|der| der.to_vec()))
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(error.to_string()))?;
    if certificates.is_empty() {
        return Err(wrong("there is no PEM certificate in it".to_owned()));
    }
    Ok(Some(certificates))
}

/// A proxy's URL as kube wants it.
fn with_login(proxy: &Intercept) -> Uri {
    let url = proxy::with_login(proxy);
    // kube's SOCKS connector leaves names to the proxy in either case.
    let socks = url.to_string().strip_prefix("socks5h://").map(|rest| format!("socks5://{rest}"));
    socks.and_then(|url| url.parse().ok()).unwrap_or(url)
}

/// Time-outs, impersonation, our name in audit logs, and no silent minutes of kube's own retries.
fn with_manners(mut config: Config, flags: &ConnectionFlags) -> Config {
    let limit = |default| match flags.request_timeout {
        Some(Duration::ZERO) => None,
        Some(limit) => Some(limit),
        None => Some(default),
    };
    config.connect_timeout = limit(CONNECT_TIMEOUT);
    config.read_timeout = limit(READ_TIMEOUT);
    config.reset_reader_on_write = true;
    config.default_retry = false;
    config.headers.push((HeaderName::from_static("user-agent"), HeaderValue::from_static(USER_AGENT)));
    if flags.impersonate.is_some() {
        config.auth_info.impersonate.clone_from(&flags.impersonate);
    }
    if !flags.impersonate_groups.is_empty() {
        config.auth_info.impersonate_groups = Some(flags.impersonate_groups.clone());
    }
    if flags.impersonate_uid.is_some() {
        config.auth_info.impersonate_uid.clone_from(&flags.impersonate_uid);
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_authority_that_is_none_is_named() {
        let cluster =
            Cluster { certificate_authority_data: Some("aGVsbG8=".to_owned()), ..Cluster::default() };
        let error = root_certificates(&cluster).unwrap_err().to_string();
        assert!(error.contains("certificate-authority"), "{error}");
    }

    #[test]
    fn flags_override_the_clusters_entry() {
        let cluster = Cluster {
            server: Some("https://one".to_owned()),
            certificate_authority_data: Some("data".to_owned()),
            ..Cluster::default()
        };
        let flags = ConnectionFlags {
            server: Some("https://two".to_owned()),
            insecure_skip_tls_verify: true,
            ..ConnectionFlags::default()
        };
        let overridden = overridden(&cluster, &flags);
        assert_eq!(overridden.server.as_deref(), Some("https://two"));
        assert_eq!(overridden.certificate_authority_data, None, "kube would verify against it");
    }
}
