//! What a request is authorized with: a token from where the registry's challenge points, or ECR's password.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use reqwest::Url;

use crate::registry::auth::{self, Host, Scheme, Token};
use crate::registry::client::{Client, Request, Wants};
use crate::registry::error::{self, Subject};
use crate::registry::exchange::{LONGEST_EXPLANATION, base};
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
        // Somebody else may have renewed it in the meantime.
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
        let mut url: Url =
            challenge.realm.parse().map_err(|_| invalid("a challenge without a usable realm"))?;
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
                let subject = Subject { repository: request.repository, object: "a token", tag: None };
                Err(error::refused(&subject, status, &answer.headers, &answer.body))
            }
        }
    }
}

/// ECR's one password is good for everything.
fn token_scopes<'r>(scheme: &Scheme, request: &'r Request<'_>) -> &'r [String] {
    if *scheme == Scheme::Ecr { &[] } else { &request.scopes }
}
