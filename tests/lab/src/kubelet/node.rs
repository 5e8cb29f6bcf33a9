//! Nodes: how they register and send heartbeats.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use ipnet::Ipv4Net;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node as Object;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::pull::{Pulled, hex};
use crate::address;

const VERSION: &str = "v1.36.3-eks-3cfe0ce";
/// The kubelet renews its lease every 10 s; the controller manager marks a node as unreachable after 50 s.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// A node to simulate.
#[derive(Clone, Debug)]
pub struct Node {
    /// Such as `ip-10-0-1-10.us-east-1.compute.internal`.
    pub name: String,
    /// Such as `us-east-1a`.
    pub zone: String,
    /// `amd64` or `arm64`.
    pub architecture: String,
    pub address: Ipv4Addr,
}

impl Node {
    /// The node at [`address::node`]`(index)`, with a name like that of an EC2 instance.
    pub fn new(index: u8, architecture: &str) -> Self {
        let node_address = address::node(index);
        let zone = if index.is_multiple_of(2) { 'a' } else { 'b' };
        Self {
            name: format!(
                "ip-{}.{}.compute.internal",
                node_address.to_string().replace('.', "-"),
                address::REGION
            ),
            zone: format!("{}{zone}", address::REGION),
            architecture: architecture.to_owned(),
            address: node_address,
        }
    }
}

/// A node with its images and addresses.
pub(super) struct Host {
    pub(super) node: Node,
    /// By image as written in the pod.
    pub(super) images: Mutex<HashMap<String, Pulled>>,
    /// One pull at a time, as with `serializeImagePulls`.
    pub(super) pulling: tokio::sync::Mutex<()>,
    pods_subnet: u8,
    next_pod: AtomicU32,
}

impl Host {
    pub(super) fn new(index: usize, node: Node) -> Self {
        Self {
            node,
            images: Mutex::default(),
            pulling: tokio::sync::Mutex::default(),
            // Nodes' addresses are below 10.0.3.0, silent and refusing ones from 10.0.250.0 on.
            pods_subnet: 64 + u8::try_from(index % 128).unwrap_or_default(),
            next_pod: AtomicU32::new(0),
        }
    }

    /// The next address for a pod; an address is used again only after all others of the subnet.
    pub(super) fn pod_address(&self) -> Ipv4Addr {
        let next = self.next_pod.fetch_add(1, Ordering::Relaxed) % 250;
        Ipv4Addr::new(10, 0, self.pods_subnet, 4 + u8::try_from(next).unwrap_or_default())
    }

    /// The addresses of this node's pods.
    pub(super) fn pod_range(&self) -> Ipv4Net {
        Ipv4Net::new_assert(Ipv4Addr::new(10, 0, self.pods_subnet, 0), 24)
    }

    /// Reserves the address of an existing pod.
    pub(super) fn reserve(&self, taken: Ipv4Addr) {
        self.next_pod.fetch_max(u32::from(taken.octets()[3].saturating_sub(3)), Ordering::Relaxed);
    }

    /// Registers the node, or takes over the registration that a seeded cluster has.
    pub(super) async fn register(&self, client: &kube::Client) -> anyhow::Result<()> {
        let nodes: Api<Object> = Api::all(client.clone());
        let name = &self.node.name;
        let object: Object = serde_json::from_value(object(&self.node))?;
        match nodes.create(&PostParams::default(), &object).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 409 => {
                let labels = json!({"metadata": {"labels": object.metadata.labels}});
                nodes
                    .patch(name, &PatchParams::default(), &Patch::Merge(labels))
                    .await
                    .with_context(|| format!("labelling node {name}"))?;
            }
            Err(error) => return Err(error).with_context(|| format!("registering node {name}")),
        }
        self.report(client).await.with_context(|| format!("reporting the status of node {name}"))
    }

    /// Renews lease and status as long as the lab runs.
    pub(super) async fn live(&self, client: &kube::Client) {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            if let Err(error) = self.report(client).await {
                eprintln!("lab: node {} cannot report its status: {error}", self.node.name);
            }
        }
    }

    async fn report(&self, client: &kube::Client) -> kube::Result<()> {
        let now = Timestamp::now();
        let leases: Api<Lease> = Api::namespaced(client.clone(), "kube-node-lease");
        let lease = Patch::Apply(lease(&self.node.name, now));
        leases.patch(&self.node.name, &PatchParams::apply("kubelet").force(), &lease).await?;
        let nodes: Api<Object> = Api::all(client.clone());
        let current = nodes.get(&self.node.name).await?;
        let since = current
            .status
            .and_then(|status| status.conditions)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|condition| {
                Some(((condition.type_, condition.status), condition.last_transition_time?.0))
            })
            .collect();
        let status = Patch::Strategic(json!({"status": status(&self.node, &since, now)}));
        nodes.patch_status(&self.node.name, &PatchParams::default(), &status).await?;
        Ok(())
    }
}

/// An id that is always the same for this name.
/// More nodes than a test has.
pub(crate) const NODES: u8 = 100;

