//! One TLS configuration and one set of timeouts for all our own connections.

pub mod aws_login;
pub mod credential;
pub mod fault;
pub mod request_log;
pub mod roots;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use probe::proxy::Proxies;
use rustls::ClientConfig;

use self::aws_login::AwsLogin;
use crate::error::CommandError;

/// Timeouts and retries, each a documented flag, and the login of AWS.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Timeout for connecting, including TLS.
    pub connect_timeout: Duration,
    /// Timeout of an open connection on which no data arrives.
    pub idle_timeout: Duration,
    /// How long an upload that takes no data may hold up the others that one read feeds.
    pub upload_start_timeout: Duration,
    /// Number of retries after the first attempt.
    pub retries: u32,
    /// Upper bound of the first retry delay; it doubles with each attempt, with full jitter.
    pub retry_delay: Duration,
    pub aws: AwsLogin,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_mins(1),
            upload_start_timeout: Duration::from_secs(2),
            retries: 5,
            retry_delay: Duration::from_millis(500),
            aws: AwsLogin::default(),
        }
    }
}

/// The root certificates could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no trusted root certificates found{0}: set SSL_CERT_FILE to a PEM file with root certificates")]
    NoRoots(String),
    #[error("invalid AWS_CA_BUNDLE {path}: {why}")]
    Bundle { path: String, why: String },
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("cannot set up the HTTP client: {0}")]
    Http(#[from] reqwest::Error),
    #[error("invalid {0}: expected a URL such as https://ecr.us-east-1.amazonaws.com")]
    Endpoint(String),
    /// Without text of the file, which may be secret.
    #[error("invalid AWS configuration {}: {why}", .path.display())]
    AwsFile { path: PathBuf, why: String },
    #[error(
        "incomplete AWS credentials in the environment: AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not"
    )]
    HalfKeys,
    #[error("invalid AWS region {region:?}: set --region")]
    Region { region: String },
    #[error(
        "unsupported proxy for AWS in HTTPS_PROXY: use an http:// or https:// URL, or add amazonaws.com to \
         NO_PROXY"
    )]
    Proxy,
}

/// The TLS configuration of all our own clients. Certificates are always verified.
///
/// # Errors
/// No root certificate can be read.
pub fn tls() -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots::all()?)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The HTTP client for registries. It follows no redirects, because credentials must not be sent to another host. The
/// registry module enforces the idle timeout itself: reqwest's would abort a long upload, whose response comes only at
/// the end.
///
/// HTTP/1.1 with one connection per transfer: blobs are long streams of which some wait for others, and on one HTTP/2
/// connection they would share a window and its failures. Which is faster is open: two measurements in the lab
/// disagreed.
///
/// # Errors
/// TLS cannot be set up.
pub fn http(settings: &Settings, proxies: &Proxies) -> Result<reqwest::Client, Error> {
    let tls = ClientConfig::clone(&*tls()?);
    let proxies = proxies.clone();
    let proxy = reqwest::Proxy::custom(move |url| {
        let proxy = proxies.intercept(&url.as_str().parse().ok()?)?;
        Some(proxy.url_with_login().to_string())
    });
    Ok(reqwest::Client::builder()
        .proxy(proxy)
        .tls_backend_preconfigured(tls)
        .http1_only()
        .connect_timeout(settings.connect_timeout)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(USER_AGENT)
        .build()?)
}

/// Identifies the plugin to servers and in audit logs.
pub const USER_AGENT: &str = concat!("kubectl-castai_privatelink/", env!("CARGO_PKG_VERSION"));

impl From<Error> for CommandError {
    fn from(error: Error) -> Self {
        Self::new(format!("error: {error}"))
    }
}
