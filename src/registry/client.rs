//! Sending: authorization, tries, redirects and time-outs, the same for every kind of request.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{HeaderValue, StatusCode};
use probe::proxy::Proxies;

use crate::event::{Event, Observer};
use crate::model::traffic::HostTraffic;
use crate::registry::Error;
use crate::registry::auth::{self, Contact, Host, Scheme};
use crate::registry::error::{self, Subject};
use crate::registry::request::{Answer, OnceBody, Request};
use crate::registry::retry::Retries;
use crate::registry::traffic::Traffic;
use crate::transport::Settings;
use crate::transport::credential::{Credential, CredentialError};

/// Looks up what to log in to a host with; nothing where we are anonymous. It is a function so that the client depends on
/// no source of credentials.
pub type CredentialLookup =
    Box<dyn Fn(&str) -> BoxFuture<'static, Result<Option<Credential>, CredentialError>> + Send + Sync>;

/// A client of any number of registries. Share it by reference: tokens, connections and counts are its own.
pub struct Client<'o> {
    pub(super) http: reqwest::Client,
    pub(super) settings: Settings,
    pub(super) proxies: Proxies,
    observer: Observer<'o>,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
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
            settings: *settings,
            proxies,
            observer,
            hosts: Mutex::default(),
            credentials: None,
            traffic: Traffic::default(),
        })
    }

    /// Logs in where `credentials` have something for it, and asks them again when that ends.
    #[must_use]
    pub fn with_credentials(self, credentials: CredentialLookup) -> Self {
        Self { credentials: Some(credentials), ..self }
    }

    /// Requests and bytes so far, by host.
    pub fn traffic(&self) -> BTreeMap<String, HostTraffic> {
        self.traffic.snapshot()
    }

    /// Reports the retry of `host`, and waits.
    pub(super) async fn pause(&self, host: &str, reason: &str, delay: Duration) {
        (self.observer)(Event::Retry {
            host: host.to_owned(),
            reason: reason.to_owned(),
            milliseconds: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
        });
        tokio::time::sleep(delay).await;
    }

    /// Pauses between tries of something that takes more than one request.
    pub fn pauses(&self) -> Pauses<'_> {
        Pauses { client: self, retries: Retries::new(&self.settings), next: None }
    }

    fn host(&self, name: &str) -> Arc<Host> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(hosts.entry(name.to_owned()).or_default())
    }

    /// Sends `request`, again where that may help, with what authorizes it; an answer without success is an error.
    pub(super) async fn send(&self, request: &Request<'_>) -> Result<Answer, Error> {
        let name = &request.repository.host;
        let host = self.host(name);
        let (answer, used) = {
            let mut contact = host.contact.lock().await;
            match &*contact {
                Contact::Unreachable(error) => return Err(error.clone()),
                Contact::Reached(scheme) => {
                    let scheme = scheme.clone();
                    drop(contact);
                    let authorization = self.authorization(&host, &scheme, request).await?;
                    let answer = self.exchange(request, authorization.as_ref()).await?;
                    (answer, authorization)
                }
                Contact::Never => {
                    let scheme = self.first_scheme(&host, request.repository).await?;
                    let authorization = self.authorization(&host, &scheme, request).await?;
                    let answer = self.exchange(request, authorization.as_ref()).await;
                    match &answer {
                        Err(error @ Error::Unreachable { host, .. }) if host == name => {
                            *contact = Contact::Unreachable(error.clone());
                        }
                        Ok(answer) => *contact = Contact::Reached(scheme_after(scheme, answer)),
                        Err(_) => *contact = Contact::Reached(scheme),
                    }
                    (answer?, authorization)
                }
            }
        };
        let answer = if is_token_refused(&answer) {
            self.send_again(&host, request, answer, used).await?
        } else {
            answer
        };
        if answer.status.is_success() {
            return Ok(answer);
        }
        let subject = Subject { repository: request.repository, object: &request.object, tag: request.tag };
        Err(error::refused(&subject, answer.status, &answer.headers, &answer.body))
    }

    /// After a refused token, or none: with a token if none was sent, with a new one if the old one was refused. Once.
    async fn send_again(
        &self,
        host: &Host,
        request: &Request<'_>,
        answer: Answer,
        used: Option<HeaderValue>,
    ) -> Result<Answer, Error> {
        let scheme = {
            let mut contact = host.contact.lock().await;
            let scheme = match (&*contact, &used) {
                (Contact::Reached(Scheme::Basic), _) => Scheme::Basic,
                // Where strangers get a token is known; nvcr.io sends those whose token has ended to another place,
                // which serves only accounts (NVIDIA/nvidia-container-toolkit issue 1945).
                (Contact::Reached(scheme @ Scheme::Bearer(_)), Some(_)) => scheme.clone(),
                _ => scheme_after(Scheme::Open, &answer),
            };
            *contact = Contact::Reached(scheme.clone());
            scheme
        };
        if scheme == Scheme::Open {
            return Ok(answer);
        }
        if let Some(used) = used {
            self.forget(host, &scheme, request, &used).await;
        }
        let authorization = self.authorization(host, &scheme, request).await?;
        self.exchange(request, authorization.as_ref()).await
    }

    /// Sends a body that exists only once: no second try, no redirect. The host has been in contact before.
    pub(super) async fn send_once(&self, request: &Request<'_>, once: OnceBody) -> Result<Answer, Error> {
        let host = self.host(&request.repository.host);
        let scheme = match &*host.contact.lock().await {
            Contact::Reached(scheme) => scheme.clone(),
            Contact::Unreachable(error) => return Err(error.clone()),
            Contact::Never => Scheme::Open,
        };
        let authorization = self.authorization(&host, &scheme, request).await?;
        let answer = self.attempt(request, authorization.as_ref(), Some(once)).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        if let (true, Some(used)) = (is_token_refused(&answer), authorization) {
            // The next try of the whole upload fetches a new one.
            self.forget(&host, &scheme, request, &used).await;
            return Err(Error::Refused {
                repository: request.repository.clone(),
                object: request.object.clone(),
                status: answer.status.as_u16(),
                code: "BLOB_UPLOAD_UNKNOWN".to_owned(),
                message: "the token expired during the upload".to_owned(),
            });
        }
        let subject = Subject { repository: request.repository, object: &request.object, tag: request.tag };
        Err(error::refused(&subject, answer.status, &answer.headers, &answer.body))
    }
}

