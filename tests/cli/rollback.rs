//! `rollback` restores the images that sync-images replaced, and changes nothing else.

use lab::address;
use lab::host::Lab;
use lab::kubelet::FailingPull;
use lab::registry::image::Recipe;
use serde_json::{Value, json};

use crate::harness::{
    AGENT, HIBERNATE, KVISOR, MIRROR, apply, assert_stderr_contains, clear_traffic, container_image, kubectl,
    other_workloads, own_lab, parse_json, plugin, publish_to, recorded_images, sync, traffic,
    wait_until_ready, workload_specs,
};

const KINDS: [&str; 5] = [
    "deployment/castai-agent",
    "deployment/castai-kvisor-controller",
    "daemonset/castai-kvisor-agent",
    "cronjob/hibernate-pause",
    "cronjob/hibernate-resume",
];

fn has_records(lab: &Lab) -> usize {
    KINDS.iter().filter(|name| recorded_images(lab, name) != Value::Null).count()
}

/// Also after a run that failed in part, and without requests to a registry or AWS.
#[test]
fn rollback_restores_everything_and_contacts_only_the_cluster() {
    let lab = &own_lab();
    let (before, others) = (workload_specs(lab), other_workloads(lab));
    let nothing = plugin(lab, 0, &["rollback"]);
    assert!(nothing.stdout.starts_with("nothing to do"), "{}", nothing.stdout);
    let rule = FailingPull {
        node: None,
        image: "*kvisor-controller*".to_owned(),
        message: "failed to pull: no space left on device".to_owned(),
    };
    lab.control().post("/kubelet/failures", &rule).unwrap();
    sync(lab, 1, &["--settle-time=1s"]);
    assert_eq!(has_records(lab), 5);

    clear_traffic(lab);
    let rewritten = workload_specs(lab);
    for (mode, words) in
        [("server", "image rolled back (server dry run)"), ("client", "image rolled back (dry run)")]
    {
        let dry = plugin(lab, 0, &["rollback", &format!("--dry-run={mode}")]);
        assert_eq!(dry.stdout.matches(words).count(), 7, "{}", dry.stdout);
    }
    let refused = plugin(lab, 2, &["rollback"]);
    let would = "this would restore the original images of 5 workloads";
    assert_stderr_contains(&refused, &["error: stdin is not a terminal: pass --yes to confirm", would]);
    assert_eq!(workload_specs(lab), rewritten, "nothing was changed");

    let output = plugin(lab, 0, &["rollback", "--yes", "--wait=false"]);
    assert_eq!(output.stdout.matches("image rolled back\n").count(), 7, "{}", output.stdout);
    assert_stderr_contains(
        &output,
        &[
            "warning: nodes will pull from ghcr.io, registry-1.docker.io, us-docker.pkg.dev again",
            "done: 5 workloads rolled back to the original images; rollouts were not watched\n",
        ],
    );
    assert_eq!(workload_specs(lab), before, "images and annotations are the original ones");
    assert_eq!(other_workloads(lab), others);
    assert!(
        traffic(lab, "ecr").is_empty() && traffic(lab, "source").is_empty(),
        "only the cluster gets requests"
    );
    let again = plugin(lab, 0, &["rollback", "--yes"]);
    assert!(again.stdout.starts_with("nothing to do"), "{}", again.stdout);
}

/// Nodes without internet cannot pull public images: healthy workloads keep running.
#[test]
fn a_workload_that_rollback_breaks_is_restored_and_the_run_stops() {
    let lab = &own_lab();
    sync(lab, 0, &[]);
    wait_until_ready(lab);
    let ours = recorded_images(lab, "deployment/castai-kvisor-controller");
    let arguments = ["rollback", "--yes", "deploy/castai-kvisor-controller", "deployments.apps/castai-agent"];
    let output = plugin(lab, 1, &arguments);
    assert_stderr_contains(
        &output,
        &[
            "error: deployment.apps/castai-kvisor-controller in namespace castai-agent was restored to its \
             private images: pod ",
            "its previous images run again",
            "error: deployment.apps/castai-agent in namespace castai-agent not updated",
            "hint: nodes cannot pull from ghcr.io: allow it and roll back again",
        ],
    );
    let last = "incomplete: 1 workload kept private; 1 workload not changed; fix the errors above and run again to continue\n";
    assert!(output.stderr.ends_with(last), "{}", output.stderr);
    assert_eq!(
        output.stderr.matches("ImagePullBackOff").count(),
        1,
        "the cause is named once: {}",
        output.stderr
    );
    assert!(container_image(lab, "castai-kvisor-controller", "controller").starts_with(MIRROR));
    assert_eq!(recorded_images(lab, "deployment/castai-kvisor-controller"), ours);
    assert_eq!(has_records(lab), 5, "workloads that are not named are not changed");
    wait_until_ready(lab);
}

