//! Opens stores: determines the kind of a registry, and how to log in.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt as _;

use super::{Limits, Store, StoreKind};
use crate::aws::ecr::Ecr;
use crate::aws::identity;
use crate::credentials::{Credentials, docker};
use crate::event::Observer;
use crate::model::image::Mirror;
use crate::model::image::ecr::EcrRegistry;
use crate::model::repository_settings::RepositorySettings;
use crate::model::source_registry::SourceRegistry;
use crate::registry::Client;
use crate::transport::{self, Settings};

/// The registries that images are read from and written to. They share connections, credentials and counts.
pub struct Stores<'o> {
    client: Arc<Client<'o>>,
    /// What the destinations are that have an API of their own, by host.
    ecr: BTreeMap<String, Ecr>,
    limits: Limits,
    source_registries: Vec<SourceRegistry>,
    repository_settings: Arc<RepositorySettings>,
}

impl<'o> Stores<'o> {
    /// The same, with sources that are read through other registries.
    #[must_use]
    pub fn reading_through(self, registries: &[SourceRegistry]) -> Self {
        Self { source_registries: registries.to_vec(), ..self }
    }

    /// The same, with settings for the repositories that are created.
    #[must_use]
    pub fn creating(self, settings: &RepositorySettings) -> Self {
        Self { repository_settings: Arc::new(settings.clone()), ..self }
    }

    /// Any registry, as a source of images.
    pub fn sources(&self) -> Store<'o> {
        let source_registries = self.source_registries.clone().into();
        Store {
            client: Arc::clone(&self.client),
            kind: StoreKind::Registry,
            limits: self.limits,
            source_registries,
            repository_settings: Arc::default(),
        }
    }

    /// The store of a destination.
    pub fn destination(&self, mirror: &Mirror) -> Store<'o> {
        let kind = self.ecr.get(&mirror.registry).cloned().map_or(StoreKind::Registry, StoreKind::Ecr);
        Store {
            client: Arc::clone(&self.client),
            kind,
            limits: self.limits,
            source_registries: Arc::default(),
            repository_settings: Arc::clone(&self.repository_settings),
        }
    }
}

/// Opens the stores of `mirrors`, and the registries that images come from. Sends no request.
///
/// # Errors
/// TLS or the AWS client cannot be set up.
pub async fn open<'o>(
    mirrors: &[Mirror],
    settings: &Settings,
    limits: Limits,
    observer: Observer<'o>,
) -> Result<Stores<'o>, transport::Error> {
    // The AWS client would panic without root certificates.
    transport::tls()?;
    let client = Client::new(settings, observer)?;
    let mut ecr = BTreeMap::new();
    for mirror in mirrors {
        if let Some(registry) = EcrRegistry::of_host(&mirror.registry) {
            let configuration = identity::configuration(&registry.region, settings).await?;
            ecr.insert(mirror.registry.clone(), Ecr::new(&configuration, registry));
        }
    }
    let credentials =
        Credentials { ecr, docker: docker::Files::from_environment(), aws: Some(settings.clone()) };
    Ok(with_client(client, credentials, limits))
}

fn with_client(client: Client<'_>, credentials: Credentials, limits: Limits) -> Stores<'_> {
    let (ecr, namespaces) = (credentials.ecr.clone(), credentials.docker.namespaces());
    let credentials = Arc::new(credentials);
    let lookup = move |name: &str| {
        let (credentials, name) = (Arc::clone(&credentials), name.to_owned());
        async move { credentials.find(&name).await }.boxed()
    };
    Stores {
        client: Arc::new(client.with_credentials(Box::new(lookup)).with_namespaces(namespaces)),
        ecr,
        limits,
        source_registries: Vec::new(),
        repository_settings: Arc::default(),
    }
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
    let ecr = api.into_iter().map(|api| (host.to_owned(), api)).collect();
    let credentials = Credentials { ecr, ..Credentials::default() };
    with_client(Client::new(settings, observer).unwrap(), credentials, limits)
}
