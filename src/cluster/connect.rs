//! Connecting to the API server as kubectl does: kubeconfig, flags, credential plugins, proxies.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use http::header::AUTHORIZATION;
use http::uri::Scheme;
use http::{HeaderName, HeaderValue, Request, Uri};
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use probe::proxy::{self, Proxies, Proxy};
use tower::buffer::BufferLayer;
use tower::filter::AsyncFilterLayer;

use super::connection_flags::ConnectionFlags;
use super::credentials::{self, Authorization};
use super::error::{Error, ForeignResponses, ServerRoute};
use super::exec_plugin::{Call, Plugin};
use super::identity::Identity;
use super::kubeconfig::{self, Cluster, EksIdentity, Selection, User};
use super::request_limit::RequestLimit;
use super::request_log::RequestLog;
use super::url::{proxy_url, server_login, server_url};
use super::value_source::ValueSource;
use crate::model::image_field::Variables;
use crate::transport::aws_login::AwsLogin;
use crate::transport::{USER_AGENT, roots};

/// Delays before a failed read is retried.
const READ_DELAYS: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(600)];

/// Capacity for requests that wait while credentials are renewed.
const WAITING: usize = 1024;

/// A connection to a cluster.
#[derive(Clone)]
pub struct Connection {
    pub client: Client,
    /// The context, else the cluster's entry, else the server.
    pub name: String,
    pub eks: Option<EksIdentity>,
    /// What the kubeconfig's credential plugin uses.
    pub aws_login: AwsLogin,
    /// Container variables whose values are images.
    pub image_variables: Variables,
    server_route: ServerRoute,
    limit: RequestLimit,
}

/// Loads the configuration and creates a client. It may run a credential plugin, but sends no request.
///
/// # Errors
/// No cluster is configured, a name does not exist, a file cannot be read, or the credential plugin fails.
pub async fn connect(flags: &ConnectionFlags) -> Result<Connection, Error> {
    let loaded = kubeconfig::load(flags.kubeconfig.as_deref())?;
    let (config, selection) = match loaded {
        Some(loaded) => configured(kubeconfig::select(loaded, flags)?, flags)?,
        None if flags.server.is_some() => {
            configured(kubeconfig::select(kubeconfig::Kubeconfig::default(), flags)?, flags)?
        }
        None if flags.choose_a_cluster() => {
            return Err(match &flags.context {
                Some(context) => {
                    Error::config(format!("context \"{context}\" does not exist"), Some(NO_KUBECONFIG))
                }
                None => Error::config("no kubeconfig found", Some(NO_KUBECONFIG)),
            });
        }
        None => in_cluster()?,
    };
    let config = with_user_agent(config);
    let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
    let proxy = config.proxy_url.as_ref().and_then(proxy::Address::from_url);
    let server_route = ServerRoute { server: server.clone(), proxy };
    let client = client(config, &selection, flags, &server_route).await?;
    let name = selection.context.clone().or_else(|| selection.cluster_name.clone());
    Ok(Connection {
        client,
        name: name.unwrap_or_else(|| server.clone()),
        eks: EksIdentity::read(&selection, &server),
        aws_login: selection.user.exec.as_ref().map(kubeconfig::aws_login).unwrap_or_default(),
        image_variables: flags.image_variables.clone(),
        server_route,
        limit: RequestLimit::new(flags.request_timeout),
    })
}

/// The namespace of the context, else `default`, as in kubectl.
///
/// # Errors
/// No cluster is configured, a name does not exist, or a file cannot be read.
pub fn context_namespace(flags: &ConnectionFlags) -> Result<String, Error> {
    let namespace = match kubeconfig::load(flags.kubeconfig.as_deref())? {
        Some(loaded) => kubeconfig::select(loaded, flags)?.namespace,
        None => Config::incluster().ok().map(|config| config.default_namespace),
    };
    Ok(namespace.filter(|namespace| !namespace.is_empty()).unwrap_or_else(|| "default".to_owned()))
}

fn configured(selection: Selection, flags: &ConnectionFlags) -> Result<(Config, Selection), Error> {
    Ok((configure(&selection, flags)?, selection))
}

/// The cluster that this process runs in, with the token of its service account.
fn in_cluster() -> Result<(Config, Selection), Error> {
    let mut config =
        Config::incluster().map_err(|_| Error::config("no cluster is configured", Some(NO_KUBECONFIG)))?;
    let token_file = std::mem::take(&mut config.auth_info).token_file;
    let user_name = Some("service account".to_owned());
    let user = User { token_file, ..User::default() };
    Ok((config, Selection { user_name, user, ..Selection::default() }))
}

