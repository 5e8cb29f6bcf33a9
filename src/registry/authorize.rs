//! Authorizes requests: with our login, or with a token from the realm in the registry's challenge.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use reqwest::Url;
use secrecy::ExposeSecret as _;

use crate::registry::auth::{self, Host, Scheme, Token};
use crate::registry::client::Client;
use crate::registry::error::{self, Subject};
use crate::registry::exchange::{MAX_EXPLANATION_BYTES, base};
use crate::registry::request::{BodyMode, Request};
use crate::registry::{Error, Repository};

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
            Scheme::Basic => match self.login(request.repository).await? {
                Some(fetched) => fetched,
                None => return Ok(None),
            },
            Scheme::Bearer(challenge) => self.bearer_token(challenge, request).await?,
        };
        let header = fetched.header.clone();
        *token = Some(fetched);
        Ok(Some(header))
    }

    /// The scheme for a host's first request: our login if there is one, which is then kept.
    pub(super) async fn first_scheme(&self, host: &Host, repository: &Repository) -> Result<Scheme, Error> {
        let Some(token) = self.login(repository).await? else { return Ok(Scheme::Open) };
        *host.token(&[]).lock().await = Some(token);
        Ok(Scheme::Basic)
    }

    /// Our login, if there is one.
    async fn login(&self, repository: &Repository) -> Result<Option<Token>, Error> {
        let Some(lookup) = &self.credentials else { return Ok(None) };
        let Some(credential) = lookup(&repository.host).await? else { return Ok(None) };
        let header = auth::secret_header("Basic", credential.basic.expose_secret());
        let header = header.ok_or_else(|| Error::InvalidAnswer {
            repository: repository.clone(),
            what: "a password with characters that are invalid in a header".to_owned(),
        })?;
        Ok(Some(Token::new(header, credential.valid_for)))
    }

    async fn bearer_token(&self, challenge: &auth::Challenge, request: &Request<'_>) -> Result<Token, Error> {
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
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = &challenge.service {
                query.append_pair("service", service);
            }
            for scope in &request.scopes {
                query.append_pair("scope", scope);
            }
        }
        let token_request = Request {
            method: Method::GET,
            url,
            repository: request.repository,
            object: "token".to_owned(),
            tag: None,
            scopes: Vec::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            body_mode: BodyMode::Whole(MAX_EXPLANATION_BYTES),
        };
        let response = self.exchange(&token_request, None).await?;
        match response.status {
            status if status.is_success() => {
                auth::read_token(&response.body).ok_or_else(|| invalid("an invalid token"))
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                let repository = request.repository.clone();
                Err(Error::NeedsLogin { repository })
            }
            status => {
                let subject = Subject { repository: request.repository, object: "a token", tag: None };
                Err(error::refused(&subject, status, &response.headers, &response.body))
            }
        }
    }
}

/// A login is valid for all scopes.
fn token_scopes<'r>(scheme: &Scheme, request: &'r Request<'_>) -> &'r [String] {
    if *scheme == Scheme::Basic { &[] } else { &request.scopes }
}
