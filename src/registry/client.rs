//! Sending: authorization, tries, redirects and time-outs, the same for every kind of request.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use reqwest::{Response, Url};

use crate::aws::ecr::Ecr;
use crate::event::{Event, Observer};
use crate::registry::auth::{self, Contact, Host, Scheme, Token};
use crate::registry::error::{self, Subject};
use crate::registry::retry::Retries;
use crate::registry::traffic::{HostTraffic, Traffic};
use crate::registry::{Cause, Error, Repository};
use crate::transport::Settings;

/// A client of any number of registries. Share it by reference: tokens, connections and counts are its own.
pub struct Client<'o> {
    http: reqwest::Client,
    pub(super) settings: Settings,
    observer: Observer<'o>,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
    ecr: HashMap<String, Ecr>,
    traffic: Traffic,
}

/// A request that can be sent any number of times.
pub(super) struct Request<'r> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) repository: &'r Repository,
    /// What is asked for, for messages: `manifest v1`.
    pub(super) object: String,
    /// The tag that is written, if one is.
    pub(super) tag: Option<&'r str>,
    /// Token scopes, sorted.
    pub(super) scopes: Vec<String>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) wants: Wants,
}

/// What becomes of the answer's body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    /// It is read, within this limit in bytes, and counts as part of the request when that fails.
    Whole(usize),
    /// It is handed on if the request succeeded.
    Stream,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Where the answer came from, after redirects.
    pub(super) url: Url,
    pub(super) body: Bytes,
    pub(super) stream: Option<Response>,
}

/// A body that can be sent once, and how far that is.
pub(super) struct OnceBody {
    pub(super) body: reqwest::Body,
    pub(super) progress: Arc<BodyProgress>,
}

/// Tells a receiver that takes nothing from one that would take more if the source gave it.
#[derive(Debug, Default)]
pub(super) struct BodyProgress {
    sent: AtomicU64,
    is_waiting: AtomicBool,
}

impl BodyProgress {
    /// Waits for the source.
    pub(super) async fn waiting<T>(&self, part: impl Future<Output = T>) -> T {
        self.is_waiting.store(true, Ordering::Relaxed);
        let part = part.await;
        self.is_waiting.store(false, Ordering::Relaxed);
        part
    }

    pub(super) fn sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Most redirects that are followed, one after the other.
const MOST_REDIRECTS: usize = 4;

/// Most bytes that are read of an answer that only explains an error.
pub(super) const LONGEST_EXPLANATION: usize = 64 * 1024;

impl<'o> Client<'o> {
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(settings: &Settings, observer: Observer<'o>) -> Result<Self, crate::transport::Error> {
        Ok(Self {
            http: crate::transport::http(settings)?,
            settings: *settings,
            observer,
            hosts: Mutex::default(),
            ecr: HashMap::new(),
            traffic: Traffic::default(),
        })
    }

    /// Authorizes at `host` with passwords that `ecr` gives and renews.
    #[must_use]
    pub fn with_ecr(mut self, host: String, ecr: Ecr) -> Self {
        self.ecr.insert(host, ecr);
        self
    }

    /// Requests and bytes so far, by host.
    pub fn traffic(&self) -> BTreeMap<String, HostTraffic> {
        self.traffic.snapshot()
    }

    /// Says that `host` is asked again, and waits.
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
        Pauses {
            client: self,
            retries: Retries::new(&self.settings),
            next: None,
        }
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
                    let scheme = if self.ecr.contains_key(name) {
                        Scheme::Ecr
                    } else {
                        Scheme::Open
                    };
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
        let answer = if answer.status == StatusCode::UNAUTHORIZED {
            self.send_again(&host, request, answer, used).await?
        } else {
            answer
        };
        if answer.status.is_success() {
            return Ok(answer);
        }
        let subject = Subject {
            repository: request.repository,
            object: &request.object,
            tag: request.tag,
        };
        Err(error::refused(&subject, answer.status, &answer.body))
    }

