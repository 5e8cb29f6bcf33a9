//! The two laws of docs/development.md.

use std::collections::BTreeSet;

use lab::host::Lab;
use lab::registry::fault::{Action, Rule};
use lab::registry::fixture;
use lab::settings::Fixture;
use serde_json::json;

use crate::harness::{
    KVISOR, MIRROR, SCANNERS, add_fault, apply, castai_images, castai_workloads, clear_faults, eventually,
    first_images, kubectl, mirrored_digest, our_writes, own_lab, plugin, publish, traffic, unpublish,
    uploaded_blobs, wait_until_ready,
};

const SYNC: &str = "sync-images";

fn status(status: u16) -> Action {
    Action::Status { status, headers: [].into(), body: String::new() }
}

#[test]
fn nothing_in_the_cluster_changes_before_every_image_is_verified() {
    let lab = own_lab();
    let castai = castai_workloads(&lab);
    // The last manifest that is missing in the registry waits until the rules are removed.
    let manifests = "castai/hibernate/manifests/v0.14";
    let rule = Rule { path: Some(manifests.to_owned()), ..Rule::always(Action::Hold) };
    add_fault(&lab, "ecr", &Rule { operation: Some("PutImage".to_owned()), ..rule });
    let mut running = lab.spawn_plugin(&[SYNC, "--yes", "--idle-timeout", "10m"]).expect("the plugin starts");
    let [_, rest @ ..] = first_images();
    eventually("everything else is mirrored", || {
        assert!(
            running.try_wait().expect("its state").is_none(),
            "the plugin does not wait for the manifest"
        );
        let waits = |record: &lab::registry::traffic::Record| {
            record.path.contains(manifests) && record.method == "PUT"
        };
        rest.iter().all(|image| mirrored_digest(&lab, image).is_some())
            && traffic(&lab, "ecr").iter().any(waits)
    });
    assert_eq!(castai_workloads(&lab), castai);
    assert!(our_writes(&lab).is_empty());
    assert!(running.try_wait().expect("its state").is_none(), "the plugin still waits");

    clear_faults(&lab);
    let output = running.wait().expect("it ends");
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!(our_writes(&lab).len(), 5);
    wait_until_ready(&lab);
}

/// Rejects every change of `DaemonSets` in Cast AI's namespace, as a policy of a platform team might.
fn refuse_daemon_sets(lab: &Lab) {
    let policy = "no-daemonset-changes";
    apply(
        lab,
        &json!({"apiVersion": "v1", "kind": "List", "items": [
            {
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
                "metadata": {"name": policy},
                "spec": {
                    "failurePolicy": "Fail",
                    "matchConstraints": {"resourceRules": [{
                        "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"],
                        "resources": ["daemonsets"],
                    }]},
                    "matchConditions": [{
                        "name": "castai", "expression": "object.metadata.namespace == 'castai-agent'",
                    }],
                    "validations": [{"expression": "false", "message": "frozen until Monday"}],
                },
            },
            {
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
                "metadata": {"name": policy},
                "spec": {"policyName": policy, "validationActions": ["Deny"]},
            },
        ]}),
    );
    eventually("the policy is active", || !may_change_daemon_sets(lab));
}

fn allow_daemon_sets(lab: &Lab) {
    let kinds = "validatingadmissionpolicybindings,validatingadmissionpolicies";
    kubectl(lab, &["delete", kinds, "no-daemonset-changes"]);
    eventually("the policy is gone", || may_change_daemon_sets(lab));
}

fn may_change_daemon_sets(lab: &Lab) -> bool {
    let attempt =
        ["annotate", "daemonset", "castai-kvisor-agent", "-n", "castai-agent", "x=y", "--dry-run=server"];
    lab.kubectl(&attempt).expect("kubectl runs").code == Some(0)
}

