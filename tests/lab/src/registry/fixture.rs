//! The content of the registries in a new lab.

use super::image::{Form, Recipe};
use crate::settings::Fixture as Cluster;

/// An image of the fixture.
#[derive(Clone, Debug)]
pub struct Fixture {
    /// Empty for the account's own ECR.
    pub host: &'static str,
    pub repository: &'static str,
    pub tag: &'static str,
    pub recipe: Recipe,
}

const MEGABYTE: usize = 1_000_000;

/// The images of the source registries, with the names and tags in the workloads of `cluster`.
pub fn sources(cluster: Cluster) -> Vec<Fixture> {
    match cluster {
        Cluster::FirstCluster | Cluster::LargeCluster | Cluster::Empty => first_cluster(),
        Cluster::WholeCluster => first_cluster().into_iter().chain(other_components()).collect(),
    }
}

/// About 50 MB, of which 8 MB are shared base layers.
fn first_cluster() -> Vec<Fixture> {
    let image = |host, repository, tag, form, megabytes: usize| Fixture {
        host,
        repository,
        tag,
        recipe: Recipe {
            form,
            family: "castai".into(),
            base_size: 4 * MEGABYTE,
            size: megabytes * MEGABYTE,
            ..Recipe::default()
        },
    };
    vec![
        image("us-docker.pkg.dev", "castai-hub/library/agent", "v0.161.1", Form::ManifestList, 5),
        image("ghcr.io", "castai/kvisor/kvisor-controller", "v1.164.8", Form::Index, 4),
        image("ghcr.io", "castai/kvisor/kvisor-agent", "v1.164.8", Form::Index, 6),
        image("ghcr.io", "castai/kvisor/kvisor-scanners", "v1.164.8", Form::Index, 4),
        image("docker.io", "castai/hibernate", "v0.14", Form::Index, 2),
    ]
}

/// About 30 MB. The version of the build action in each component's workflow decides between an index with attestations
/// and a Docker manifest list; for images of other publishers it is a guess.
fn other_components() -> Vec<Fixture> {
    const GAR: &str = "us-docker.pkg.dev";
    const EVICTOR: &str = "e757d8f90c1b2a3d4e5f60718293a4b5c6d7e8f9";
    let image = |host, repository, tag, form, family: &str| Fixture {
        host,
        repository,
        tag,
        recipe: Recipe {
            form,
            family: family.into(),
            base_size: MEGABYTE / 2,
            size: MEGABYTE / 2,
            ..Recipe::default()
        },
    };
    let mut autoscaler = image("registry.k8s.io", "cpa/cpvpa", "v0.8.4", Form::ManifestList, "kubernetes");
    let platforms = ["linux/amd64", "linux/arm", "linux/arm64", "linux/ppc64le", "linux/s390x"];
    autoscaler.recipe.platforms = platforms.map(str::to_owned).into();
    vec![
        autoscaler,
        image(GAR, "castai-hub/library/cluster-controller", "v0.62.2", Form::Index, "distroless"),
        image(GAR, "castai-hub/library/evictor", EVICTOR, Form::Index, "distroless"),
        image(GAR, "castai-hub/library/pod-pinner", "v1.13.0", Form::Index, "distroless"),
        image(GAR, "castai-hub/library/spot-handler", "v0.30.1", Form::Index, "distroless"),
        image(GAR, "castai-hub/library/workload-autoscaler", "v1.9.3", Form::Index, "distroless"),
        image(GAR, "castai-hub/library/jmx-exporter-init", "v1.5.0", Form::Index, "distroless"),
        image(GAR, "castai-hub/library/audit-logs-receiver", "v0.9.0", Form::Index, "distroless"),
        image(GAR, "castai-hub/library/db-agent", "v0.21.0", Form::Index, "distroless"),
        image("ghcr.io", "castai/egressd/egressd", "v0.9.4", Form::ManifestList, "egressd"),
        image("ghcr.io", "castai/egressd/egressd-exporter", "v0.9.4", Form::ManifestList, "egressd"),
        image(
            "ghcr.io",
            "castai/gpu-metrics-exporter/gpu-metrics-exporter",
            "0.1.29",
            Form::Index,
            "distroless",
        ),
        image("nvcr.io", "nvidia/k8s/dcgm-exporter", "4.5.2-4.8.1-ubuntu22.04", Form::Index, "cuda"),
        image("nvcr.io", "nvidia/k8s/dcgm-exporter", "3.3.7-3.5.0-ubuntu22.04", Form::ManifestList, "cuda"),
        image("docker.io", "rancher/kubectl", "v1.35.6", Form::Index, "rancher"),
    ]
}

/// The content of the account's ECR before the first run: the user's own applications, for nodes of both architectures.
pub fn ecr() -> Vec<Fixture> {
    let recipe = Recipe { form: Form::Index, family: "shop".into(), ..Recipe::default() };
    [("shop/web", "1.0"), ("platform/castai-cost-report", "2.3")]
        .map(|(repository, tag)| Fixture { host: "", repository, tag, recipe: recipe.clone() })
        .into()
}
