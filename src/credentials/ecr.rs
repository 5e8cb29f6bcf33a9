//! Passwords for ECR, from its own API. ECR accepts them with the first request, for every operation.

use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::Credentials;
use crate::aws::error::Error;
use crate::transport::credential::{Credential, CredentialError};

pub(super) fn find<'c>(
    credentials: &'c Credentials,
    host: &'c str,
) -> BoxFuture<'c, Result<Option<Credential>, CredentialError>> {
    async move {
        let Some(api) = credentials.ecr.get(host) else { return Ok(None) };
        let password = api.authorization().await.map_err(|error| failed(&error))?;
        Ok(Some(Credential { basic: password.basic.into(), valid_for: password.valid_for }))
    }
    .boxed()
}

fn failed(error: &Error) -> CredentialError {
    CredentialError { message: error.to_string(), stops_everything: error.stops_everything() }
}
