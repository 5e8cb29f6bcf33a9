//! The probe as a container of pods, with the network of its pod: name servers by DNS policy and faults by subnet.

use std::time::Duration;

use lab::address;
use lab::castai::Protocol;
use lab::dns::{Question, Server};
use lab::host::Lab;
use lab::registry::image::Recipe;
use lab::settings::{Fixture, Settings};
use probe::pod::{self, PodReport, PodRequest};
use probe::{Connect, Endpoint, Fact, HostFacts, Layer, Target, tcp};
use serde_json::{Value, json};

use crate::harness::{ECR, apply, kubectl, kubectl_json, probe_layers, publish_to};

const REPOSITORY: &str = "castai-privatelink/castai-privatelink-probe";
const API: &str = "api.cast.ai";
const GRPC: &str = "grpc.cast.ai";
const TIMEOUT: Duration = Duration::from_mins(1);

fn start() -> Lab {
    let lab = Lab::start(&Settings { fixture: Fixture::Empty, nodes: 3 }).unwrap();
    lab.control().put("/ecr/repositories", &json!({"name": REPOSITORY})).unwrap();
    let recipe = Recipe { probe: Some(probe_layers().to_owned()), ..Recipe::default() };
    publish_to(&lab, "ecr", &format!("{REPOSITORY}:test"), &recipe);
    lab
}

/// The config map `probe` with a request for [`API`] and [`GRPC`], and the lab's authority.
fn request(lab: &Lab) {
    let target = |host: &str, layer| Target {
        endpoint: Endpoint { host: host.to_owned(), port: 443 },
        layer,
        connect: Connect::PrivateOnly,
    };
    let request = PodRequest {
        version: pod::VERSION,
        targets: vec![target(API, Layer::Https), target(GRPC, Layer::Grpc)],
        private: Vec::new(),
        timeout_milliseconds: 3000,
        user_agent: "test".to_owned(),
    };
    let authority = std::fs::read_to_string(lab.folder().authority_certificate()).unwrap();
    apply(
        lab,
        &json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe"},
            "data": {"request.json": serde_json::to_string(&request).unwrap(), "ca.pem": authority, "bad.json": "{}"},
        }),
    );
}

/// A pod on the node with this name.
fn pod(name: &str, node: &str, policy: &str, request: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {
            "nodeName": node, "dnsPolicy": policy, "restartPolicy": "Never",
            "containers": [{
                "name": "probe", "image": format!("{ECR}/{REPOSITORY}:test"),
                "args": ["--request", format!("/etc/probe/{request}"), "--ca", "/etc/probe/ca.pem"],
                "volumeMounts": [{"name": "request", "mountPath": "/etc/probe"}],
            }],
            "volumes": [{"name": "request", "configMap": {"name": "probe"}}],
        },
    })
}

/// The terminated state of the pod's container.
fn terminated(lab: &Lab, name: &str) -> Value {
    let state = |pod: &Value| pod["status"]["containerStatuses"][0]["state"]["terminated"].clone();
    let pod = lab.wait_for(&["pod", name], TIMEOUT, |pod| state(pod).is_object()).unwrap();
    state(&pod)
}

/// The report in the pod's status, which the log contains too.
fn report(lab: &Lab, name: &str) -> PodReport {
    let terminated = terminated(lab, name);
    assert_eq!(terminated["exitCode"], 0, "{terminated}");
    let report = pod::decode_message(terminated["message"].as_str().unwrap(), 1 << 20).unwrap();
    let log = lab.kubectl(&["logs", name]).unwrap();
    assert_eq!(pod::decode_log(&log.stdout), Ok(report.clone()), "{}", log.stderr);
    report
}

fn answers(host: &HostFacts) -> bool {
    match host.target.layer {
        Layer::Grpc => matches!(host.grpc, Fact::Gathered { value: Ok(_), .. }),
        _ => matches!(host.https, Fact::Gathered { value: Ok(401), .. }),
    }
}

fn event(lab: &Lab, pod: &str, reason: &str) -> String {
    let object = format!("--field-selector=involvedObject.name={pod},reason={reason}");
    let events =
        lab.wait_for(&["events", &object], TIMEOUT, |events| events["items"][0].is_object()).unwrap();
    events["items"][0]["message"].as_str().unwrap().to_owned()
}