/// Tries of something that takes more than one request.
pub struct Pauses<'c> {
    client: &'c Client<'c>,
    retries: Retries,
    next: Option<Duration>,
}

impl Pauses<'_> {
    /// Whether there is another try.
    pub fn may_go_on(&mut self) -> bool {
        if self.next.is_none() {
            self.next = self.retries.next(self.client.settings.retries);
        }
        self.next.is_some()
    }

    /// Waits before the next try, at least for `wait`, and says why.
    pub async fn pause(&mut self, host: &str, reason: &str, wait: Option<Duration>) {
        if let Some(delay) = self.next.take() {
            let delay = wait.map_or(delay, |wait| delay.max(wait));
            self.client.pause(host, reason, delay).await;
        }
    }
}

/// Whether another token may help. Some registries, ECR for one, answer 403 and not 401 where a password has ended.
fn is_token_refused(answer: &Answer) -> bool {
    let ended = || String::from_utf8_lossy(&answer.body).contains("authorization token has expired");
    match answer.status {
        StatusCode::UNAUTHORIZED => true,
        StatusCode::FORBIDDEN => ended(),
        _ => false,
    }
}

/// The scheme that an answer to a request without a token asks for.
fn scheme_after(scheme: Scheme, answer: &Answer) -> Scheme {
    match auth::challenge(&answer.headers) {
        Some(challenge) if scheme == Scheme::Open && answer.status == StatusCode::UNAUTHORIZED => {
            Scheme::Bearer(challenge)
        }
        _ => scheme,
    }
}