    /// After a 401: with a token if none was sent, with a new one if the old one was refused. Once.
    async fn send_again(
        &self,
        host: &Host,
        request: &Request<'_>,
        answer: Answer,
        used: Option<HeaderValue>,
    ) -> Result<Answer, Error> {
        let scheme = {
            let mut contact = host.contact.lock().await;
            let scheme = match &*contact {
                Contact::Reached(Scheme::Ecr) => Scheme::Ecr,
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
        if let (StatusCode::UNAUTHORIZED, Some(used)) = (answer.status, authorization) {
            // The next try of the whole upload fetches a new one.
            self.forget(&host, &scheme, request, &used).await;
            return Err(Error::Refused {
                repository: request.repository.clone(),
                object: request.object.clone(),
                status: answer.status.as_u16(),
                code: "BLOB_UPLOAD_UNKNOWN".to_owned(),
                message: "the token ended during the upload".to_owned(),
            });
        }
        let subject = Subject {
            repository: request.repository,
            object: &request.object,
            tag: request.tag,
        };
        Err(error::refused(&subject, answer.status, &answer.body))
    }

    async fn forget(&self, host: &Host, scheme: &Scheme, request: &Request<'_>, used: &HeaderValue) {
        let place = host.token(token_scopes(scheme, request));
        let mut token = place.lock().await;
        // Somebody else may have renewed it in the meantime.
        if token.as_ref().is_some_and(|token| token.header == *used) {
            *token = None;
        }
    }

    async fn authorization(
        &self,
        host: &Host,
        scheme: &Scheme,
        request: &Request<'_>,
    ) -> Result<Option<HeaderValue>, Error> {
        if *scheme == Scheme::Open {
            return Ok(None);
        }
        // An upload location on another host carries its own right to write.
        if request.url.origin() != base(&request.repository.host)?.origin() {
            return Ok(None);
        }
        let place = host.token(token_scopes(scheme, request));
        let mut token = place.lock().await;
        if let Some(token) = token.as_ref().filter(|token| token.is_fresh()) {
            return Ok(Some(token.header.clone()));
        }
        let fetched = match scheme {
            Scheme::Open => return Ok(None),
            Scheme::Ecr => self.ecr_token(request.repository).await?,
            Scheme::Bearer(challenge) => self.bearer_token(challenge, request).await?,
        };
        let header = fetched.header.clone();
        *token = Some(fetched);
        Ok(Some(header))
    }

    async fn ecr_token(&self, repository: &Repository) -> Result<Token, Error> {
        let unusable = || Error::InvalidAnswer {
            repository: repository.clone(),
            what: "a password that is no header value".to_owned(),
        };
        let ecr = self.ecr.get(&repository.host).ok_or_else(unusable)?;
        let authorization = ecr.authorization().await?;
        let header = auth::secret_header("Basic", &authorization.basic).ok_or_else(unusable)?;
        Ok(Token::new(header, authorization.valid_for))
    }

    async fn bearer_token(&self, challenge: &auth::Challenge, request: &Request<'_>) -> Result<Token, Error> {
        let invalid = |what: &str| Error::InvalidAnswer {
            repository: request.repository.clone(),
            what: what.to_owned(),
        };
        let mut url: Url = challenge
            .realm
            .parse()
            .map_err(|_| invalid("a challenge without a usable realm"))?;
        let is_downgrade = request.url.scheme() == "https" && url.scheme() != "https";
        if is_downgrade || !matches!(url.scheme(), "http" | "https") {
            return Err(invalid("a token service that is not https"));
        }
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = &challenge.service {
                query.append_pair("service", service);
            }
            for scope in &request.scopes {
                query.append_pair("scope", scope);
            }
        }
        let asked = Request {
            method: Method::GET,
            url,
            repository: request.repository,
            object: "token".to_owned(),
            tag: None,
            scopes: Vec::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            wants: Wants::Whole(LONGEST_EXPLANATION),
        };
        let answer = self.exchange(&asked, None).await?;
        match answer.status {
            status if status.is_success() => {
                auth::read_token(&answer.body).ok_or_else(|| invalid("a token that cannot be read"))
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                let repository = request.repository.clone();
                Err(Error::NeedsLogin { repository })
            }
            status => {
                let subject = Subject {
                    repository: request.repository,
                    object: "a token",
                    tag: None,
                };
                Err(error::refused(&subject, status, &answer.body))
            }
        }
    }

    /// Tries until there is an answer that another try would not change.
    async fn exchange(
        &self,
        request: &Request<'_>,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, Error> {
        let mut retries = Retries::new(&self.settings);
        loop {
            let result = self.attempt(request, authorization, None).await;
            let (host, reason, delay) = match &result {
                Ok(answer) => (
                    host_of(&answer.url),
                    format!("it answered {}", answer.status.as_u16()),
                    retries.after_status(answer.status, &answer.headers),
                ),
                Err(Error::Unreachable { host, cause }) => {
                    (host.clone(), cause.to_string(), retries.after_cause(cause))
                }
                Err(_) => return result,
            };
            match delay {
                Some(delay) => self.pause(&host, &reason, delay).await,
                None => return result,
            }
        }
    }

    /// One try, redirects included.
    async fn attempt(
        &self,
        request: &Request<'_>,
        authorization: Option<&HeaderValue>,
        mut once: Option<OnceBody>,
    ) -> Result<Answer, Error> {
        let mut url = request.url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let mut builder = self
                .http
                .request(request.method.clone(), url.clone())
                .headers(request.headers.clone());
            // Credentials stay with the host that they are for.
            if let Some(authorization) = authorization.filter(|_| url.origin() == request.url.origin()) {
                builder = builder.header(header::AUTHORIZATION, authorization.clone());
            }
            let counters = self.traffic.of(&host_of(&url));
            counters.request();
            let progress = match once.take() {
                Some(once) => {
                    builder = builder.body(once.body);
                    Some(once.progress)
                }
                None => {
                    counters.sent(request.body.len());
                    if !request.body.is_empty() {
                        builder = builder.body(request.body.clone());
                    }
                    None
                }
            };
            let response = self.head_of(builder, progress.as_deref()).await;
            if let Some(progress) = progress {
                let sent = progress.sent.load(Ordering::Relaxed);
                counters.sent(usize::try_from(sent).unwrap_or(usize::MAX));
            }
            let response = response.map_err(|cause| unreachable(&url, cause))?;
            if response.status().is_redirection() && is_read(&request.method) {
                url = self.redirected(&url, &response, request.repository)?;
                continue;
            }
            return self.answer(request, response, url).await;
        }
        Err(Error::InvalidAnswer {
            repository: request.repository.clone(),
            what: "too many redirects".to_owned(),
        })
    }

