//! Signed requests to the few AWS services whose SDK would be larger than this program: EC2's alone takes minutes to
//! compile.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sdk_sts::error::{ConnectorError, ErrorMetadata, SdkError};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http::StatusCode;
use probe::proxy::Proxies;

use crate::aws::error::Error;
use crate::transport::request_log::Sent;
use crate::transport::{self, Settings};

/// Larger than a page of any list.
const LARGEST_BODY: usize = 32 << 20;

/// A client of one account and region.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    aws: SdkConfig,
    settings: Settings,
    /// Timeout of one attempt.
    timeout: Duration,
}

/// What is sent.
#[derive(Clone, Debug)]
pub(super) struct Request<'r> {
    /// As IAM writes the action: `ec2:DescribeVpcs`.
    pub(super) action: &'r str,
    /// In the signature.
    pub(super) service: &'r str,
    pub(super) region: &'r str,
    pub(super) method: http::Method,
    pub(super) url: &'r str,
    pub(super) content_type: Option<&'r str>,
    pub(super) body: String,
}

/// What a service answered: its status, and the body.
pub(super) struct Response {
    pub(super) status: StatusCode,
    /// The error's code, where a service sends it as a header.
    pub(super) code: Option<String>,
    pub(super) body: String,
}

impl Client {
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(aws: &SdkConfig, settings: &Settings) -> Result<Self, transport::Error> {
        let http = transport::http(settings, &Proxies::from_environment())?;
        let timeout = settings.connect_timeout + Duration::from_secs(25);
        Ok(Self { http, aws: aws.clone(), settings: settings.clone(), timeout })
    }

    /// With another timeout of one attempt, and without retries: for those who report what a single attempt encounters.
    #[must_use]
    pub fn single_attempt(mut self, timeout: Duration) -> Self {
        self.settings.retries = 0;
        self.timeout = timeout;
        self
    }

    pub fn region(&self) -> &str {
        self.aws.region().map(aws_config::Region::as_ref).unwrap_or_default()
    }

    /// Where a service is: the user's endpoint, else `host`.
    pub(super) fn url(&self, variable: &str, host: &str) -> String {
        let own = std::env::var(variable).ok().filter(|url| !url.is_empty());
        let url = own.or_else(|| self.aws.endpoint_url().map(str::to_owned));
        url.unwrap_or_else(|| format!("https://{host}")).trim_end_matches('/').to_owned()
    }

    pub(super) fn use_fips(&self) -> bool {
        self.aws.use_fips().unwrap_or_default()
    }

    /// Sends a request, and retries it if the service is too busy. `error` finds code and message in the body of another
    /// status.
    pub(super) async fn send(
        &self,
        request: &Request<'_>,
        error: impl Fn(&str) -> Option<(String, String)>,
    ) -> Result<String, Error> {
        let attempts = self.settings.retries.min(4) + 1;
        let mut delay = self.settings.retry_delay;
        for attempt in 1.. {
            let response = self.exchange(request).await?;
            if response.status.is_success() {
                return Ok(response.body);
            }
            let (code, message) = error(&response.body).unwrap_or_default();
            let code = response.code.unwrap_or(code);
            let code = if code.is_empty() { response.status.to_string() } else { code };
            let is_busy = response.status.is_server_error() || is_throttled(&code);
            if !is_busy || attempt == attempts {
                let metadata = ErrorMetadata::builder().code(code).message(message).build();
                let error: SdkError<ErrorMetadata, ()> = SdkError::service_error(metadata, ());
                return Err(Error::from_sdk(request.action, &error));
            }
            tokio::time::sleep(jittered(delay)).await;
            delay *= 2;
        }
        unreachable!("the last attempt returns")
    }

    async fn exchange(&self, request: &Request<'_>) -> Result<Response, Error> {
        let credentials = self.credentials(request.action).await?;
        let mut builder = http::Request::builder().method(&request.method).uri(request.url);
        if let Some(kind) = request.content_type {
            builder = builder.header(http::header::CONTENT_TYPE, kind);
        }
        let mut signed = builder
            .body(request.body.clone())
            .map_err(|error| failed(request.action, ConnectorError::user(Box::new(error))))?;
        apply_signature(&mut signed, request, &credentials)
            .map_err(|error| failed(request.action, ConnectorError::user(error)))?;
        let url = request.url.split('?').next().unwrap_or_default();
        let name = request.action.split(':').next_back().unwrap_or_default();
        let sent = Sent::now(&request.method, format!("{url} {name}"));
        let answer = async {
            let request = reqwest::Request::try_from(signed)?;
            let mut response = self.http.execute(request).await?;
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await? {
                body.extend_from_slice(&chunk);
                if body.len() > LARGEST_BODY {
                    break;
                }
            }
            let code = response.headers().get("x-amzn-errortype").and_then(|code| code.to_str().ok());
            let code = code.and_then(|code| code.split(':').next()).map(str::to_owned);
            Ok::<_, reqwest::Error>((response.status(), code, body))
        };
        let answer = tokio::time::timeout(self.timeout, answer).await;
        match answer {
            Err(elapsed) => {
                sent.ended("timed out");
                Err(failed(request.action, ConnectorError::timeout(Box::new(elapsed))))
            }
            Ok(Err(error)) => {
                sent.ended("failed");
                Err(failed(request.action, ConnectorError::io(Box::new(error.without_url()))))
            }
            Ok(Ok((status, code, body))) => {
                sent.ended(status);
                if body.len() > LARGEST_BODY {
                    let reason = format!("it has more than {} MiB", LARGEST_BODY >> 20);
                    return Err(Error::Unusable { call: request.action.to_owned(), reason });
                }
                Ok(Response { status, code, body: String::from_utf8_lossy(&body).into_owned() })
            }
        }
    }

    async fn credentials(&self, action: &str) -> Result<Credentials, Error> {
        let missing = |error| failed(action, ConnectorError::other(error, None));
        let provider = self.aws.credentials_provider().ok_or_else(|| missing("not found".into()))?;
        let credentials = Box::pin(provider.provide_credentials()).await;
        credentials.map_err(|error| missing(Box::new(error)))
    }
}

fn failed(action: &str, error: ConnectorError) -> Error {
    let error: SdkError<ErrorMetadata, ()> = SdkError::dispatch_failure(error);
    Error::from_sdk(action, &error)
}

fn apply_signature(
    signed: &mut http::Request<String>,
    request: &Request<'_>,
    credentials: &Credentials,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let identity = credentials.clone().into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(request.region)
        .name(request.service)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()?
        .into();
    let headers = signed.headers().iter();
    let headers = headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let body = SignableBody::Bytes(signed.body().as_bytes());
    let signable = SignableRequest::new(request.method.as_str(), request.url, headers, body)?;
    let (instructions, _signature) = sign(signable, &parameters)?.into_parts();
    instructions.apply_to_request_http1x(signed);
    Ok(())
}

/// Codes of EC2 and of the JSON services.
fn is_throttled(code: &str) -> bool {
    [
        "Throttling",
        "ThrottlingException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "RequestThrottled",
    ]
    .contains(&code)
}

/// A part of `delay`, so that several clients do not retry at the same moment.
fn jittered(delay: Duration) -> Duration {
    let nanoseconds =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    delay.mul_f64(0.5 + f64::from(nanoseconds % 1000) / 2000.0)
}
