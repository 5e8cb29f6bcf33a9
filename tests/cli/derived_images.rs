//! kvisor finds the image of its scan jobs, even if it cannot derive its name from the controller's.

use serde_json::{Value, json};

use crate::harness::{
    CONTROLLER, ECR, MIRROR, SCANNERS, assert_stderr_contains, container_image, kubectl, kubectl_json,
    mirrored_digest, own_lab, parse_json, plugin, recorded_images, sync, wait_until_ready, workload_specs,
    write_file,
};

const DEPLOYMENT: &str = "deployment/castai-kvisor-controller";

/// From a digest, kvisor cannot derive the name of its scanners.
#[test]
fn a_controller_pinned_by_digest_gets_the_scanner_variable_until_rollback() {
    let lab = &own_lab();
    sync(lab, 0, &["--no-rewrite"]);
    let digest = mirrored_digest(lab, &format!("{CONTROLLER}:v1.164.8")).unwrap();
    let pinned = format!("{CONTROLLER}:v1.164.8@{digest}");
    kubectl(lab, &["set", "image", "-n", "castai-agent", DEPLOYMENT, &format!("controller={pinned}")]);
    let before = workload_specs(lab);

    let output = sync(lab, 0, &[]);
    assert_stderr_contains(&output, &["deployment.apps/castai-kvisor-controller: deployment"]);
    let changed = "container/controller,env/controller/SCANNERS_IMAGE";
    assert!(output.stdout.contains(changed), "{}", output.stdout);
    wait_until_ready(lab);
    let scanners = format!("{MIRROR}/{SCANNERS}:v1.164.8");
    let variable = || {
        let deployment = kubectl_json(lab, &["get", DEPLOYMENT, "-n", "castai-agent"]);
        let env = deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array().cloned();
        env.unwrap_or_default().into_iter().rfind(|variable| variable["name"] == "SCANNERS_IMAGE")
    };
    let told = Some(json!({"name": "SCANNERS_IMAGE", "value": scanners}));
    assert_eq!(variable(), told);
    assert_eq!(container_image(lab, "castai-kvisor-controller", "controller"), format!("{MIRROR}/{pinned}"));
    let ours = json!({
        "container/controller": {"from": pinned, "to": format!("{MIRROR}/{pinned}")},
        "env/controller/SCANNERS_IMAGE": {"to": scanners},
    });
    assert_eq!(recorded_images(lab, DEPLOYMENT), ours);
    let rewritten = workload_specs(lab);
    let again = plugin(lab, 0, &["sync-images"]);
    assert!(
        again.stdout.starts_with(&format!("up to date: {MIRROR} holds 5 needed images")),
        "{}",
        again.stdout
    );

    // If the variable is removed, the scans stop working.
    let state = |code: i32| {
        let report = parse_json(&plugin(lab, code, &["status", "-o", "json"]));
        let images = report["images"].as_array().unwrap().clone();
        let of_scanners = |image: &&Value| image["imageField"] == "derived/controller/kvisor-scanners";
        images.iter().find(of_scanners).unwrap()["state"].clone()
    };
    assert_eq!(state(0), json!({"type": "mirrored"}));
    kubectl(lab, &["set", "env", "-n", "castai-agent", DEPLOYMENT, "SCANNERS_IMAGE-"]);
    assert_eq!(state(1), json!({"type": "reverted", "reason": scanners}));
    sync(lab, 0, &[]);
    assert_eq!(variable(), told);
    assert_eq!(workload_specs(lab), rewritten);

    let output = plugin(lab, 0, &["rollback", "--yes", "--wait=false"]);
    let row = output.stdout.lines().find(|line| line.contains("env/controller/SCANNERS_IMAGE")).unwrap();
    assert!(row.contains("<none>") && row.ends_with("image rolled back"), "{row}");
    assert_eq!(workload_specs(lab), before, "images, variables and annotations are the original ones");
}

/// `rewrite` cannot add a variable, because every other byte must stay unchanged.
#[test]
fn manifests_without_derivable_scanners_are_not_printed() {
    let lab = &own_lab();
    let path = format!("--registry={ECR}/my-controller");
    let manifest = |env: &str| {
        let text = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: kvisor}}\nspec:\n  template:\n    spec:\n      \
             containers:\n      - name: controller\n        image: {CONTROLLER}:v1.164.8\n{env}"
        );
        write_file(lab, "kvisor.yaml", &text);
        text
    };
    manifest("");
    plugin(lab, 0, &["sync-images", "-f", "kvisor.yaml", "--no-rewrite", "--yes", &path]);
    let filter = ["rewrite", "-f", "kvisor.yaml", &path];
    let refused = plugin(lab, 1, &filter);
    assert_eq!(refused.stdout, "");
    assert_stderr_contains(
        &refused,
        &[
            "error: kvisor.yaml: Deployment/kvisor: kvisor cannot derive its scanners from",
            &format!(
                "set the variable SCANNERS_IMAGE of its container \"controller\" to {SCANNERS}:v1.164.8"
            ),
            "error: nothing printed",
        ],
    );
    // The printed advice is sufficient.
    let scanners = format!("{SCANNERS}:v1.164.8");
    let text = manifest(&format!("        env: [{{name: SCANNERS_IMAGE, value: {scanners}}}]\n"));
    let printed = plugin(lab, 0, &filter).stdout;
    let private = |image: &str| format!("{ECR}/my-controller/{image}");
    let controller = format!("{CONTROLLER}:v1.164.8");
    let expected = text.replace(&controller, &private(&controller)).replace(&scanners, &private(&scanners));
    assert_eq!(printed, expected);
}