/// The identifier of the instance of a node.
pub(crate) fn instance_id(index: u8) -> String {
    instance(&Node::new(index, "amd64"))
}

fn instance(node: &Node) -> String {
    format!("i-0{}", &stable_id(node, "instance")[..16])
}

fn stable_id(node: &Node, purpose: &str) -> String {
    hex(&Sha256::digest(format!("{purpose} {}", node.name)))
}

fn object(node: &Node) -> Value {
    let instance_type = if node.architecture == "arm64" { "m7g.xlarge" } else { "m6i.xlarge" };
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": node.name,
            "annotations": {"alpha.kubernetes.io/provided-node-ip": node.address.to_string()},
            "labels": {
                "beta.kubernetes.io/arch": node.architecture,
                "beta.kubernetes.io/instance-type": instance_type,
                "beta.kubernetes.io/os": "linux",
                "eks.amazonaws.com/capacityType": "ON_DEMAND",
                "eks.amazonaws.com/nodegroup": format!("{}-{}", address::CLUSTER, node.architecture),
                "failure-domain.beta.kubernetes.io/region": address::REGION,
                "failure-domain.beta.kubernetes.io/zone": node.zone,
                "kubernetes.io/arch": node.architecture,
                "kubernetes.io/hostname": node.name,
                "kubernetes.io/os": "linux",
                "node.kubernetes.io/instance-type": instance_type,
                "topology.kubernetes.io/region": address::REGION,
                "topology.kubernetes.io/zone": node.zone,
            },
        },
        "spec": {"providerID": format!("aws:///{}/{}", node.zone, instance(node))},
    })
}

fn lease(name: &str, now: Timestamp) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": format!("{now:.6}")},
    })
}

/// The node's status; `since` has the time of each condition's last transition.
fn status(node: &Node, since: &BTreeMap<(String, String), Timestamp>, now: Timestamp) -> Value {
    let condition = |type_: &str, status: &str, reason: &str, message: &str| {
        let transition = since.get(&(type_.to_owned(), status.to_owned())).copied().unwrap_or(now);
        json!({
            "type": type_, "status": status, "reason": reason, "message": message,
            "lastHeartbeatTime": format!("{now:.0}"), "lastTransitionTime": format!("{transition:.0}"),
        })
    };
    // Room for hundreds of pods on few nodes: more than the 58 that EKS gives this instance type.
    let capacity = json!({"cpu": "16", "memory": "64Gi", "pods": "250", "ephemeral-storage": "83873772Ki"});
    json!({
        "addresses": [
            {"type": "InternalIP", "address": node.address.to_string()},
            {"type": "InternalDNS", "address": node.name},
            {"type": "Hostname", "address": node.name},
        ],
        "capacity": capacity,
        "allocatable": capacity,
        "conditions": [
            condition("MemoryPressure", "False", "KubeletHasSufficientMemory",
                "kubelet has sufficient memory available"),
            condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": {
            "architecture": node.architecture,
            "bootID": stable_id(node, "boot"),
            "containerRuntimeVersion": "containerd://2.1.4",
            "kernelVersion": "6.12.46-66.121.amzn2023",
            "kubeProxyVersion": "",
            "kubeletVersion": VERSION,
            "machineID": format!("ec2{}", &stable_id(node, "machine")[..29]),
            "operatingSystem": "linux",
            "osImage": "Amazon Linux 2023.9.20251014",
            "systemUUID": stable_id(node, "system"),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_have_the_fields_of_eks_nodes() {
        let node = Node::new(1, "arm64");
        assert_eq!(node.name, "ip-10-0-2-11.us-east-1.compute.internal");
        let object = object(&node);
        assert_eq!(object["metadata"]["labels"]["topology.kubernetes.io/zone"], "us-east-1b");
        assert_eq!(object["metadata"]["labels"]["kubernetes.io/arch"], "arm64");
        let provider = object["spec"]["providerID"].as_str().unwrap();
        assert!(provider.starts_with("aws:///us-east-1b/i-0") && provider.len() == 37, "{provider}");
    }

    #[test]
    fn a_condition_keeps_the_time_of_its_status() {
        let node = Node::new(0, "amd64");
        let (before, now) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH + Duration::from_mins(1));
        let since = [(("Ready".to_owned(), "True".to_owned()), before)].into();
        let status = status(&node, &since, now);
        assert_eq!(status["conditions"][3]["lastTransitionTime"], "1970-01-01T00:00:00Z");
        assert_eq!(status["conditions"][3]["lastHeartbeatTime"], "1970-01-01T00:01:00Z");
        assert_eq!(status["conditions"][0]["lastTransitionTime"], "1970-01-01T00:01:00Z");
    }

    #[test]
    fn pods_get_addresses_of_their_own() {
        let host = Host::new(0, Node::new(0, "amd64"));
        assert_ne!(host.pod_address(), host.pod_address());
        assert!(host.pod_range().contains(&host.pod_address()));
        host.reserve(Ipv4Addr::new(10, 0, 64, 9));
        assert_eq!(host.pod_address(), Ipv4Addr::new(10, 0, 64, 10));
    }
}
