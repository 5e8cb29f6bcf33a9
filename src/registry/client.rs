//! Sends requests: authorization, retries, redirects and timeouts, the same for every kind of request.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{HeaderValue, Method, StatusCode};
use probe::proxy::Proxies;

use crate::event::{Event, Observer};
use crate::model::traffic::HostTraffic;
use crate::registry::auth::{Contact, Host, Scheme};
use crate::registry::error::{self, Subject};
use crate::registry::request::{OnceBody, RegistryResponse, Request, is_moved};
use crate::registry::retry::Retries;
use crate::registry::traffic::Traffic;
use crate::registry::{Error, Repository};
use crate::transport::Settings;
use crate::transport::credential::{Credential, CredentialError};

/// Looks up the credential for a host, or for a namespace at a host; `None` for anonymous access. It is a function so that
/// the client does not depend on the sources of credentials.
pub type CredentialLookup =
    Box<dyn Fn(&str) -> BoxFuture<'static, Result<Option<Credential>, CredentialError>> + Send + Sync>;

/// A client for any number of registries. Share it by reference: it owns tokens, connections and counters.
pub struct Client<'o> {
    pub(super) http: reqwest::Client,
    pub(super) settings: Settings,
    pub(super) proxies: Proxies,
    pub(super) observer: Observer<'o>,
    /// By host, or by namespace at a host if it has a login of its own.
    hosts: Mutex<HashMap<String, Arc<Host>>>,
    /// The latter, as `host/path`.
    namespaces: Vec<String>,
    pub(super) credentials: Option<CredentialLookup>,
    pub(super) traffic: Traffic,
}

impl<'o> Client<'o> {
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(settings: &Settings, observer: Observer<'o>) -> Result<Self, crate::transport::Error> {
        let proxies = Proxies::from_environment();
        Ok(Self {
            http: crate::transport::http(settings, &proxies)?,
            settings: settings.clone(),
            proxies,
            observer,
            hosts: Mutex::default(),
            namespaces: Vec::new(),
            credentials: None,
            traffic: Traffic::default(),
        })
    }

    /// Uses `credentials` to log in, and again when a login expires.
    #[must_use]
    pub fn with_credentials(self, credentials: CredentialLookup) -> Self {
        Self { credentials: Some(credentials), ..self }
    }

    /// Looks up a login of their own for these namespaces, given as `host/path`.
    #[must_use]
    pub fn with_namespaces(self, namespaces: Vec<String>) -> Self {
        Self { namespaces, ..self }
    }

    /// How long an upload that takes no data may hold up the others that one read feeds.
    pub const fn upload_start_timeout(&self) -> Duration {
        self.settings.upload_start_timeout
    }

    /// Requests and bytes so far, by host.
    pub fn traffic(&self) -> BTreeMap<String, HostTraffic> {
        self.traffic.snapshot()
    }

    /// Whether the first request to `host` got no response.
    pub fn is_unreachable(&self, host: &str) -> bool {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.iter().filter(|(name, _)| is_within(name, host)).any(|(_, known)| {
            known.contact.try_lock().is_ok_and(|contact| matches!(*contact, Contact::Unreachable(_)))
        })
    }

    /// Reports a retry for `host`, and waits.
    pub(super) async fn pause(&self, host: &str, reason: &str, delay: Duration) {
        (self.observer)(Event::Retry {
            host: host.to_owned(),
            reason: reason.to_owned(),
            milliseconds: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
        });
        tokio::time::sleep(delay).await;
    }