/// The workloads of `all` whose images are in the mirror.
fn rewritten(lab: &Lab) -> BTreeSet<String> {
    let mirrored =
        |((workload, _), image): ((String, String), String)| image.starts_with(MIRROR).then_some(workload);
    castai_images(lab).into_iter().filter_map(mirrored).collect()
}

#[test]
fn a_failure_holds_back_only_its_workloads_and_running_again_is_enough() {
    let lab = own_lab();
    let before = castai_workloads(&lab);
    let untouched = |workload: &str| {
        let now = castai_workloads(&lab);
        assert!(now.contains_key(workload), "{workload} in {:?}", now.keys());
        assert_eq!(now.get(workload), before.get(workload), "{workload} is unchanged");
    };
    let (controller, daemon_set) =
        ("castai-agent Deployment/castai-kvisor-controller", "castai-agent DaemonSet/castai-kvisor-agent");
    let cron_jobs = ["castai-agent CronJob/hibernate-pause", "castai-agent CronJob/hibernate-resume"];

    // An image from which another one is derived is missing, one cannot be pushed, and one source is down.
    let scanners = format!("{SCANNERS}:v1.164.8");
    unpublish(&lab, &scanners);
    let push = Rule { path: Some("kvisor-agent/blobs".to_owned()), ..Rule::always(status(500)) };
    add_fault(&lab, "ecr", &Rule { operation: Some("CompleteLayerUpload".to_owned()), skip: 2, ..push });
    add_fault(
        &lab,
        "source",
        &Rule { host: Some("registry-1.docker.io".to_owned()), ..Rule::always(status(503)) },
    );
    let hasty = [SYNC, "--yes", "--retries", "1", "--retry-delay", "1ms"];
    let first = plugin(&lab, 1, &hasty);
    for image in [&scanners, &format!("{KVISOR}:v1.164.8"), "castai/hibernate:v0.14"] {
        let line = first.stdout.lines().find(|line| line.starts_with(image));
        assert!(line.is_some_and(|line| line.contains("failed")), "{image}: {}", first.stdout);
        let mut errors = first.stderr.lines().filter(|line| line.starts_with("error: "));
        assert!(errors.any(|line| line.contains(image)), "{image}: {}", first.stderr);
    }
    assert_eq!(rewritten(&lab), ["castai-agent".to_owned()].into());
    [controller, daemon_set].into_iter().chain(cron_jobs).for_each(untouched);

    // Registries work again, but the cluster rejects one patch in its dry run.
    clear_faults(&lab);
    refuse_daemon_sets(&lab);
    let second = plugin(&lab, 1, &hasty);
    assert!(
        second.stderr.lines().any(|line| {
            line.contains("daemonset.apps/castai-kvisor-agent") && line.contains("frozen until Monday")
        }),
        "{}",
        second.stderr
    );
    let expected = ["castai-agent", "hibernate-pause", "hibernate-resume"];
    assert_eq!(rewritten(&lab), expected.map(str::to_owned).into());
    [controller, daemon_set].into_iter().for_each(untouched);

    allow_daemon_sets(&lab);
    let third = plugin(&lab, 1, &hasty);
    assert!(third.stderr.contains(&scanners), "{}", third.stderr);
    assert!(rewritten(&lab).contains("castai-kvisor-agent"));
    untouched(controller);

    let sources = fixture::sources(Fixture::FirstCluster);
    let missing = sources.iter().find(|image| image.repository.ends_with("scanners")).expect("the scanners");
    publish(&lab, &scanners, &missing.recipe);
    plugin(&lab, 0, &hasty);
    assert_eq!(rewritten(&lab).len(), 5);
    wait_until_ready(&lab);
    assert!(plugin(&lab, 0, &hasty).stdout.starts_with("up to date"));

    let all = uploaded_blobs(&lab);
    let once: BTreeSet<_> = all.iter().collect();
    assert!(once.len() > 20, "the uploads are recorded: {all:?}");
    assert_eq!(once.len(), all.len(), "no blob was uploaded twice: {all:?}");
}
