//! What the registries of a fresh lab hold.

use super::image::{Form, Recipe};

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

/// The images of the source registries, by the names and tags that the cluster's workloads carry: about 50 MB, of
/// which 8 MB are base layers that all of them share.
pub fn sources() -> Vec<Fixture> {
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

/// What the account's ECR holds before the plugin ever ran: an application of the user's own.
pub fn ecr() -> Vec<Fixture> {
    let recipe = Recipe { form: Form::Single, family: "shop".into(), ..Recipe::default() };
    [("shop/web", "1.0"), ("platform/castai-cost-report", "2.3")]
        .map(|(repository, tag)| Fixture { host: "", repository, tag, recipe: recipe.clone() })
        .into()
}
