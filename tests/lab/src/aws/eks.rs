//! EKS' description of the cluster, its node groups and Fargate profiles.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{CLUSTER_GROUP, SUBNETS, Shared};
use crate::address;

/// The cluster, whatever its name; a test sets some of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Cluster {
    /// `ipv4` or `ipv6`.
    ip_family: String,
    auto_mode: bool,
    /// Those of the control plane.
    subnets: Vec<String>,
    security_group: String,
    /// Names and subnets.
    node_groups: BTreeMap<String, Vec<String>>,
    fargate_profiles: BTreeMap<String, Vec<String>>,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            ip_family: "ipv4".to_owned(),
            auto_mode: false,
            subnets: SUBNETS.iter().map(|(id, ..)| (*id).to_owned()).collect(),
            security_group: CLUSTER_GROUP.to_owned(),
            node_groups: BTreeMap::new(),
            fargate_profiles: BTreeMap::new(),
        }
    }
}

type Handle = State<Arc<Shared>>;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let cluster =
        async |State(shared): Handle, Path(name): Path<String>| Json(shared.state().cluster.described(&name));
    let node_groups =
        async |State(shared): Handle| Json(json!({"nodegroups": names(&shared.state().cluster.node_groups)}));
    let node_group = async |State(shared): Handle, Path((_, name)): Path<(String, String)>| {
        one("nodegroup", &name, &shared.state().cluster.node_groups)
    };
    let profiles = async |State(shared): Handle| {
        Json(json!({"fargateProfileNames": names(&shared.state().cluster.fargate_profiles)}))
    };
    let profile = async |State(shared): Handle, Path((_, name)): Path<(String, String)>| {
        one("fargateProfile", &name, &shared.state().cluster.fargate_profiles)
    };
    Router::new()
        .route("/clusters/{name}", get(cluster))
        .route("/clusters/{name}/node-groups", get(node_groups))
        .route("/clusters/{name}/node-groups/{group}", get(node_group))
        .route("/clusters/{name}/fargate-profiles", get(profiles))
        .route("/clusters/{name}/fargate-profiles/{profile}", get(profile))
        .with_state(shared)
}

fn names(groups: &BTreeMap<String, Vec<String>>) -> Vec<&String> {
    groups.keys().collect()
}

/// A node group or a profile, as the member `kind` of the response.
fn one(kind: &str, name: &str, groups: &BTreeMap<String, Vec<String>>) -> (StatusCode, Json<Value>) {
    if let Some(subnets) = groups.get(name) {
        return (StatusCode::OK, Json(json!({kind: {"subnets": subnets}})));
    }
    let message = format!("No {kind} is called {name}");
    let error = json!({"__type": "ResourceNotFoundException", "message": message});
    (StatusCode::NOT_FOUND, Json(error))
}

impl Cluster {
    fn described(&self, name: &str) -> Value {
        json!({"cluster": {
            "name": name,
            "resourcesVpcConfig": {
                "vpcId": address::VPC_ID,
                "subnetIds": self.subnets,
                "clusterSecurityGroupId": self.security_group,
            },
            "kubernetesNetworkConfig": {"ipFamily": self.ip_family},
            "computeConfig": {"enabled": self.auto_mode},
        }})
    }
}
