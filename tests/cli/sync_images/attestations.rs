//! Images that ECR may refuse, with its reported rules in either order and without them.

use lab::host::Lab;
use lab::registry::image::{Form, Recipe};
use serde_json::{Value, json};

use crate::harness::{
    AGENT, MIRROR, assert_stderr_contains, castai_images, ecr_state, ecr_writes, mirrored_digest, own_lab,
    parse_json, plugin, publish,
};

/// The agent with attestations as `BuildKit` makes them since 0.32.
fn publish_agent(lab: &Lab) -> String {
    let recipe = Recipe { form: Form::IndexWithArtifacts, revision: 7, ..Recipe::default() };
    publish(lab, &format!("{AGENT}:v0.161.1"), &recipe)
}

fn set_rules(lab: &Lab, rules: &str) {
    lab.control().put("/ecr/settings", &json!({"manifest_rules": rules})).expect("the rules are set");
}

fn agent(report: &Value) -> Value {
    let images = report["images"].as_array().expect("images");
    let is_agent = |image: &&Value| image["image"].as_str().is_some_and(|name| name.starts_with(AGENT));
    images.iter().find(is_agent).expect("the agent").clone()
}

#[test]
fn what_ecr_refuses_is_skipped_and_what_it_accepts_is_not() {
    let lab = own_lab();
    let source = publish_agent(&lab);
    let name = format!("{AGENT}:v0.161.1");

    // What must not be skipped fails, and nothing else.
    let kept = plugin(&lab, 1, &["sync-images", "--yes", "--attestations=keep", "--no-rewrite"]);
    let cause = "405 UNSUPPORTED Invalid parameter at 'ImageManifest'";
    let known = "known cause: `config.data` is set";
    assert_stderr_contains(&kept, &[&format!("error: {name}"), cause, known, "--attestations=drop-refused"]);
    assert_eq!(mirrored_digest(&lab, &name), None);

    set_rules(&lab, "strict-after-blobs");
    let before = castai_images(&lab);
    let report = parse_json(&plugin(&lab, 0, &["sync-images", "--yes", "-o", "json", "--lock", "lock.json"]));
    let reported = agent(&report);
    assert_eq!(reported["result"], "copied");
    assert_eq!(reported["withoutAttestations"]["sourceDigest"], source);
    assert_eq!(reported["withoutAttestations"]["skipped"].as_array().map(Vec::len), Some(2));
    let digest = mirrored_digest(&lab, &name).expect("the agent is in ECR");
    assert_eq!(reported["digest"], digest);
    assert_ne!(digest, source);
    let images = castai_images(&lab);
    for (place, image) in before {
        assert_eq!(images[&place], format!("{MIRROR}/{image}"), "every workload is rewritten");
    }

    for rules in ["strict", "strict-after-blobs", "none"] {
        set_rules(&lab, rules);
        let written = ecr_writes(&lab).len();
        let again = plugin(&lab, 0, &["sync-images", "--yes"]);
        assert!(again.stdout.contains("up to date"), "{}", again.stdout);
        assert_eq!(ecr_writes(&lab).len(), written, "{rules}: nothing is written again");
    }
    let status = plugin(&lab, 0, &["status", "--upstream"]);
    assert!(!status.stdout.contains("behind"), "{}", status.stdout);

    // Since ECR accepts them now, they can be added on request.
    let whole = plugin(&lab, 0, &["sync-images", "--yes", "--attestations=keep"]);
    assert!(whole.stdout.contains("replaced"), "{}", whole.stdout);
    assert_eq!(mirrored_digest(&lab, &name), Some(source));
    let none = plugin(&lab, 0, &["sync-images", "--yes", "--attestations=drop"]);
    assert!(none.stdout.contains("up to date"), "what is there stays: {}", none.stdout);
}

#[test]
fn a_person_reads_which_images_lack_attestations_and_why() {
    let lab = own_lab();
    publish_agent(&lab);
    let output = plugin(&lab, 0, &["sync-images", "--yes", "--no-rewrite"]);
    let note = "v0.161.1: mirrored without attestations, which the registry refuses (405 UNSUPPORTED";
    assert_stderr_contains(&output, &["note: ", note]);

    // Nobody is asked where none are wanted, and the result is the same.
    let digest = mirrored_digest(&lab, &format!("{AGENT}:v0.161.1"));
    let other = own_lab();
    publish_agent(&other);
    plugin(&other, 0, &["sync-images", "--yes", "--no-rewrite", "--attestations=drop"]);
    assert_eq!(mirrored_digest(&other, &format!("{AGENT}:v0.161.1")), digest);
    let repositories = ecr_state(&other).repositories;
    let kvisor = &repositories["castai-privatelink/ghcr.io/castai/kvisor/kvisor-agent"];
    assert_eq!(kvisor.images.len(), 3, "two platforms and an index without attestations");
}