#[test]
fn each_pod_reports_what_its_network_shows() {
    let lab = start();
    request(&lab);
    let nodes: Vec<Value> = lab.control().get("/kubelet/nodes").unwrap();
    let node = |zone: &str, architecture: &str| {
        let is_wanted = |node: &&Value| node["zone"] == zone && node["architecture"] == architecture;
        nodes.iter().find(is_wanted).unwrap_or_else(|| panic!("no such node: {nodes:#?}"))
    };
    let name = |node: &Value| node["name"].as_str().unwrap().to_owned();
    let (a, b) = (node("us-east-1a", "amd64"), node("us-east-1b", "amd64"));
    let index = lab::castai::hosts().iter().position(|host| host.name == GRPC).unwrap();
    assert_eq!(lab::castai::hosts()[index].protocol, Protocol::Grpc);
    let grpc_address = address::castai_endpoint(u8::try_from(index).unwrap());

    // In zone b, the cluster's DNS has another answer, and packets to one endpoint are lost.
    let public = json!({"answer": "addresses", "v4": [address::CASTAI_PUBLIC]});
    let view = json!({"server": "cluster", "clients": b["pods"], "records": {API: public}});
    lab.control().put("/dns/views", &json!([view])).unwrap();
    let silent = json!([{"zone": "us-east-1b", "to": [format!("{grpc_address}/32")]}]);
    lab.control().put("/kubelet/silent-links", &silent).unwrap();

    let arm64 = name(node("us-east-1a", "arm64"));
    for (pod_name, node, policy) in [
        ("a-cluster", name(a), "ClusterFirst"),
        ("a-vpc", name(a), "Default"),
        ("a-arm64", arm64, "ClusterFirst"),
        ("b-cluster", name(b), "ClusterFirst"),
        ("b-vpc", name(b), "Default"),
    ] {
        apply(&lab, &pod(pod_name, &node, policy, "request.json"));
    }
    for (pod_name, server) in
        [("a-cluster", address::CLUSTER_DNS), ("a-vpc", address::DNS), ("a-arm64", address::CLUSTER_DNS)]
    {
        let report = report(&lab, pod_name);
        assert_eq!(report.name_servers, [server], "{pod_name}");
        assert!(report.hosts.iter().all(answers), "{pod_name}: {report:#?}");
    }
    for (pod_name, is_private) in [("b-cluster", false), ("b-vpc", true)] {
        let report = report(&lab, pod_name);
        let [api, grpc] = report.hosts.as_slice() else { panic!("{report:#?}") };
        assert_eq!((api.scope.public.is_empty(), answers(api)), (is_private, is_private), "{report:#?}");
        let Fact::Gathered { value: attempts, .. } = &grpc.tcp else { panic!("{report:#?}") };
        assert_eq!(attempts[0].failure, Some(tcp::Failure::TimedOut), "{pod_name}");
    }

    // The name servers saw the pods' own addresses.
    let asked: Vec<Question> = lab.control().get("/dns/queries").unwrap();
    for (pod_name, server) in [("b-cluster", Server::Cluster), ("b-vpc", Server::Vpc)] {
        let address = kubectl_json(&lab, &["get", "pod", pod_name])["status"]["podIP"].clone();
        let from_pod = |question: &&Question| json!(question.client) == address;
        let servers: Vec<_> = asked.iter().filter(from_pod).map(|question| question.server).collect();
        assert!(servers.len() >= 4 && servers.iter().all(|one| *one == server), "{pod_name}: {servers:?}");
    }

    kubectl(&lab, &["delete", "pods", "--all", "--wait"]);
    let left = std::fs::read_dir(lab.folder().pods()).unwrap().count();
    assert_eq!(left, 0, "root folders of containers");
}

#[test]
fn a_pod_that_cannot_run_the_probe_says_why() {
    let lab = start();
    let nodes: Vec<Value> = lab.control().get("/kubelet/nodes").unwrap();
    let node = nodes[0]["name"].as_str().unwrap();

    apply(&lab, &pod("early", node, "Default", "request.json"));
    let message = event(&lab, "early", "FailedMount");
    assert_eq!(message, "MountVolume.SetUp failed for volume \"request\" : configmap \"probe\" not found");
    request(&lab);
    assert_eq!(report(&lab, "early").hosts.len(), 2);

    apply(&lab, &pod("invalid", node, "Default", "bad.json"));
    let terminated = terminated(&lab, "invalid");
    assert_eq!(terminated["exitCode"], 2, "{terminated}");
    let expected =
        "error: invalid request `/etc/probe/bad.json`: missing field `version` at line 1 column 2\n";
    assert_eq!(terminated["message"], expected);
    assert_eq!(lab.kubectl(&["logs", "invalid"]).unwrap().stdout, expected);
    assert_eq!(kubectl_json(&lab, &["get", "pod", "invalid"])["status"]["phase"], "Failed");

    let text = "Failed to create pod sandbox: plugin type=\"aws-cni\" failed (add): no free addresses";
    let failures = json!([{"pod": "sandbox-*", "message": text}]);
    lab.control().put("/kubelet/sandbox-failures", &failures).unwrap();
    apply(&lab, &pod("sandbox-1", node, "Default", "request.json"));
    assert_eq!(event(&lab, "sandbox-1", "FailedCreatePodSandBox"), text);
    let state =
        kubectl_json(&lab, &["get", "pod", "sandbox-1"])["status"]["containerStatuses"][0]["state"].clone();
    assert_eq!(state["waiting"]["reason"], "ContainerCreating");
    lab.control().put("/kubelet/sandbox-failures", &json!([])).unwrap();
    assert_eq!(report(&lab, "sandbox-1").hosts.len(), 2);
}
