//! What all of `values` looks at first: what the cluster needs, and what that is called in the mirror.

use jiff::Timestamp;

use crate::cli::{Arguments, MirrorArguments};
use crate::cluster::release::{Release, Search};
use crate::cluster::workload::Workload;
use crate::cluster::{self, Listed};
use crate::commands::Stop;
use crate::commands::destination::{chosen_mirror, refuse_path};
use crate::commands::scene::{self, Scene};
use crate::image::Mirror;
use crate::output;
use crate::sync::assignment::{Assignment, Source, assign, unused_maps};
use crate::sync::discover::{
    Found, ImageFilter, discover, is_release_wanted, release_namespaces, releases_of,
};

pub(super) struct Sight {
    pub(super) scene: Scene,
    pub(super) workloads: Vec<Workload>,
    pub(super) releases: Vec<Release>,
    pub(super) resources: Vec<cluster::custom::Resource>,
    pub(super) mirror: Mirror,
    pub(super) assignments: Vec<Assignment>,
    /// Whether some kind of workload could not be listed.
    pub(super) is_partial: bool,
}

/// Reads the cluster, and gives every image its name. What could not be looked at is said.
pub(super) async fn look(arguments: &Arguments, wanted: &MirrorArguments) -> Result<Sight, Stop> {
    let connection = scene::connect(arguments).await?;
    let namespace = arguments.connection.namespace.as_deref();
    let (scene, listed, resources) = tokio::join!(
        Scene::of(&connection),
        cluster::list_workloads(&connection, namespace, None),
        cluster::list_custom_resources(&connection, namespace),
    );
    let scene = scene?;
    let Listed { workloads, mut notes, unlisted } = listed?;
    let (resources, unread) = resources?;
    let of_workloads = releases_of(&workloads);
    let search = Search {
        namespace,
        likely: release_namespaces(&workloads),
        is_wanted: &|namespace, name| is_release_wanted(&of_workloads, namespace, name),
    };
    let (releases, unopened) = cluster::list_releases(&connection, search).await?;
    notes.extend(unread.into_iter().chain(unopened).chain(scene.nodes.notes.iter().cloned()));

    let described = scene.cluster(wanted.region.as_deref());
    let (registry, region) = (wanted.registry.as_ref(), wanted.region.as_deref());
    let mirror = chosen_mirror(&arguments.network, registry, region, Some(described.clone())).await?;
    refuse_path(&mirror)?;
    let found = Found { workloads: &workloads, releases: &releases, resources: &resources, manifests: &[] };
    let region = described.region.clone();
    let inventory = discover(vec![described], found, &ImageFilter::default(), notes, Timestamp::now());
    for note in &inventory.notes {
        output::warning(note);
    }
    let assignments = assign(&inventory, &mirror, &wanted.maps, region.as_deref());
    for map in unused_maps(&assignments, &wanted.maps) {
        output::warning(&format!("--map {map} matches no image: compare both names with the images'"));
    }
    let has_names = assignments.iter().any(|assigned| matches!(assigned.source, Source::Known(_)));
    if !has_names {
        return Err(Stop::with_hint(
            format!(
                "error: no image of Cast AI that could be mirrored was found in {}",
                scene.connection.name
            ),
            "install Cast AI first, or look at another cluster with --context",
        ));
    }
    Ok(Sight { scene, workloads, releases, resources, mirror, assignments, is_partial: !unlisted.is_empty() })
}
