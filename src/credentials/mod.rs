//! Credentials for registries. A source of credentials is a file in this folder and a line in [`SOURCES`].
//!
//! How they are sent (challenges, tokens) is the registry client's concern.

pub mod docker;
mod ecr;

use std::collections::BTreeMap;

use futures::future::BoxFuture;

use crate::aws::ecr::Ecr;
use crate::transport::Settings;
use crate::transport::credential::{Consequence, Credential, CredentialError};

/// Looks up credentials for a host, or for a namespace at a host (`quay.io/team`); `None` if the source does not know it.
type CredentialSource =
    for<'c> fn(&'c Credentials, &'c str) -> BoxFuture<'c, Result<Option<Credential>, CredentialError>>;

/// The first source that knows a name is used. If none does, requests are anonymous.
const SOURCES: &[CredentialSource] = &[ecr::of_destination, ecr::of_source, docker::find];

/// The data that sources use.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// ECR APIs that issue passwords, by registry host.
    pub ecr: BTreeMap<String, Ecr>,
    pub docker: docker::Files,
    /// For ECR registries that are no destinations; `None` if they are not logged in to.
    pub aws: Option<Settings>,
}

impl Credentials {
    /// The credential for `name`, a host or a namespace at a host, or `None` for anonymous access.
    ///
    /// # Errors
    /// A source knows the name and fails to get its credential.
    pub async fn find(&self, name: &str) -> Result<Option<Credential>, CredentialError> {
        let mut unavailable: Vec<String> = Vec::new();
        let host = name.split_once('/').map(|(host, _)| host);
        let names = [Some(name), host].into_iter().flatten();
        let lookups: Vec<_> =
            names.flat_map(|name| SOURCES.iter().map(move |source| (*source, name))).collect();
        for (source, name) in lookups {
            match source(self, name).await {
                Ok(None) => {}
                // Another source may know it.
                Err(error) if error.consequence == Consequence::Anonymous => {
                    // The same file or helper may fail for the namespace and for its host.
                    if !unavailable.contains(&error.message) {
                        unavailable.push(error.message);
                    }
                }
                found => return found,
            }
        }
        if unavailable.is_empty() {
            return Ok(None);
        }
        Err(CredentialError { message: unavailable.join("; "), consequence: Consequence::Anonymous })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use http::StatusCode;
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::registry::testing::{World, with_registry};
    use crate::transport::credential::Login;

    #[tokio::test]
    async fn a_source_of_credentials_serves_its_hosts_and_others_are_anonymous() {
        let world = World { ecr: Some(BTreeSet::new()), token: 7, ..World::default() };
        with_registry(world, async |world, host| {
            let ecr = BTreeMap::from([("ecr.example".to_owned(), Ecr::for_test(&host))]);
            let credentials = Credentials { ecr, ..Credentials::default() };
            assert!(credentials.find("ghcr.io").await.unwrap().is_none());
            assert_eq!(world.lock().unwrap().log.len(), 0, "what a source does not know costs nothing");
            let found = credentials.find("ecr.example").await.unwrap().unwrap();
            let Login::Immediate { basic, .. } = &found.login else { panic!("{found:?}") };
            assert_eq!(basic.expose_secret(), "ecr7");
            assert!(!format!("{found:?}").contains("ecr7"));

            world.lock().unwrap().faults = vec![("GetAuthorizationToken", StatusCode::BAD_REQUEST, ""); 9];
            let error = credentials.find("ecr.example").await.unwrap_err();
            assert!(error.message.contains("ecr:GetAuthorizationToken"), "{error}");
        })
        .await;
    }
}
