//! A Cast AI component of the cluster, and its configured endpoints.

use probe::Endpoint;

use crate::castai::endpoints::Protocol;
use crate::model::image::Image;
use crate::model::pod_spec::Container;
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
    let init = workload.pod.init_containers.iter().flatten();
    workload.pod.containers.iter().chain(init)
}

/// The image of a container, if it is a valid reference.
pub(super) fn image_of(container: &Container) -> Option<Image> {
    container.image.as_ref()?.parse().ok()
}
