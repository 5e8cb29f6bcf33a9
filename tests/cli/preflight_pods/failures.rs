//! Failures of pods are findings at once, with the text of the cluster.

use std::time::Duration;

use serde_json::json;

use super::{IMAGE, NAMESPACE, about_pods, from_pods, left, nodes, timed};
use crate::harness::{apply, complete_lab, grant_access, parse_json, plugin, shared_lab};

#[test]
fn an_image_that_nodes_cannot_pull_is_reported_at_once() {
    let lab = complete_lab();
    let message = "failed to pull and unpack image: unexpected status from HEAD request: 403 Forbidden";
    let rule = json!({"image": IMAGE, "message": message});
    lab.control().post("/kubelet/failures", &rule).unwrap();
    let (output, time) = timed(&lab, &["--nodes=all"]);
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    let report = parse_json(&output);
    let about = about_pods(&report);
    let pulls: Vec<_> = about.iter().filter(|(code, ..)| code == "CPL502").collect();
    assert_eq!(pulls.len(), 2 * nodes(&lab), "{about:?}");
    for (_, result, seen) in pulls {
        assert_eq!(result, "Fail");
        assert!(seen.contains("403 Forbidden"), "{seen}");
    }
    assert!(about.iter().all(|(code, result, _)| code != "CPL503" || result == "Skipped"), "{about:?}");
    assert!(report.to_string().contains("permissions iam --for=nodes"));
    assert!(time < Duration::from_secs(40), "{time:?}: it does not wait for the time limit");
    assert_eq!(left(&lab), Vec::<String>::new());
}

#[test]
fn pods_that_the_api_server_refuses_are_reported_with_its_message() {
    let lab = complete_lab();
    apply(
        &lab,
        &json!({
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few", "namespace": NAMESPACE},
            "spec": {"hard": {"pods": "0"}},
        }),
    );
    // The quota's controller has counted once its status is set.
    lab.wait_for(&["resourcequota", "few", "-n", NAMESPACE], Duration::from_mins(1), |quota| {
        quota["status"]["hard"]["pods"].is_string()
    })
    .unwrap();
    let report = parse_json(&plugin(&lab, 1, &from_pods(&[])));
    let about = about_pods(&report);
    let (code, result, seen) = &about[0];
    assert_eq!((code.as_str(), result.as_str()), ("CPL501", "Fail"));
    assert!(seen.contains("exceeded quota: few"), "{seen}");
    assert_eq!(left(&lab), Vec::<String>::new());
}

#[test]
fn missing_permissions_are_named_before_anything_is_created() {
    let lab = shared_lab();
    let flag = grant_access(lab, "reader", "get,list", "pods,nodes,deployments,daemonsets,configmaps");
    let report = parse_json(&plugin(lab, 1, &from_pods(&[&flag])));
    let about = about_pods(&report);
    let why = "requires create configmaps, delete configmaps, create pods, watch pods, delete pods in namespace castai-agent";
    assert_eq!(about[0], ("CPL501".to_owned(), "Unknown".to_owned(), why.to_owned()));
    assert!(report.to_string().contains("permissions rbac --subject=user:NAME"));
    assert_eq!(left(lab), Vec::<String>::new());
}
