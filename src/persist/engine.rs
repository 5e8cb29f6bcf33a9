//! Which engine a policy is written for: what the API server serves.

use serde_json::Value;

use crate::cluster::Connection;
use crate::cluster::policy::served_version;
use crate::error::CommandError;
use crate::persist::names::Names;
use crate::persist::{kyverno, policy};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Kubernetes,
    Kyverno,
}

/// The policy in this version of Kubernetes' own policies, or else Kyverno's.
pub fn manifests(names: &Names, version: Option<&str>) -> Vec<Value> {
    match version {
        Some(version) => policy::manifests(names, version).to_vec(),
        None => vec![kyverno::manifest(names)],
    }
}

/// The version of Kubernetes' own policies to write; none where it is to be Kyverno's. Without `must_be_served` a policy may be written that the API server does not know.
///
/// # Errors
/// The API server does not respond, or does not serve the engine that is wanted.
pub async fn version(
    connection: &Connection,
    engine: Option<Engine>,
    must_be_served: bool,
) -> Result<Option<&'static str>, CommandError> {
    let served = async || served_version(connection, policy::GROUP, policy::POLICY, policy::VERSIONS).await;
    match engine {
        Some(Engine::Kyverno) => Ok(None),
        Some(Engine::Kubernetes) => match served().await? {
            Some(version) => Ok(Some(version)),
            None if must_be_served => Err(CommandError::with_hint(
                format!("error: the API server does not serve {}", policy::POLICY),
                "requires Kubernetes 1.36, or 1.34 with the feature enabled; --engine=kyverno requires \
                 Kyverno",
            )),
            None => Ok(policy::VERSIONS.first().copied()),
        },
        None => Ok(served().await?),
    }
}

/// Kyverno's kinds are served only where it is installed.
///
/// # Errors
/// It is not.
pub async fn refuse_unserved(connection: &Connection, manifests: &[Value]) -> Result<(), CommandError> {
    let is_kyverno = manifests.iter().any(|manifest| manifest["kind"] == kyverno::KIND);
    let version = [kyverno::VERSION];
    if is_kyverno && served_version(connection, kyverno::GROUP, kyverno::KIND, &version).await?.is_none() {
        return Err(CommandError::with_hint(
            format!(
                "error: Kyverno is not installed: the API server does not serve {} of {}",
                kyverno::KIND,
                kyverno::GROUP
            ),
            "install Kyverno first, or upgrade to Kubernetes 1.36",
        ));
    }
    Ok(())
}
