//! Authorizes requests: with our login, or with a token from the realm in the registry's challenge.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use reqwest::Url;
use secrecy::ExposeSecret as _;

use crate::registry::auth::{self, Contact, Host, LookedUp, Scheme, Token};
use crate::registry::client::Client;
use crate::registry::error::{self, Subject};
use crate::registry::exchange::{MAX_EXPLANATION_BYTES, base};
use crate::registry::request::{BodyMode, RegistryResponse, Request};
use crate::registry::{Error, Repository};
use crate::transport::credential::{Consequence, Credential, Login};

/// How long a login without stated end is used before it is looked up again.
const LOGIN_LIFETIME: Duration = Duration::from_hours(1);

/// Our name at token services.
const CLIENT_ID: &str = "kubectl-castai-privatelink";

impl Client<'_> {
    pub(super) async fn forget(
        &self,
        host: &Host,
        scheme: &Scheme,
        request: &Request<'_>,
        used: &HeaderValue,
    ) {
        let place = host.token(token_scopes(scheme, request));
        let mut token = place.lock().await;
        // Another request may have renewed it in the meantime.
        if token.as_ref().is_some_and(|token| token.header == *used) {
            *token = None;
        }
    }

    pub(super) async fn authorization(
        &self,
        host: &Host,
        scheme: &Scheme,
        request: &Request<'_>,
    ) -> Result<Option<HeaderValue>, Error> {
        if *scheme == Scheme::Open {
            return Ok(None);
        }
        // An upload URL on another host is already authorized by itself.
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
            Scheme::Login => match self.login(host, request.repository).await? {
                Some(fetched) => fetched,
                None => return Ok(None),
            },
            Scheme::Bearer(challenge) => self.bearer_token(host, challenge, request).await?,
        };
        let header = fetched.header.clone();
        *token = Some(fetched);
        Ok(Some(header))
    }

    /// The scheme for a host's first request: our login, if it needs no challenge.
    pub(super) async fn first_scheme(&self, host: &Host, repository: &Repository) -> Result<Scheme, Error> {
        let credential = self.credential(host, repository).await?;
        let is_immediate = credential.is_some_and(|credential| {
            matches!(credential.login, Login::Immediate { .. } | Login::RegistryToken(_))
        });
        Ok(if is_immediate { Scheme::Login } else { Scheme::Open })
    }

    /// The scheme that the response to an anonymous request demands.
    pub(super) async fn scheme_after(
        &self,
        host: &Host,
        scheme: Scheme,
        response: &RegistryResponse,
    ) -> Scheme {
        if scheme != Scheme::Open || response.status != StatusCode::UNAUTHORIZED {
            return scheme;
        }
        if let Some(challenge) = auth::challenge(&response.headers) {
            return Scheme::Bearer(challenge);
        }
        let has_password = match &*host.credential.lock().await {
            LookedUp::Found(credential) => matches!(credential.login, Login::Password(_)),
            LookedUp::Not | LookedUp::None => false,
        };
        if has_password && auth::asks_for_password(&response.headers) { Scheme::Login } else { scheme }
    }

    /// Sends a request again that was made without our login and whose answer may only hide what the registry has: with
    /// the scheme that it names at `/v2/`, where other clients learn it. Returns the authorization that was sent too.
    pub(super) async fn send_with_hidden_scheme(
        &self,
        host: &Host,
        request: &Request<'_>,
        response: RegistryResponse,
    ) -> Result<(RegistryResponse, Option<HeaderValue>), Error> {
        let is_hiding = matches!(response.status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND);
        if !is_hiding || self.credential(host, request.repository).await?.is_none() {
            return Ok((response, None));
        }
        let scheme = {
            let mut contact = host.contact.lock().await;
            if let Contact::Reached(scheme @ Scheme::Open) = &mut *contact
                && !host.is_pinged.swap(true, Ordering::Relaxed)
            {
                *scheme = self.scheme_at_base(host, request).await?;
            }
            match &*contact {
                Contact::Reached(scheme) => scheme.clone(),
                Contact::Never | Contact::Unreachable(_) => Scheme::Open,
            }
        };
        match self.authorization(host, &scheme, request).await? {
            Some(authorization) => {
                let response = self.exchange(request, Some(&authorization)).await?;
                Ok((response, Some(authorization)))
            }
            None => Ok((response, None)),
        }
    }

    /// The scheme in the answer of `/v2/` to an anonymous request.
    async fn scheme_at_base(&self, host: &Host, request: &Request<'_>) -> Result<Scheme, Error> {
        let ping = Request {
            method: Method::GET,
            url: base(&request.repository.host)?,
            repository: request.repository,
            object: "its API".to_owned(),
            tag: None,
            scopes: Vec::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            body_mode: BodyMode::Whole(MAX_EXPLANATION_BYTES),
        };
        match self.exchange(&ping, None).await {
            Ok(response) => Ok(self.scheme_after(host, Scheme::Open, &response).await),
            // The answer to the request itself remains.
            Err(_) => Ok(Scheme::Open),
        }
    }

    /// Our credential for a repository, if there is one; it is looked up once, and again when it was not accepted.
    async fn credential(
        &self,
        host: &Host,
        repository: &Repository,
    ) -> Result<Option<Arc<Credential>>, Error> {
        let Some(lookup) = &self.credentials else { return Ok(None) };
        let mut known = host.credential.lock().await;
        match &*known {
            LookedUp::Not => {}
            LookedUp::None => return Ok(None),
            LookedUp::Found(credential) => return Ok(Some(Arc::clone(credential))),
        }
        let credential = match lookup(&self.login_name(repository)).await {
            Err(error) if error.consequence == Consequence::Anonymous => {
                host.note_trouble(format!("its login was not found: {}", error.message));
                None
            }
            credential => credential?.map(Arc::new),
        };
        *known = credential.clone().map_or(LookedUp::None, LookedUp::Found);
        Ok(credential)
    }

    /// The header of our login, if there is one.
    async fn login(&self, host: &Host, repository: &Repository) -> Result<Option<Token>, Error> {
        let Some(credential) = self.credential(host, repository).await? else { return Ok(None) };
        // The next one is asked for when this one ends.
        if matches!(credential.login, Login::Immediate { .. }) {
            *host.credential.lock().await = LookedUp::Not;
        }
        let (scheme, secret, valid_for) = match &credential.login {
            Login::Immediate { basic, valid_for } => ("Basic", basic, *valid_for),
            Login::Password(basic) => ("Basic", basic, LOGIN_LIFETIME),
            Login::RegistryToken(token) => ("Bearer", token, LOGIN_LIFETIME),
            Login::IdentityToken(_) => return Ok(None),
        };
        let header = auth::secret_header(scheme, secret.expose_secret());
        let header = header.ok_or_else(|| Error::InvalidAnswer {
            repository: repository.clone(),
            what: format!("a login from {} with characters that are invalid in a header", credential.origin),
        })?;
        host.uses_login.store(true, Ordering::Relaxed);
        Ok(Some(Token::new(header, valid_for)))
    }

    async fn bearer_token(
        &self,
        host: &Host,
        challenge: &auth::Challenge,
        request: &Request<'_>,
    ) -> Result<Token, Error> {
        let invalid = |what: &str| Error::InvalidAnswer {
            repository: request.repository.clone(),
            what: what.to_owned(),
        };
        let mut url: Url =
            challenge.realm.parse().map_err(|_| invalid("a challenge without a valid realm"))?;
        let is_downgrade = request.url.scheme() == "https" && url.scheme() != "https";
        if is_downgrade || !matches!(url.scheme(), "http" | "https") {
            return Err(invalid("a token service without https"));
        }
        let credential = self.credential(host, request.repository).await?;
        let credential = credential.filter(|credential| {
            let hosts = (request.url.host_str().unwrap_or_default(), url.host_str().unwrap_or_default());
            let is_trusted = auth::is_of_one_owner(hosts.0, hosts.1);
            if !is_trusted {
                host.note_trouble(format!(
                    "the login from {} was not sent to {}, which the registry names as its token service",
                    credential.origin, hosts.1
                ));
            }
            is_trusted
        });
        let parameters = challenge.service.iter().map(|service| ("service", service.as_str()));
        let parameters = parameters.chain(request.scopes.iter().map(|scope| ("scope", scope.as_str())));
        let mut token_request = Request {
            method: Method::GET,
            url: url.clone(),
            repository: request.repository,
            object: "token".to_owned(),
            tag: None,
            scopes: Vec::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            body_mode: BodyMode::Whole(MAX_EXPLANATION_BYTES),
        };
        let mut authorization = None;
        match credential.as_ref().map(|credential| &credential.login) {
            Some(Login::IdentityToken(token)) => {
                token_request.method = Method::POST;
                let form = HeaderValue::from_static("application/x-www-form-urlencoded");
                token_request.headers.insert(header::CONTENT_TYPE, form);
                token_request.body = refresh(url, parameters, token.expose_secret());
            }
            login => {
                url.query_pairs_mut().extend_pairs(parameters);
                token_request.url = url;
                if let Some(Login::Password(basic)) = login {
                    authorization = auth::secret_header("Basic", basic.expose_secret());
                }
            }
        }
        let has_login = authorization.is_some() || token_request.method == Method::POST;
        host.uses_login.store(has_login, Ordering::Relaxed);
        let response = self.exchange(&token_request, authorization.as_ref()).await?;
        match response.status {
            status if status.is_success() => {
                if has_login {
                    host.is_accepted.store(true, Ordering::Relaxed);
                }
                auth::read_token(&response.body).map_err(|what| {
                    let service = response.url.host_str().unwrap_or_default();
                    invalid(&format!("its token service {service} sent {what}"))
                })
            }
            // Public content can be read without the login that was rejected.
            StatusCode::UNAUTHORIZED if has_login => {
                host.reject_credential().await;
                Box::pin(self.bearer_token(host, challenge, request)).await
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                if let Some(credential) = credential.filter(|_| has_login) {
                    host.note_trouble(format!("the login from {} may not read it", credential.origin));
                }
                Err(Error::needs_login(request.repository.clone()))
            }
            status => {
                let subject = Subject { repository: request.repository, object: "a token", tag: None };
                Err(error::refused(&subject, status, &response.headers, &response.body))
            }
        }
    }
}

/// The body that gets a token for an identity token (distribution specification, `OAuth2` token authentication).
fn refresh<'p>(mut url: Url, parameters: impl Iterator<Item = (&'p str, &'p str)>, token: &str) -> Bytes {
    let (scopes, others): (Vec<_>, Vec<_>) = parameters.partition(|(name, _)| *name == "scope");
    // Here scopes are one list.
    let scopes = scopes.into_iter().map(|(_, scope)| scope).collect::<Vec<_>>().join(" ");
    // A form is encoded like a query.
    url.set_query(None);
    url.query_pairs_mut()
        .extend_pairs(others)
        .append_pair("scope", &scopes)
        .append_pair("grant_type", "refresh_token")
        .append_pair("client_id", CLIENT_ID)
        .append_pair("refresh_token", token);
    url.query().unwrap_or_default().to_owned().into()
}

/// A login is valid for all scopes.
fn token_scopes<'r>(scheme: &Scheme, request: &'r Request<'_>) -> &'r [String] {
    if *scheme == Scheme::Login { &[] } else { &request.scopes }
}