    /// The target of a redirect, which must not lead from https to http.
    fn redirected(&self, url: &Url, response: &Response, repository: &Repository) -> Result<Url, Error> {
        let location = response.headers().get(header::LOCATION);
        location_from(url, location).ok_or_else(|| Error::InvalidAnswer {
            repository: repository.clone(),
            what: "a redirect that leads nowhere, or from https to http".to_owned(),
        })
    }

    /// Waits for the head of the answer as long as something moves.
    async fn head_of(
        &self,
        builder: reqwest::RequestBuilder,
        progress: Option<&BodyProgress>,
    ) -> Result<Response, Cause> {
        let mut sending = std::pin::pin!(builder.send());
        let mut seen = 0;
        loop {
            match tokio::time::timeout(self.settings.idle_timeout, &mut sending).await {
                Ok(result) => return result.map_err(|error| Cause::of(&error)),
                Err(_) => {
                    let Some(progress) = progress else {
                        return Err(Cause::Timeout);
                    };
                    let sent = progress.sent.load(Ordering::Relaxed);
                    if sent == seen && !progress.is_waiting.load(Ordering::Relaxed) {
                        return Err(Cause::Timeout);
                    }
                    seen = sent;
                }
            }
        }
    }

    async fn answer(&self, request: &Request<'_>, mut response: Response, url: Url) -> Result<Answer, Error> {
        let (status, headers) = (response.status(), response.headers().clone());
        let limit = match request.wants {
            Wants::Stream if status.is_success() => {
                let body = Bytes::new();
                return Ok(Answer {
                    status,
                    headers,
                    url,
                    body,
                    stream: Some(response),
                });
            }
            Wants::Whole(limit) if status.is_success() => limit,
            _ => LONGEST_EXPLANATION,
        };
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk(&mut response, &url).await? {
            if body.len() + chunk.len() > limit {
                if status.is_success() {
                    return Err(Error::InvalidAnswer {
                        repository: request.repository.clone(),
                        what: format!("more than {limit} bytes for {}", request.object),
                    });
                }
                break;
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status,
            headers,
            url,
            body: body.into(),
            stream: None,
        })
    }

    /// The next part of an answer's body.
    pub(super) async fn chunk(&self, response: &mut Response, url: &Url) -> Result<Option<Bytes>, Error> {
        let chunk = tokio::time::timeout(self.settings.idle_timeout, response.chunk()).await;
        let chunk = chunk
            .map_err(|_| Cause::Timeout)
            .and_then(|chunk| chunk.map_err(|error| Cause::of(&error)))
            .map_err(|cause| unreachable(url, cause))?;
        if let Some(chunk) = &chunk {
            self.traffic.of(&host_of(url)).received(chunk.len());
        }
        Ok(chunk)
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

    /// Waits before the next try, and says why.
    pub async fn pause(&mut self, host: &str, reason: &Error) {
        if let Some(delay) = self.next.take() {
            self.client.pause(host, &reason.to_string(), delay).await;
        }
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

/// ECR's one password is good for everything.
fn token_scopes<'r>(scheme: &Scheme, request: &'r Request<'_>) -> &'r [String] {
    if *scheme == Scheme::Ecr {
        &[]
    } else {
        &request.scopes
    }
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

fn unreachable(url: &Url, cause: Cause) -> Error {
    Error::Unreachable {
        host: host_of(url),
        cause,
    }
}

/// Host and port as written; never the query, which may hold a signature.
pub(super) fn host_of(url: &Url) -> String {
    url.authority().rsplit('@').next().unwrap_or_default().to_owned()
}

/// Where a `Location` header leads from `url`, unless that would give up encryption.
pub(super) fn location_from(url: &Url, location: Option<&HeaderValue>) -> Option<Url> {
    let target = url.join(location?.to_str().ok()?).ok()?;
    let legal = target.scheme() == "https" || (target.scheme() == "http" && url.scheme() == "http");
    legal.then_some(target)
}

/// The base of a registry's API: plain HTTP only where the name as written is this machine's own.
pub(super) fn base(host: &str) -> Result<Url, Error> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let is_local = matches!(name, "localhost" | "[::1]")
        || name
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback());
    let scheme = if is_local { "http" } else { "https" };
    format!("{scheme}://{host}/v2/")
        .parse()
        .map_err(|_| Error::Unreachable {
            host: host.to_owned(),
            cause: Cause::Dns,
        })
}