/// The client with its authorization. As in kubectl, a server with plain HTTP gets no credentials and no plugin is run
/// for it, but impersonation headers are sent (client-go `DirectClientConfig.ClientConfig`).
async fn client(
    mut config: Config,
    selection: &Selection,
    flags: &ConnectionFlags,
    server_route: &ServerRoute,
) -> Result<Client, Error> {
    let (user, name) = (&selection.user, selection.user_name.as_deref().unwrap_or_default());
    config.headers.extend(credentials::impersonation(user, name, flags)?);
    let mut authorization = Authorization::None;
    if config.cluster_url.scheme() == Some(&Scheme::HTTPS) {
        let mut identity = credentials::identity(user, name, flags)?;
        authorization = credentials::authorization(user, name, flags)?;
        let server = flags.server.as_deref().or(selection.cluster.server.as_deref());
        if let (None, Some((user, password))) = (&flags.token, server.and_then(server_login)) {
            let value_source =
                ValueSource::cluster("server", selection.cluster_name.as_deref().unwrap_or_default());
            authorization = Authorization::Fixed(credentials::basic(&user, Some(&password), &value_source)?);
        }
        // As in kubectl, a plugin is only run if there are no other credentials.
        if let (Authorization::None, None, Some(exec)) = (&authorization, &identity, &user.exec) {
            let cluster = overridden(&selection.cluster, flags);
            let authority = authority(&cluster, selection)?;
            let call = Call::new(exec, name, &cluster, authority.as_deref(), flags.unattended)?;
            let plugin = Plugin::start(call).await?;
            identity = plugin.identity().await;
            authorization = Authorization::Plugin(plugin);
        }
        if let Some(Identity { certificate, key }) = identity {
            let encode = |pem| base64::engine::general_purpose::STANDARD.encode(pem);
            config.auth_info.client_certificate_data = Some(encode(certificate));
            config.auth_info.client_key_data = Some(encode(key).into());
        }
    }
    if let Authorization::Fixed(value) = &authorization {
        config.headers.push((AUTHORIZATION, value.clone()));
    }
    let builder = ClientBuilder::try_from(config).map_err(|error| Error::from_kube(&error, server_route))?;
    let builder = builder.with_layer(&RequestLog(server_route.server.as_str().into()));
    let builder = builder.with_layer(&ForeignResponses);
    if !authorization.is_renewed() {
        return Ok(builder.build());
    }
    let authorization = Arc::new(authorization);
    let authorize = move |mut request: Request<Body>| {
        let authorization = Arc::clone(&authorization);
        async move {
            if let Some(value) = authorization.header().await? {
                request.headers_mut().insert(AUTHORIZATION, value);
            }
            Ok::<_, Error>(request)
        }
    };
    Ok(builder.with_layer(&BufferLayer::new(WAITING)).with_layer(&AsyncFilterLayer::new(authorize)).build())
}

const NO_KUBECONFIG: &str = "there is no kubeconfig: set KUBECONFIG or --kubeconfig, or for EKS run `aws eks update-kubeconfig --name <cluster>`";

impl Connection {
    /// Sends a read request, and retries it after transient failures, all within `--request-timeout`.
    pub(super) async fn read<T, F>(&self, request: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = kube::Result<T>>,
    {
        let attempts = async {
            for delay in READ_DELAYS {
                match self.attempt(request()).await {
                    Err(error) if error.is_transient() => tokio::time::sleep(delay).await,
                    done => return done,
                }
            }
            self.attempt(request()).await
        };
        self.limit.apply(attempts, &self.server_route).await
    }

    /// Sends a request once. Write requests are never retried here.
    pub(super) async fn once<T>(&self, request: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
        self.limit.apply(self.attempt(request), &self.server_route).await
    }

    async fn attempt<T>(&self, request: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
        request.await.map_err(|error| Error::from_kube(&error, &self.server_route))
    }
}

/// The configuration that kubectl would use. kube's own proxy support is not used, because it matches `NO_PROXY`
/// against the proxy instead of the server (kube-client 5.0.0, `ConfigLoader::proxy_url`).
fn configure(selection: &Selection, flags: &ConnectionFlags) -> Result<Config, Error> {
    let cluster = overridden(&selection.cluster, flags);
    let name = selection.cluster_name.as_deref().unwrap_or_default();
    let server = cluster.server.as_deref().ok_or_else(|| {
        Error::config("the cluster's entry in the kubeconfig has no server", Some("set it with --server"))
    })?;
    let value_source = if flags.server.is_some() {
        ValueSource::Flag("--server")
    } else {
        ValueSource::cluster("server", name)
    };
    let mut config = Config::new(server_url(server, &value_source)?);
    if let Some(namespace) = &selection.namespace {
        config.default_namespace.clone_from(namespace);
    }
    let roots = root_certificates(&cluster, selection);
    // Plain HTTP needs no certificates, so invalid ones do not matter.
    let is_https = config.cluster_url.scheme() == Some(&Scheme::HTTPS);
    if is_https && cluster.insecure_skip_tls_verify && cluster.has_authority() {
        return Err(Error::config(
            "specifying a root certificates file with the insecure flag is not allowed",
            Some(
                "remove insecure-skip-tls-verify, so that the server is verified, or the certificate-authority",
            ),
        ));
    }
    config.root_cert = if is_https { roots? } else { roots.unwrap_or_default() };
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify;
    config.tls_server_name.clone_from(&cluster.tls_server_name);
    config.proxy_url = match &cluster.proxy_url {
        Some(proxy) => Some(proxy_url(proxy, &ValueSource::cluster("proxy-url", name))?),
        None => match Proxies::from_environment().intercept(&config.cluster_url) {
            Some(proxy) => {
                let url = with_login(&proxy).to_string();
                Some(proxy_url(&url, &ValueSource::Flag("HTTPS_PROXY, HTTP_PROXY or ALL_PROXY"))?)
            }
            None => None,
        },
    };
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
        // As in kubectl, the flag means that the server is verified.
        cluster.insecure_skip_tls_verify = false;
    } else if flags.insecure_skip_tls_verify {
        cluster.certificate_authority = None;
        cluster.certificate_authority_data = None;
    }
    cluster.insecure_skip_tls_verify |= flags.insecure_skip_tls_verify;
    cluster
}

