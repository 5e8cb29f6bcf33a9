//! Opens stores: determines the kind of a registry, and how to log in.

use std::sync::Arc;

use futures::FutureExt as _;

use super::{Kind, Limits, Store};
use crate::aws::ecr::Ecr;
use crate::aws::identity;
use crate::credentials::Credentials;
use crate::event::Observer;
use crate::model::image::Mirror;
use crate::model::image::ecr::EcrRegistry;
use crate::registry::Client;
use crate::transport::{self, Settings};

/// The stores to read from and to write to.
pub struct Stores<'o> {
    /// Any registry.
    pub sources: Store<'o>,
    pub destination: Store<'o>,
}

/// Opens the store of `mirror`, and the registries of the sources. Sends no requests.
///
/// # Errors
/// TLS or the AWS client cannot be set up.
pub async fn open<'o>(
    mirror: &Mirror,
    settings: &Settings,
    limits: Limits,
    observer: Observer<'o>,
) -> Result<Stores<'o>, transport::Error> {
    // The AWS client would panic without root certificates.
    transport::tls()?;
    let client = Client::new(settings, observer)?;
    let mut credentials = Credentials::default();
    let kind = match EcrRegistry::of_host(&mirror.registry) {
        Some(registry) => {
            let configuration = identity::configuration(&registry.region, settings).await?;
            let api = Ecr::new(&configuration, registry);
            credentials.ecr.insert(mirror.registry.clone(), api.clone());
            Kind::Ecr(api)
        }
        None => Kind::Registry,
    };
    Ok(with_client(client, credentials, kind, limits))
}

fn with_client(client: Client<'_>, credentials: Credentials, kind: Kind, limits: Limits) -> Stores<'_> {
    let credentials = Arc::new(credentials);
    let lookup = move |host: &str| {
        let (credentials, host) = (Arc::clone(&credentials), host.to_owned());
        async move { credentials.find(&host).await }.boxed()
    };
    let client = Arc::new(client.with_credentials(Box::new(lookup)));
    let sources = Store { client: Arc::clone(&client), kind: Kind::Registry, limits };
    Stores { sources, destination: Store { client, kind, limits } }
}

/// Stores for tests: `host` is an ECR if it has an API.
#[cfg(test)]
pub(crate) fn open_for_test<'o>(
    host: &str,
    api: Option<Ecr>,
    settings: &Settings,
    limits: Limits,
    observer: Observer<'o>,
) -> Stores<'o> {
    let ecr = api.iter().map(|api| (host.to_owned(), api.clone())).collect();
    let client = Client::new(settings, observer).unwrap();
    with_client(client, Credentials { ecr }, api.map_or(Kind::Registry, Kind::Ecr), limits)
}