    /// Retries of an operation that needs more than one request.
    pub fn operation_retries(&self) -> OperationRetries<'_> {
        OperationRetries { client: self, retries: Retries::new(&self.settings), next: None }
    }

    fn host(&self, repository: &Repository) -> Arc<Host> {
        let name = self.login_name(repository);
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(hosts.entry(name).or_default())
    }

    /// What the login for a repository is looked up by: the most specific namespace, or the host.
    pub(super) fn login_name(&self, repository: &Repository) -> String {
        let full = format!("{}/{}", repository.host, repository.path);
        let namespaces = self.namespaces.iter().filter(|namespace| is_within(&full, namespace));
        namespaces.max_by_key(|namespace| namespace.len()).unwrap_or(&repository.host).clone()
    }

    /// Sends `request` with authorization, and retries it if that may help. A response without success is an error.
    pub(super) async fn send(&self, request: &Request<'_>) -> Result<RegistryResponse, Error> {
        let host = self.host(request.repository);
        self.send_to(&host, request).await.map_err(|error| with_login_state(error, &host))
    }

    async fn send_to(&self, host: &Host, request: &Request<'_>) -> Result<RegistryResponse, Error> {
        let name = &request.repository.host;
        let (response, used) = {
            let mut contact = host.contact.lock().await;
            match &*contact {
                Contact::Unreachable(error) => return Err(error.clone()),
                Contact::Reached(scheme) => {
                    let scheme = scheme.clone();
                    drop(contact);
                    let authorization = self.authorization(host, &scheme, request).await?;
                    let response = self.exchange(request, authorization.as_ref()).await?;
                    (response, authorization)
                }
                Contact::Never => {
                    let scheme = self.first_scheme(host, request.repository).await?;
                    let authorization = self.authorization(host, &scheme, request).await?;
                    let response = self.exchange(request, authorization.as_ref()).await;
                    match &response {
                        Err(error @ Error::Unreachable { host, .. }) if host == name => {
                            *contact = Contact::Unreachable(error.clone());
                        }
                        Ok(response) => {
                            let scheme = self.scheme_after(host, scheme, response).await;
                            *contact = Contact::Reached(scheme);
                        }
                        Err(_) => *contact = Contact::Reached(scheme),
                    }
                    (response?, authorization)
                }
            }
        };
        let (response, used) = match used {
            // Rarely needed, and part of the future of every request.
            None => Box::pin(self.send_with_hidden_scheme(host, request, response)).await?,
            used => (response, used),
        };
        if used.is_some() && !is_token_refused(&response) {
            host.is_accepted.store(true, Ordering::Relaxed);
        }
        let response = if is_token_refused(&response) {
            Box::pin(self.send_again(host, request, response, used)).await?
        } else {
            response
        };
        if response.status.is_success() {
            return Ok(response);
        }
        let subject = Subject { repository: request.repository, object: &request.object, tag: request.tag };
        Err(error::refused(&subject, response.status, &response.headers, &response.body))
    }

    /// Sends once more after a rejected or missing token: with a token if none was sent, or with a new one.
    async fn send_again(
        &self,
        host: &Host,
        request: &Request<'_>,
        response: RegistryResponse,
        used: Option<HeaderValue>,
    ) -> Result<RegistryResponse, Error> {
        let scheme = {
            let mut contact = host.contact.lock().await;
            let scheme = match (&*contact, &used) {
                (Contact::Reached(Scheme::Login), _) => Scheme::Login,
                // The realm is already known. For expired tokens, nvcr.io names another realm, which only serves
                // accounts (NVIDIA/nvidia-container-toolkit issue 1945).
                (Contact::Reached(scheme @ Scheme::Bearer(_)), Some(_)) => scheme.clone(),
                _ => self.scheme_after(host, Scheme::Open, &response).await,
            };
            *contact = Contact::Reached(scheme.clone());
            scheme
        };
        if scheme == Scheme::Open {
            return Ok(response);
        }
        if let Some(used) = used {
            self.forget(host, &scheme, request, &used).await;
            if scheme == Scheme::Login {
                host.reject_credential().await;
            }
        }
        let authorization = self.authorization(host, &scheme, request).await?;
        let response = self.exchange(request, authorization.as_ref()).await?;
        if let (true, Some(sent)) = (response.status == StatusCode::UNAUTHORIZED, &authorization) {
            if scheme == Scheme::Login {
                self.forget(host, &scheme, request, sent).await;
                host.reject_credential().await;
            } else if !matches!(request.method, Method::GET | Method::HEAD)
                && let Some(origin) = host.accepted_login().await
            {
                return Err(Error::Denied {
                    repository: request.repository.clone(),
                    message: format!("the login from {origin} may not push to it"),
                });
            }
        }
        Ok(response)
    }

    /// Sends a body that exists only once: no retry, and a redirect is the response, with its target as URL. The host's
    /// scheme is already known.
    pub(super) async fn send_once(
        &self,
        request: &Request<'_>,
        once: OnceBody,
    ) -> Result<RegistryResponse, Error> {
        let host = self.host(request.repository);
        let scheme = match &*host.contact.lock().await {
            Contact::Reached(scheme) => scheme.clone(),
            Contact::Unreachable(error) => return Err(error.clone()),
            Contact::Never => Scheme::Open,
        };
        let authorization = self.authorization(&host, &scheme, request).await?;
        let response = self.attempt(request, authorization.as_ref(), Some(once)).await?;
        if response.status.is_success() || is_moved(response.status) {
            return Ok(response);
        }
        if let (true, Some(used)) = (is_token_refused(&response), authorization) {
            // The next attempt of the whole upload fetches a new one.
            self.forget(&host, &scheme, request, &used).await;
            return Err(Error::Refused {
                repository: request.repository.clone(),
                object: request.object.clone(),
                status: response.status.as_u16(),
                code: "BLOB_UPLOAD_UNKNOWN".to_owned(),
                message: "the token expired during the upload".to_owned(),
            });
        }
        let subject = Subject { repository: request.repository, object: &request.object, tag: request.tag };
        let error = error::refused(&subject, response.status, &response.headers, &response.body);
        Err(with_login_state(error, &host))
    }
}

/// The error with what is known about our login for the host, on which the advice depends.
fn with_login_state(error: Error, host: &Host) -> Error {
    match error {
        Error::NeedsLogin { repository, .. } => {
            let trouble = host.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Error::NeedsLogin { repository, trouble }
        }
        Error::RateLimited { host: name, message, wait, .. } => {
            let with_login = host.uses_login.load(Ordering::Relaxed);
            Error::RateLimited { host: name, message, wait, with_login }
        }
        error => error,
    }
}

/// Retries of an operation that needs more than one request.
pub struct OperationRetries<'c> {
    client: &'c Client<'c>,
    retries: Retries,
    next: Option<Duration>,
}

impl OperationRetries<'_> {
    /// Whether another attempt is allowed.
    pub fn has_attempts_left(&mut self) -> bool {
        if self.next.is_none() {
            self.next = self.retries.next(self.client.settings.retries);
        }
        self.next.is_some()
    }

    /// Waits before the next attempt, at least for `wait`, and reports the reason.
    pub async fn pause(&mut self, host: &str, reason: &str, wait: Option<Duration>) {
        if let Some(delay) = self.next.take() {
            let delay = wait.map_or(delay, |wait| delay.max(wait));
            self.client.pause(host, reason, delay).await;
        }
    }
}

/// Whether another token may help. Some registries, such as ECR, answer 403 instead of 401 for an expired password.
fn is_token_refused(response: &RegistryResponse) -> bool {
    let ended = || String::from_utf8_lossy(&response.body).contains("authorization token has expired");
    match response.status {
        StatusCode::UNAUTHORIZED => true,
        StatusCode::FORBIDDEN => ended(),
        _ => false,
    }
}

/// Whether `name` is `path`, or a path below it.
fn is_within(name: &str, path: &str) -> bool {
    name.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