/// The cluster's certificate authority in PEM.
fn authority(cluster: &Cluster, selection: &Selection) -> Result<Option<Vec<u8>>, Error> {
    let value_source = authority_source(selection);
    match (&cluster.certificate_authority_data, &cluster.certificate_authority) {
        (Some(data), _) => data
            .decode(&cluster.file)
            .map(Some)
            .map_err(|fault| credentials::invalid_data(&fault, &value_source)),
        (None, Some(path)) => std::fs::read(path)
            .map(Some)
            .map_err(|error| Error::config(format!("{value_source}: {path}: {error}"), None)),
        (None, None) => Ok(None),
    }
}

fn authority_source(selection: &Selection) -> ValueSource {
    ValueSource::cluster("certificate-authority", selection.cluster_name.as_deref().unwrap_or_default())
}

fn root_certificates(cluster: &Cluster, selection: &Selection) -> Result<Option<Vec<Vec<u8>>>, Error> {
    let Some(pem) = authority(cluster, selection)? else { return Ok(None) };
    let certificates = roots::certificates(&pem);
    if certificates.is_empty() {
        return Err(Error::config(
            format!("{} holds no valid PEM certificate", authority_source(selection)),
            Some(
                "it needs at least one block from BEGIN CERTIFICATE to END CERTIFICATE with an X.509 certificate",
            ),
        ));
    }
    Ok(Some(certificates.into_iter().map(|certificate| certificate.to_vec()).collect()))
}

/// A proxy's URL in the form that kube accepts.
fn with_login(proxy: &Proxy) -> Uri {
    let url = proxy.url_with_login();
    // kube's SOCKS connector lets the proxy resolve names in both cases.
    let socks = url.to_string().strip_prefix("socks5h://").map(|rest| format!("socks5://{rest}"));
    socks.and_then(|url| url.parse().ok()).unwrap_or(url)
}

/// Our user agent. kube's own timeouts are disabled, because each of them counts anew, and its retries, because they
/// would block silently for minutes.
fn with_user_agent(mut config: Config) -> Config {
    config.connect_timeout = None;
    config.read_timeout = None;
    config.write_timeout = None;
    config.default_retry = false;
    config.headers.push((HeaderName::from_static("user-agent"), HeaderValue::from_static(USER_AGENT)));
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_certificate_authority_is_named() {
        for (data, words) in [
            ("aGVsbG8=", "certificate-authority of cluster \"c\" holds no valid PEM certificate"),
            ("s3cret!", ": line 1: certificate-authority of cluster \"c\": invalid Base64"),
        ] {
            let cluster = kubeconfig::parsed_cluster(&format!(
                "clusters: [{{name: c, cluster: {{certificate-authority-data: '{data}'}}}}]"
            ));
            let selection = Selection { cluster_name: Some("c".to_owned()), ..Selection::default() };
            let error = root_certificates(&cluster, &selection).unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn flags_override_the_clusters_entry() {
        let cluster = Cluster {
            server: Some("https://one".to_owned()),
            certificate_authority: Some("path".to_owned()),
            ..Cluster::default()
        };
        let flags = ConnectionFlags {
            server: Some("https://two".to_owned()),
            insecure_skip_tls_verify: true,
            ..ConnectionFlags::default()
        };
        let overridden = overridden(&cluster, &flags);
        assert_eq!(overridden.server.as_deref(), Some("https://two"));
        assert_eq!(overridden.certificate_authority, None, "kube would verify against it");
    }
}
