//! Who we are to a registry. A source of credentials is a file in this folder and a line in [`SOURCES`].
//!
//! How a registry wants to be shown them (challenges, tokens) is the matter of its client.

mod ecr;

use std::collections::BTreeMap;

use futures::future::BoxFuture;

use crate::aws::ecr::Ecr;
use crate::transport::credential::{Credential, CredentialError};

/// Looks a registry's host up; nothing if the source does not know it.
type Source =
    for<'c> fn(&'c Credentials, &'c str) -> BoxFuture<'c, Result<Option<Credential>, CredentialError>>;

/// The first source that knows a host decides. Where none does, we are anonymous.
const SOURCES: [Source; 1] = [ecr::find];

/// What the sources draw on.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// By host: the APIs that give passwords for ECR registries.
    pub ecr: BTreeMap<String, Ecr>,
}

impl Credentials {
    /// What to log in to `host` with, or nothing where we are anonymous.
    ///
    /// # Errors
    /// A source knows the host and cannot give its credential.
    pub async fn find(&self, host: &str) -> Result<Option<Credential>, CredentialError> {
        for source in SOURCES {
            if let Some(credential) = source(self, host).await? {
                return Ok(Some(credential));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use http::StatusCode;
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::registry::testing::{World, with_registry};

    #[tokio::test]
    async fn a_source_gives_what_it_knows_and_we_are_anonymous_elsewhere() {
        let world = World { ecr: Some(BTreeSet::new()), token: 7, ..World::default() };
        with_registry(world, async |world, host| {
            let ecr = BTreeMap::from([("ecr.example".to_owned(), Ecr::for_test(&host))]);
            let credentials = Credentials { ecr };
            assert!(credentials.find("ghcr.io").await.unwrap().is_none());
            assert_eq!(world.lock().unwrap().log.len(), 0, "what a source does not know costs nothing");
            let found = credentials.find("ecr.example").await.unwrap().unwrap();
            assert_eq!(found.basic.expose_secret(), "ecr7");
            assert!(!format!("{found:?}").contains("ecr7"));

            world.lock().unwrap().faults = vec![("GetAuthorizationToken", StatusCode::BAD_REQUEST, ""); 9];
            let error = credentials.find("ecr.example").await.unwrap_err();
            assert!(error.message.contains("ecr:GetAuthorizationToken"), "{error}");
        })
        .await;
    }
}