#[test]
fn rollback_waits_for_components_that_run_their_original_images() {
    let lab = &own_lab();
    let former = format!("{}/old/ghcr.io/castai/first:v1", address::OCI_REGISTRY.0);
    publish_to(lab, "oci", "old/ghcr.io/castai/first:v1", &Recipe::default());
    let labels = json!({"app": "first"});
    let container = json!({"name": "main", "image": former});
    apply(
        lab,
        &json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "first", "namespace": "castai-agent", "labels": labels},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        }),
    );
    let ready = ["rollout", "status", "-n", "castai-agent", "deployment/first", "--timeout=300s"];
    kubectl(lab, &ready);
    sync(lab, 0, &["-l", "app=first"]);
    assert_eq!(container_image(lab, "first", "main"), format!("{MIRROR}/{former}"));
    let output = plugin(lab, 0, &["rollback", "-l", "app", "--yes", "-o", "name"]);
    assert_eq!(output.stdout, "deployment.apps/first\n");
    assert_stderr_contains(&output, &["deployment.apps/first: deployment \"first\" successfully rolled out"]);
    assert_eq!(container_image(lab, "first", "main"), former);
    assert_eq!(recorded_images(lab, "deployment/first"), Value::Null);
    let again = plugin(lab, 0, &["rollback", "deployment/first"]);
    assert_eq!(
        again.stdout,
        "nothing to do: no images of deployment.apps/first were replaced by sync-images\n"
    );
}

#[test]
fn images_changed_since_are_skipped_and_reported() {
    let lab = &own_lab();
    sync(lab, 0, &["--wait=false"]);
    let upgraded = format!("{MIRROR}/{KVISOR}:v9");
    let set = |workload: &str, image: &str| {
        kubectl(lab, &["set", "image", "-n", "castai-agent", workload, image]);
    };
    set("daemonset/castai-kvisor-agent", &format!("kvisor={upgraded}"));
    set("cronjob/hibernate-pause", "pauser=castai/hibernate:v0.14");
    set("cronjob/hibernate-resume", "pauser=castai/hibernate:v0.15");
    let offered =
        plugin(lab, 0, &["__complete", "rollback", "-n", "castai-agent", "deployment.apps/castai-a"]);
    assert_eq!(offered.stdout, "deployment.apps/castai-agent\n:4\n");
    let output = plugin(lab, 1, &["rollback", "--yes", "--wait=false", "deployment/other"]);
    assert_stderr_contains(&output, &["error: deployment.apps/other not found: check the name and -n"]);
    assert_eq!(has_records(lab), 5);

    let output = plugin(lab, 1, &["rollback", "--yes", "--wait=false"]);
    assert_stderr_contains(
        &output,
        &[
            &format!(
                "error: daemonset.apps/castai-kvisor-agent in namespace castai-agent: container/kvisor skipped: it was \
                 upgraded to {upgraded} since"
            ),
            &format!("set it to {KVISOR}:v9"),
            "note: cronjob.batch/hibernate-resume in namespace castai-agent: container/pauser skipped: it \
             was changed to castai/hibernate:v0.15 since",
            "note: cronjob.batch/hibernate-pause in namespace castai-agent: no image to restore, only an outdated annotation privatelink.cast.ai/images",
            "incomplete: 2 workloads rolled back to the original images; 1 workload rolled back in part; 1 image skipped; \
             1 image skipped, upgraded since; rollouts were not watched; set it as the error above says\n",
        ],
    );
    // The image that stays has a row of its own.
    let kvisor = output.stdout.lines().find(|line| line.contains(" container/kvisor ")).unwrap_or_default();
    assert!(kvisor.contains(&upgraded) && kvisor.ends_with(" skipped"), "{}", output.stdout);
    assert_eq!(container_image(lab, "castai-kvisor-agent", "kvisor"), upgraded);
    assert_eq!(
        container_image(lab, "castai-kvisor-agent", "gpu-feature-discovery"),
        format!("{KVISOR}:v1.164.8")
    );
    assert_eq!(container_image(lab, "castai-agent", "agent"), format!("{AGENT}:v0.161.1"));
    assert_eq!(container_image(lab, "hibernate-resume", "pauser"), format!("{HIBERNATE}:v0.15"));
    // The source of the private name is still known: its record is kept until another image is set.
    let kept = recorded_images(lab, "daemonset/castai-kvisor-agent");
    assert_eq!(kept.as_object().unwrap().keys().collect::<Vec<_>>(), ["container/kvisor"]);
    assert_eq!(has_records(lab), 1);
    let report = parse_json(&plugin(lab, 1, &["rollback", "--yes", "-o", "json"]));
    assert_eq!(report["kind"], "RollbackReport");
    assert_eq!(report["workloads"], json!([]));
    assert_eq!(report["skipped"][0]["public"], format!("{KVISOR}:v9"));
}
