//! Facts about pods for tests.

use std::sync::Arc;

use jiff::Timestamp;
use probe::pod::{PodReport, VERSION};
use probe::{Connect, HostFacts, Layer, Target};

use crate::preflight::pods::{Creation, Ended, Phase, PodFacts, PodRun, Trouble};
use crate::preflight::subject::{DnsPolicy, PodLocation};

/// A pod on `node` that reported this number of hosts.
pub(in crate::preflight) fn reported(node: &str, hosts: usize) -> PodRun {
    let host = |number: usize| {
        let endpoint = format!("host-{number}.example").parse().unwrap();
        let target = Target { endpoint, layer: Layer::Dns, connect: Connect::Anywhere };
        HostFacts::new(target, Timestamp::UNIX_EPOCH)
    };
    let report = PodReport {
        version: VERSION,
        probe: "v0".to_owned(),
        name_servers: vec!["10.100.0.10".parse().unwrap()],
        hosts: (0..hosts).map(host).collect(),
        omitted: 0,
    };
    run(node, Ended::Reported(report))
}

/// A pod on `node` that did not report.
pub(in crate::preflight) fn failed(node: &str, phase: Phase, message: &str) -> PodRun {
    let trouble = Trouble { phase, reason: "Reason".to_owned(), message: message.to_owned() };
    run(node, Ended::Failed(trouble))
}

fn run(node: &str, ended: Ended) -> PodRun {
    let location = PodLocation {
        subnet: Some(format!("subnet-{node}")),
        zone: Some("us-east-1a".to_owned()),
        architecture: "amd64".to_owned(),
        node_group: None,
        node: node.to_owned(),
        dns_policy: DnsPolicy::ClusterFirst,
    };
    PodRun {
        location: Arc::new(location),
        name: format!("pod-{node}"),
        image: "registry.example/probe@sha256:0".to_owned(),
        ended,
        milliseconds: 1200,
    }
}

/// The facts about pods, some of which were refused.
pub(in crate::preflight) fn pod_facts(
    runs: Vec<PodRun>,
    refused: Vec<(Arc<PodLocation>, String)>,
) -> PodFacts {
    PodFacts {
        namespace: "castai-agent".to_owned(),
        creation: Creation::Requested { refused },
        runs,
        ..PodFacts::off()
    }
}
