//! A Cast AI component of the cluster, and its configured endpoints.

use probe::Endpoint;

use crate::castai::endpoints::Protocol;
use crate::model::image::Image;
use crate::model::knowledge::Knowledge;
use crate::model::name_map::NameMap;
use crate::model::pod_template::Container;
use crate::model::workload::Workload;

/// A component and the endpoints that it calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// With kubectl's name and the namespace: `castai-agent/deployment.apps/castai-agent`.
    pub workload: String,
    /// The workload's name alone, which users know.
    pub name: String,
    pub endpoints: Vec<Configured>,
    /// Why an endpoint is unknown, one sentence each.
    pub unreadable: Vec<String>,
    /// Unreadable sources that are unlikely to matter, because the container's endpoints are already known.
    pub notes: Vec<String>,
}

/// An endpoint, and the variable that sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configured {
    pub endpoint: Endpoint,
    pub protocol: Protocol,
    /// For example `API_URL`, or `derived from CASTAI_API_GRPC_ADDR`.
    pub configured_by: String,
}

/// Containers and init containers of a workload.
pub(super) fn containers(workload: &Workload) -> impl Iterator<Item = &Container> {
    let init = workload.pod.spec.init_containers.iter().flatten();
    workload.pod.spec.containers.iter().chain(init)
}

/// What components are recognised by.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    pub knowledge: &'a Knowledge,
    pub maps: &'a [NameMap],
}

impl Known<'_> {
    /// The image of a container, where it is a valid reference: the public one, where a map tells it.
    pub(super) fn image_of(self, container: &Container) -> Option<Image> {
        let image: Image = container.image.as_ref()?.parse().ok()?;
        Some(NameMap::source_of(self.maps, &image).unwrap_or(image))
    }

    /// Whether one of the containers has an image of this name, the last part of its repository.
    pub(super) fn runs<'c>(self, mut containers: impl Iterator<Item = &'c Container>, name: &str) -> bool {
        let is_named = |image: &Image| image.repository().rsplit('/').next() == Some(name);
        containers.any(|container| self.image_of(container).as_ref().is_some_and(is_named))
    }
}
