//! Passwords for ECR, from its own API. ECR accepts them with the first request, for every operation.

use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::Credentials;
use crate::aws::ecr::Ecr;
use crate::aws::error::Error;
use crate::aws::identity;
use crate::model::image::ecr::EcrRegistry;
use crate::transport::credential::{Consequence, Credential, CredentialError, Login};

/// For the destinations.
pub(super) fn of_destination<'c>(
    credentials: &'c Credentials,
    host: &'c str,
) -> BoxFuture<'c, Result<Option<Credential>, CredentialError>> {
    async move {
        let Some(api) = credentials.ecr.get(host) else { return Ok(None) };
        password(api).await.map(Some).map_err(|error| {
            let stops = error.stops_everything();
            let consequence = if stops { Consequence::EverythingFails } else { Consequence::HostFails };
            CredentialError { message: error.to_string(), consequence }
        })
    }
    .boxed()
}

/// For any other ECR, such as a source in another account or region.
pub(super) fn of_source<'c>(
    credentials: &'c Credentials,
    host: &'c str,
) -> BoxFuture<'c, Result<Option<Credential>, CredentialError>> {
    async move {
        let (Some(settings), Some(registry)) = (&credentials.aws, EcrRegistry::of_host(host)) else {
            return Ok(None);
        };
        // A login of docker may exist.
        let failed = |message: String| CredentialError { message, consequence: Consequence::Anonymous };
        let configuration = identity::configuration(&registry.region, settings).await;
        let configuration = configuration.map_err(|error| failed(error.to_string()))?;
        let password = password(&Ecr::new(&configuration, registry)).await;
        password.map(Some).map_err(|error| failed(error.to_string()))
    }
    .boxed()
}

async fn password(api: &Ecr) -> Result<Credential, Error> {
    let password = api.authorization().await?;
    let login = Login::Immediate { basic: password.basic.into(), valid_for: password.valid_for };
    Ok(Credential { login, origin: "AWS".to_owned() })
}
