//! Which images `sync-images` finds, and why.

use std::collections::BTreeSet;

use serde_json::Value;

use super::SYNC;
use crate::harness::{
    AGENT, CONTROLLER, HIBERNATE, KVISOR, SCANNERS, first_images, parse_json, plugin, shared_lab,
};

/// `(image, workload, image_field, why)` of every row of an inventory in JSON.
fn rows(inventory: &Value) -> BTreeSet<(String, String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let images = inventory["images"].as_array().expect("images");
    let uses = images.iter().flat_map(|wanted| {
        wanted["usedBy"].as_array().expect("uses").iter().map(move |used| (&wanted["image"], used))
    });
    uses.map(|(image, used)| {
        let reason = used["reason"].as_object().expect("a reason");
        let why = reason.iter().map(|(key, value)| format!("{key}={}", text(value))).collect::<Vec<_>>();
        (text(image), text(&used["place"]["name"]), text(&used["imageField"]), why.join(" "))
    })
    .collect()
}

#[test]
fn every_image_is_found_with_its_reason() {
    let lab = shared_lab();
    let found = parse_json(&plugin(lab, 0, &[SYNC, "--no-mirror", "--no-rewrite", "-o", "json"]));
    assert_eq!(found["kind"], "Inventory");
    let expected = [
        (HIBERNATE, "v0.14", "hibernate-pause", "container/pauser"),
        (HIBERNATE, "v0.14", "hibernate-resume", "container/pauser"),
        (KVISOR, "v1.164.8", "castai-kvisor-agent", "container/kvisor"),
        (KVISOR, "v1.164.8", "castai-kvisor-agent", "init/gpu-feature-discovery"),
        (CONTROLLER, "v1.164.8", "castai-kvisor-controller", "container/controller"),
        (SCANNERS, "v1.164.8", "castai-kvisor-controller", "derived/controller/kvisor-scanners"),
        (AGENT, "v0.161.1", "castai-agent", "container/agent"),
        (AGENT, "v0.161.1", "castai-agent", "container/monitor"),
    ];
    let expected = expected.map(|(repository, tag, workload, image_field)| {
        let why = if repository == SCANNERS {
            format!("from={CONTROLLER}:{tag} rule=derived")
        } else {
            "namespace=castai-agent rule=namespace".to_owned()
        };
        (format!("{repository}:{tag}"), workload.to_owned(), image_field.to_owned(), why)
    });
    assert_eq!(rows(&found), BTreeSet::from(expected));

    let table = plugin(lab, 0, &[SYNC, "--no-mirror", "--no-rewrite"]).stdout;
    let line = table.lines().find(|line| line.starts_with(SCANNERS)).expect("the scanners are listed");
    assert!(line.contains(&format!("derived from {CONTROLLER}:v1.164.8")), "{line}");
    let names = plugin(lab, 0, &[SYNC, "--no-mirror", "--no-rewrite", "-o", "name"]).stdout;
    assert_eq!(names.lines().collect::<Vec<_>>(), first_images());
}

#[test]
fn flags_select_images() {
    let lab = shared_lab();
    let [hibernate, kvisor, controller, scanners, agent] = first_images();
    let cases: [(&[&str], &[&String]); 6] = [
        (&["-n", "castai-agent"], &[&hibernate, &kvisor, &controller, &scanners, &agent]),
        (&["-l", "app.kubernetes.io/name=castai-agent"], &[&agent]),
        (&["-l", "app.kubernetes.io/name in (castai-agent,castai-kvisor-agent)"], &[&kvisor, &agent]),
        (&["--only", "ghcr.io/*"], &[&kvisor, &controller, &scanners]),
        (&["--exclude", "*kvisor*", "--exclude", "castai/*"], &[&agent]),
        // The scanners are included with their controller, which cannot scan without them.
        (&["--only", "*kvisor*", "--exclude", "*-agent:*"], &[&controller, &scanners]),
    ];
    for (flags, expected) in cases {
        let arguments = [&[SYNC, "--no-mirror", "--no-rewrite", "-o", "name"], flags].concat();
        let names = plugin(lab, 0, &arguments).stdout;
        assert_eq!(names.lines().collect::<Vec<_>>(), expected, "{flags:?}");
    }
    for flags in [&["-n", "shop"][..], &["-l", "app=web"], &["--only", "nginx*"]] {
        let output = plugin(lab, 1, &[&[SYNC, "--dry-run"], flags].concat());
        assert!(output.stderr.contains("no image of Cast AI found"), "{}", output.stderr);
        assert!(
            output.stderr.contains(&format!("hint: remove or change {}", flags[0])),
            "{flags:?}: {}",
            output.stderr
        );
    }
}
