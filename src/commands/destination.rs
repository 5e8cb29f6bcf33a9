//! Which registry images are mirrored to, and who speaks to it.

use super::{Stop, scene};
use crate::aws::destination::{self, Facts, default_mirror};
use crate::aws::ecr::Ecr;
use crate::aws::error::Error;
use crate::aws::identity;
use crate::cli::NetworkArguments;
use crate::event::Observer;
use crate::image::Mirror;
use crate::image::ecr::{EcrRegistry, repository_name_fault};
use crate::registry::Client;
use crate::sync::destination::Destination;
use crate::sync::inventory::Cluster;
use crate::transport::Settings;

/// The registry that the user names, or else the ECR of the cluster's account and of the region that the user or
/// the cluster says.
pub(super) async fn chosen_mirror(
    network: &NetworkArguments,
    registry: Option<&Mirror>,
    region: Option<&str>,
    cluster: Option<Cluster>,
) -> Result<Mirror, Stop> {
    if let Some(mirror) = registry {
        return Ok(mirror.clone());
    }
    let mut facts = Facts {
        cluster_account: cluster.as_ref().and_then(|cluster| cluster.account.clone()),
        region: region.map(str::to_owned).or_else(|| cluster.as_ref()?.region.clone()),
        own_account: None,
    };
    let stop = |error: destination::Error| Stop::with_hint(format!("error: {error}"), error.hint());
    let Some(region) = &facts.region else {
        return Err(stop(destination::Error::NoRegion));
    };
    let configuration = identity::configuration(region, &scene::settings(network)).await;
    let own = identity::identity(&configuration).await.map_err(|error| {
        let message = format!("error: {error}");
        match error {
            // Credentials that STS does not take are no use for ECR either.
            Error::NoCredentials { .. }
            | Error::Expired
            | Error::NotAccepted { .. }
            | Error::Clock { .. }
            | Error::Blocked { .. } => Stop::new(message),
            _ => Stop::with_hint(
                message,
                "STS is asked whose registry is meant; with --registry it need not be",
            ),
        }
    })?;
    facts.own_account = Some(own.account);
    default_mirror(&facts).map_err(stop)
}

/// A client of registries, and the one that `mirror` names.
pub(super) async fn open<'o>(
    mirror: &Mirror,
    settings: &Settings,
    observer: Observer<'o>,
) -> Result<(Client<'o>, Destination), Stop> {
    let client = Client::new(settings, observer)?;
    Ok(match EcrRegistry::of_host(&mirror.registry) {
        Some(registry) => {
            let configuration = identity::configuration(&registry.region, settings).await;
            let ecr = Ecr::new(&configuration, registry);
            (client.with_ecr(mirror.registry.clone(), ecr.clone()), Destination::Ecr(ecr))
        }
        None => (client, Destination::Oci),
    })
}

/// A path that the registry does not take for any image needs no image to fail.
pub(super) fn refuse_path(mirror: &Mirror) -> Result<(), Stop> {
    let is_ecr = EcrRegistry::of_host(&mirror.registry).is_some();
    let prefix = mirror.prefix.as_deref().filter(|_| is_ecr);
    let fault = prefix.and_then(|prefix| repository_name_fault(&format!("{prefix}/image")));
    fault.map_or(Ok(()), |fault| {
        Err(Stop::with_hint(format!("error: --registry {mirror}: {fault}"), "choose another path there"))
    })
}
