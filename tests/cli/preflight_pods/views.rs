//! Whole runs with the probe that the plugin contains: it is pushed into ECR, pulled by nodes, and run in the network of
//! each pod.

use std::time::Duration;

use lab::address;
use lab::host::Lab;
use serde_json::{Value, json};

use super::{about_pods, left, nodes};
use crate::harness::{complete_lab, mirrored_tags, parse_json, plugin};

const API: &str = "api.cast.ai";

/// Preflight from pods only, which trust the lab's authority.
fn look(lab: &Lab, code: i32, arguments: &[&str]) -> Value {
    let roots = format!("--ca-bundle={}", lab.folder().authority_certificate().display());
    let flags = ["preflight", "-o", "json", &roots];
    parse_json(&plugin(lab, code, &[&flags, arguments].concat()))
}

/// The findings with this code and subject.
fn findings<'r>(report: &'r Value, code: &str, subject: &str) -> Vec<&'r Value> {
    let all = report["findings"].as_array().unwrap().iter();
    all.filter(|finding| finding["code"] == code && finding["subject"]["name"] == subject).collect()
}

#[test]
fn pods_prove_private_connectivity_and_leave_only_the_image() {
    let lab = complete_lab();
    let report = look(&lab, 0, &["--in-cluster=only"]);
    let bad: Vec<_> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["result"] != "Pass" && finding["code"] != "CPL110")
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
    let pods = 2 * nodes(&lab);
    for code in ["CPL210", "CPL211", "CPL220", "CPL230", "CPL240"] {
        let seen = findings(&report, code, API);
        assert_eq!(seen.len(), pods, "{code}");
        assert!(seen.iter().all(|finding| finding["vantagePoint"]["type"] == "pod"), "{seen:#?}");
    }
    assert_eq!(left(&lab), Vec::<String>::new());
    let tags = mirrored_tags(&lab);
    let [tag] = Vec::from_iter(&tags)[..] else { panic!("{tags:?}") };
    assert!(tag.starts_with("castai-privatelink-probe:digest-"), "{tag}");

    // From a machine outside, pods are enough; the image is not pushed again.
    let output = plugin(
        &lab,
        0,
        &[
            "preflight",
            "--here=outside",
            "--yes",
            &format!("--ca-bundle={}", lab.folder().authority_certificate().display()),
        ],
    );
    let last = output.stdout.lines().last().unwrap();
    let expected = format!("Cast AI is privately reachable from {pods} pods on {} nodes", nodes(&lab));
    assert!(last.starts_with(&expected), "{last}");
    assert_eq!(mirrored_tags(&lab), tags);
}

#[test]
fn a_fault_of_one_subnet_and_one_dns_is_seen_from_there_alone() {
    let lab = complete_lab();
    let nodes: Vec<Value> = lab.control().get("/kubelet/nodes").unwrap();
    let b = nodes.iter().find(|node| node["zone"] == "us-east-1b").unwrap();
    let public = json!({"answer": "addresses", "v4": [address::CASTAI_PUBLIC]});
    let view = json!({"server": "cluster", "clients": b["pods"], "records": {API: public}});
    lab.control().put("/dns/views", &json!([view])).unwrap();
    let report = look(&lab, 1, &["--in-cluster=only"]);
    for finding in findings(&report, "CPL211", API) {
        let vantage_point = &finding["vantagePoint"];
        let is_there = vantage_point["zone"] == "us-east-1b" && vantage_point["dnsPolicy"] == "ClusterFirst";
        assert_eq!(finding["result"], if is_there { "Fail" } else { "Pass" }, "{finding:#}");
    }
    let failed = report["findings"].as_array().unwrap().iter().filter(|finding| finding["result"] == "Fail");
    assert_eq!(failed.count(), 1);
    assert_eq!(left(&lab), Vec::<String>::new());
}

#[test]
fn a_pod_without_a_network_is_reported_with_its_event() {
    let lab = complete_lab();
    let text = "Failed to create pod sandbox: plugin type=\"aws-cni\" failed (add): no free addresses";
    let failures = json!([{"pod": "castai-privatelink-probe-*", "message": text}]);
    lab.control().put("/kubelet/sandbox-failures", &failures).unwrap();
    let start = std::time::Instant::now();
    let report = look(&lab, 1, &["--in-cluster=only"]);
    assert!(start.elapsed() < Duration::from_secs(40), "{:?}", start.elapsed());
    let about = about_pods(&report);
    assert_eq!((about[0].0.as_str(), about[0].1.as_str()), ("CPL501", "Fail"), "{about:?}");
    assert!(about[0].2.contains("no free addresses"), "{about:?}");
    assert_eq!(left(&lab), Vec::<String>::new());
}
