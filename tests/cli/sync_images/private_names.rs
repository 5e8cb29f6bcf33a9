//! Workloads that somebody has set to private names before anything was mirrored.

use lab::host::Lab;
use lab::registry::image::Recipe;
use serde_json::json;

use super::SYNC;
use crate::harness::{
    AGENT, ECR, MIRROR, container_image, kubectl, mirrored_digest, plugin, publish, recorded_images,
    wait_until_ready,
};

/// Another client sets the next version by its private name before it is mirrored.
pub(super) fn upgrade_by_private_name(lab: &Lab) {
    let next = format!("{AGENT}:v0.162.0");
    let digest = publish(lab, &next, &Recipe::default());
    let private = format!("{MIRROR}/{next}");
    let set = ["set", "image", "-n", "castai-agent", "deployment/castai-agent"];
    let (agent, monitor) = (format!("agent={private}"), format!("monitor={private}"));
    kubectl(lab, &[&set[..], &[&agent, &monitor]].concat());

    let output = plugin(lab, 0, &[SYNC, "--yes"]);
    assert!(output.stderr.contains(&format!("copied {next}")), "{}", output.stderr);
    assert_eq!(output.stdout.matches(" copied").count(), 1, "{}", output.stdout);
    wait_until_ready(lab);
    assert_eq!(mirrored_digest(lab, &next), Some(digest));
    assert_eq!(container_image(lab, "castai-agent", "agent"), private);
    let entry = json!({"from": next, "to": private});
    assert_eq!(
        recorded_images(lab, "deployment/castai-agent"),
        json!({"container/agent": entry, "container/monitor": entry})
    );
    assert!(plugin(lab, 0, &[SYNC]).stdout.starts_with("up to date"));
}

/// The source of a flat name is unknown, and other repositories of the account are not used.
pub(super) fn flat_names_need_a_map(lab: &Lab) {
    let flat = format!("{MIRROR}/castai-agent");
    publish(lab, &format!("{AGENT}:v1"), &Recipe::default());
    let set = ["set", "image", "-n", "castai-agent"];
    kubectl(lab, &[&set[..], &["deployment/castai-agent", &format!("*={flat}:v1")]].concat());
    let output = plugin(lab, 1, &[SYNC, "--yes"]);
    assert!(output.stderr.contains(&format!("add --map {flat}=<public repository>")), "{}", output.stderr);
    assert_eq!(container_image(lab, "castai-agent", "agent"), format!("{flat}:v1"));
    assert_eq!(mirrored_digest(lab, "castai-agent:v1"), None);

    let map = format!("{flat}={AGENT}");
    let output = plugin(lab, 0, &[SYNC, "--yes", "--map", &map]);
    assert!(output.stderr.contains(&format!("copied {AGENT}:v1")), "{}", output.stderr);
    wait_until_ready(lab);
    assert_eq!(container_image(lab, "castai-agent", "agent"), format!("{flat}:v1"));
    let entry = json!({"from": format!("{AGENT}:v1"), "to": format!("{flat}:v1")});
    assert_eq!(recorded_images(lab, "deployment/castai-agent")["container/agent"], entry);
    assert!(plugin(lab, 0, &[SYNC, "--map", &map]).stdout.starts_with("up to date"));
    // Every user who can edit the workload can edit the record: it is a hint, and the user's flag decides.
    let output = plugin(lab, 1, &[SYNC]);
    let last = output.stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: incomplete: public tags not checked: 1 image: "), "{last}");
    assert!(last.ends_with(&format!("add --map {map}")), "{last}");
    let digest = publish(lab, &format!("{AGENT}:v9"), &Recipe::default());
    kubectl(lab, &[&set[..], &["deployment/castai-agent", &format!("*={flat}:v9")]].concat());
    let output = plugin(lab, 1, &[SYNC, "--yes"]);
    assert!(output.stderr.contains(&format!("add --map {flat}={AGENT}")), "{}", output.stderr);
    assert_eq!(mirrored_digest(lab, "castai-agent:v9"), None);
    let output = plugin(lab, 0, &[SYNC, "--yes", "--map", &map]);
    assert!(output.stderr.contains(&format!("copied {AGENT}:v9")), "{}", output.stderr);
    wait_until_ready(lab);
    assert_eq!(mirrored_digest(lab, "castai-agent:v9"), Some(digest));
    let entry = json!({"from": format!("{AGENT}:v9"), "to": format!("{flat}:v9")});
    assert_eq!(recorded_images(lab, "deployment/castai-agent")["container/agent"], entry);

    let own = format!("{ECR}/shop/web:1.0");
    kubectl(lab, &[&set[..], &["cronjob/hibernate-pause", &format!("pauser={own}")]].concat());
    let output = plugin(lab, 0, &[SYNC, "--map", &map]);
    assert!(output.stdout.starts_with("up to date"), "{}", output.stdout);
    assert!(output.stderr.contains(&format!("note: {own}: ")), "{}", output.stderr);
    assert_eq!(container_image(lab, "hibernate-pause", "pauser"), own);
}
