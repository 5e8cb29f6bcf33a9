//! A tenant, who can write to one namespace, attacks an administrator's normal run. Objects in the cluster only select
//! among the names that may be mirrored, and never add a pair of source and destination. See SECURITY.md.

use std::collections::BTreeMap;

use lab::address::OCI_REGISTRY;
use lab::host::Lab;
use lab::registry::image::Recipe;
use serde_json::{Value, json};

use crate::harness::{
    AGENT, ECR, HelmRelease, PATH, add_fault, assert_stderr_contains, castai_images, castai_workloads,
    clear_faults, container_image, define_custom_resource, ecr_digest, ecr_state, kubeconfig_flag, kubectl,
    kubectl_json, own_lab, parse_json, plugin, publish, publish_to, read_json_file, sync, wait_until_ready,
    write_file,
};

const EVIL: &str = "docker.io/evil/web:1.0";

/// A user who can create and change `resources` in the namespace `shop`, and nothing else.
struct Tenant<'l> {
    lab: &'l Lab,
    kubeconfig: String,
}

impl<'l> Tenant<'l> {
    fn new(lab: &'l Lab, resources: &str) -> Self {
        let resources = format!("--resource={resources}");
        kubectl(
            lab,
            &["create", "role", "tenant", "-n", "shop", "--verb=get,create,update,patch", &resources],
        );
        kubectl(lab, &["create", "rolebinding", "tenant", "-n", "shop", "--role=tenant", "--user=tenant"]);
        Self { lab, kubeconfig: kubeconfig_flag(lab, "tenant") }
    }

    fn create(&self, object: &Value) {
        let path = write_file(self.lab, "tenant.json", &object.to_string());
        let path = path.to_str().unwrap();
        let output = self.lab.kubectl(&[&self.kubeconfig, "create", "-f", path]).unwrap();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
    }

    /// Asserts that the tenant has no access to Cast AI's namespace.
    fn is_kept_out(&self) {
        for action in [["patch", "deployments.apps"], ["create", "deployments.apps"], ["get", "secrets"]] {
            let may = [&[&self.kubeconfig, "auth", "can-i"], &action[..], &["-n", "castai-agent"]].concat();
            assert_eq!(self.lab.kubectl(&may).unwrap().stdout.trim(), "no", "{action:?}");
        }
    }
}

/// A Deployment of the tenant without pods, whose annotation names a source of its image.
fn deployment(name: &str, image: &str, recorded: Option<&str>, labels: &Value) -> Value {
    let record = recorded.map(|from| json!({"container/c": {"from": from, "to": image}}).to_string());
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop", "labels": labels,
            "annotations": {"privatelink.cast.ai/images": record.unwrap_or_default()}},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "c", "image": image}]}}},
    })
}

fn workload(lab: &Lab, namespace: &str, name: &str) -> Value {
    let object = kubectl_json(lab, &["get", "-n", namespace, name]);
    json!({"spec": object["spec"], "annotations": object["metadata"]["annotations"]["privatelink.cast.ai/images"]})
}

/// Digests by repository and tag of everything in ECR outside of our path.
fn customers_images(lab: &Lab) -> BTreeMap<(String, String), String> {
    let repositories = ecr_state(lab).repositories.into_iter();
    let others = repositories.filter(|(name, _)| !name.starts_with(&format!("{PATH}/")));
    others
        .flat_map(|(name, existing)| {
            existing
                .tags
                .into_iter()
                .map(move |(tag, digest)| ((name.clone(), tag), digest))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Asserts that every image of Cast AI's components is below our path.
#[track_caller]
fn all_are_private(lab: &Lab) {
    for ((workload, container), image) in castai_images(lab) {
        assert!(image.starts_with(&format!("{ECR}/{PATH}/")), "{workload}/{container}: {image}");
    }
}

#[test]
fn an_annotation_adds_no_source_and_no_destination() {
    let lab = own_lab();
    let tenant = Tenant::new(&lab, "deployments.apps");
    tenant.is_kept_out();
    let evil = publish(&lab, EVIL, &Recipe { size: 20_000, revision: 7, ..Recipe::default() });
    let before = customers_images(&lab);
    assert!(before.contains_key(&("shop/web".to_owned(), "1.0".to_owned())));
    let labels = json!({"helm.sh/chart": "castai-agent-0.161.1", "app.kubernetes.io/managed-by": "castai"});
    let private = |name: &str| format!("{ECR}/{PATH}/{name}");
    let made = [
        deployment("overwrite", &format!("{ECR}/shop/web:1.0"), Some(EVIL), &labels),
        deployment("below", &private("shop/web:1.0"), Some(EVIL), &labels),
        deployment("below-by-rule", &private("docker.io/evil/web:1.0"), Some(EVIL), &labels),
        deployment("existing", &private(&format!("{AGENT}:v0.161.1")), Some(EVIL), &labels),
    ];
    for object in &made {
        tenant.create(object);
    }
    let names = ["overwrite", "below", "below-by-rule"].map(|name| format!("deployment/{name}"));
    let theirs = || names.iter().map(|name| workload(&lab, "shop", name)).collect::<Vec<_>>();
    let (untouched, agent) = (theirs(), private(&format!("{AGENT}:v0.161.1")));

    sync(&lab, 0, &[]);
    assert_eq!(customers_images(&lab), before, "nothing is written outside of our path");
    assert_eq!(theirs(), untouched);
    all_are_private(&lab);
    let state = ecr_state(&lab);
    let has_evil = |existing: &&lab::registry::ecr::state::Repository| existing.images.contains_key(&evil);
    assert_eq!(
        state.repositories.values().filter(has_evil).count(),
        0,
        "the tenant's image is not in the mirror"
    );
    assert_ne!(ecr_digest(&lab, agent.strip_prefix(&format!("{ECR}/")).unwrap()), None);

    // A tag that Cast AI will use: it is mirrored from Cast AI or not at all, and holds back nothing else.
    let next = format!("{AGENT}:v9.9.9");
    tenant.create(&deployment("seed", &private(&next), Some(EVIL), &labels));
    kubectl(
        &lab,
        &["set", "image", "-n", "castai-agent", "cronjob/hibernate-pause", "pauser=castai/hibernate:v0.15"],
    );
    publish(&lab, "docker.io/castai/hibernate:v0.15", &Recipe::default());
    let output = sync(&lab, 1, &[]);
    assert_stderr_contains(&output, &[&format!("error: {next}: ")]);
    assert_eq!(ecr_digest(&lab, &format!("{PATH}/{next}")), None);
    assert_eq!(container_image(&lab, "hibernate-pause", "pauser"), private("castai/hibernate:v0.15"));
    let real = publish(&lab, &next, &Recipe { size: 30_000, ..Recipe::default() });
    sync(&lab, 0, &[]);
    assert_eq!(ecr_digest(&lab, &format!("{PATH}/{next}")), Some(real));
    assert_eq!(customers_images(&lab), before);
}

#[test]
fn labels_releases_resources_and_pending_pods_select_only_known_names() {
    let lab = own_lab();
    define_custom_resource(&lab, "castware.cast.ai", "components", "Component", "Namespaced");
    let tenant = Tenant::new(&lab, "deployments.apps,secrets,components.castware.cast.ai");
    publish(&lab, EVIL, &Recipe { size: 20_000, ..Recipe::default() });
    let alike = "evil.example/us-docker.pkg.dev/castai-hub/agent:v1";
    let labels = json!({"helm.sh/chart": "castai-agent-0.161.1", "app.kubernetes.io/managed-by": "castai"});
    tenant.create(&deployment("labelled", EVIL, None, &labels));
    let mut running = deployment("alike", alike, None, &labels);
    running["spec"]["replicas"] = json!(1);
    running["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/managed-by"] = json!("castai");
    running["spec"]["template"]["spec"]["containers"][0]["name"] = json!("castai-agent");
    tenant.create(&running);
    tenant.create(&json!({"apiVersion": "castware.cast.ai/v1alpha1", "kind": "Component",
        "metadata": {"name": "castai-agent", "namespace": "shop"},
        "spec": {"values": {"image": {"repository": "docker.io/evil/web", "tag": "1.0"}}}}));
    let mut release = HelmRelease::new("shop", "castai-agent", "castai-agent", "0.161.1").with_hook(
        "c",
        EVIL,
        "pre-upgrade",
    );
    release.manifest = running.to_string();
    tenant.create(&release.secret());
    lab.wait_for(&["pods", "-n", "shop", "-l", "app=alike"], std::time::Duration::from_mins(5), |list| {
        let waiting = &list["items"][0]["status"]["containerStatuses"][0]["state"]["waiting"]["reason"];
        waiting == "ImagePullBackOff" || waiting == "ErrImagePull"
    })
    .unwrap();

    let found = parse_json(&plugin(&lab, 0, &["images", "-o", "json", "--explain"]));
    let text = found["images"].to_string();
    assert!(!text.contains("evil"), "{text}");
    let excluded = found["explanation"]["excluded"].to_string();
    assert!(excluded.contains(alike) && excluded.contains(EVIL), "{excluded}");

    let before = customers_images(&lab);
    let theirs = || ["labelled", "alike"].map(|name| workload(&lab, "shop", &format!("deployment/{name}")));
    let untouched = theirs();
    sync(&lab, 0, &[]);
    all_are_private(&lab);
    assert_eq!((customers_images(&lab), theirs()), (before, untouched));
    assert!(ecr_state(&lab).repositories.keys().all(|name| !name.contains("evil")));
}

/// The name of a Cast AI image with a digest that the tenant chose: both are mirrored, and neither blocks the other.
#[test]
fn a_digest_pinned_by_a_tenant_moves_no_tag_and_blocks_no_workload() {
    let lab = own_lab();
    let tenant = Tenant::new(&lab, "deployments.apps");
    let recipe = |revision| Recipe { size: 20_000, revision, ..Recipe::default() };
    let old = publish(&lab, &format!("{AGENT}:v0.161.1"), &recipe(1));
    let new = publish(&lab, &format!("{AGENT}:v0.161.1"), &recipe(2));
    let pinned = format!("{AGENT}:v0.161.1@{old}");
    tenant.create(&deployment("pinned", &pinned, None, &json!({})));
    sync(&lab, 0, &[]);
    all_are_private(&lab);
    let tag = |tag: &str| ecr_digest(&lab, &format!("{PATH}/{AGENT}:{tag}"));
    assert_eq!(tag("v0.161.1"), Some(new));
    let own = format!("digest-{}", &old["sha256:".len()..][..12]);
    assert_eq!(tag(&own), Some(old));
    let named = workload(&lab, "shop", "deployment/pinned");
    let image = &named["spec"]["template"]["spec"]["containers"][0]["image"];
    assert_eq!(*image, format!("{ECR}/{PATH}/{pinned}"));
    let again = sync(&lab, 0, &[]);
    assert!(again.stdout.starts_with("up to date"), "{}", again.stdout);
    let report = parse_json(&plugin(&lab, 0, &["status", "-o", "json"]));
    let state = report["images"].as_array().unwrap().iter().find(|one| one["place"]["name"] == "pinned");
    assert_eq!(state.unwrap()["state"]["type"], "mirrored");
}

/// An unknown sidecar in Cast AI's own namespace is mirrored without a flag. The customer's copies of public images are
/// not changed.
#[test]
fn unknown_images_are_mirrored_below_our_path_and_marked() {
    let lab = own_lab();
    let (tool, proxy) = ("bitnami/kubectl:1.30", "docker.io/acme/proxy:1");
    publish(&lab, &format!("docker.io/{tool}"), &Recipe { size: 20_000, ..Recipe::default() });
    publish(&lab, proxy, &Recipe { size: 20_000, ..Recipe::default() });
    publish_to(&lab, "ecr", tool, &Recipe { size: 25_000, revision: 9, ..Recipe::default() });
    let before = customers_images(&lab);
    let containers = json!([{"name": "tool", "image": tool}, {"name": "proxy", "image": proxy}]);
    let patch = json!({"spec": {"template": {"spec": {"containers": containers}}}}).to_string();
    kubectl(&lab, &["patch", "-n", "castai-agent", "deployment/castai-agent", "-p", &patch]);

    let plan = plugin(&lab, 0, &["sync-images", "--dry-run"]);
    let line = |name: &str| plan.stdout.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(line(proxy).ends_with("to copy, unknown provenance"), "{}", plan.stdout);
    assert!(line(tool).ends_with("to copy"), "{}", plan.stdout);
    let plan = parse_json(&plugin(&lab, 0, &["sync-images", "--dry-run", "-o", "json"]));
    let images = plan["destinations"][0]["images"].as_array().unwrap();
    let origin = |name: &str| &images.iter().find(|image| image["source"] == name).unwrap()["provenance"];
    assert_eq!((origin(proxy), origin(tool)), (&json!("unknown"), &json!("known")));

    sync(&lab, 0, &[]);
    wait_until_ready(&lab);
    assert_eq!(container_image(&lab, "castai-agent", "proxy"), format!("{ECR}/{PATH}/{proxy}"));
    assert_eq!(container_image(&lab, "castai-agent", "tool"), format!("{ECR}/{PATH}/{tool}"));
    assert_eq!(customers_images(&lab), before);
    let again = sync(&lab, 0, &[]);
    assert!(again.stdout.starts_with("up to date"), "{}", again.stdout);
}

#[test]
fn with_registry_a_tag_moves_only_with_replace() {
    let lab = own_lab();
    let tool = "bitnami/kubectl:1.30";
    let public = publish(&lab, &format!("docker.io/{tool}"), &Recipe { size: 20_000, ..Recipe::default() });
    publish_to(&lab, "ecr", tool, &Recipe { size: 25_000, revision: 9, ..Recipe::default() });
    let patched = ecr_digest(&lab, tool).unwrap();
    let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "tool", "image": tool}]}}}});
    kubectl(&lab, &["patch", "-n", "castai-agent", "deployment/castai-agent", "-p", &patch.to_string()]);
    let registry = format!("--registry={ECR}");

    let refused = sync(&lab, 1, &[&registry]);
    assert_stderr_contains(&refused, &[&patched, &public, "add --replace bitnami/kubectl "]);
    assert_eq!(ecr_digest(&lab, tool), Some(patched.clone()));
    assert_eq!(container_image(&lab, "castai-agent", "tool"), tool, "the workload is held back");
    assert!(ecr_digest(&lab, "castai/hibernate:v0.14").is_some(), "the others are rewritten");
    let other = sync(&lab, 1, &[&registry, "--replace=castai/hibernate"]);
    assert_stderr_contains(&other, &["add --replace bitnami/kubectl "]);

    let arguments = ["sync-images", "--dry-run", &registry, "--replace=bitnami/kubectl"];
    let plan = plugin(&lab, 0, &arguments);
    assert!(
        plan.stdout.lines().any(|line| line.starts_with(tool) && line.ends_with("to replace")),
        "{}",
        plan.stdout
    );
    let plan = parse_json(&plugin(&lab, 0, &[&arguments[..], &["-o", "json"]].concat()));
    let images = plan["destinations"][0]["images"].as_array().unwrap();
    let step = &images.iter().find(|image| image["source"] == tool).unwrap()["step"];
    assert_eq!((&step["type"], &step["replaces"]), (&json!("replace"), &json!(patched)));

    let done = sync(&lab, 0, &[&registry, &format!("--replace={ECR}/bitnami/kubectl")]);
    assert!(
        done.stdout.lines().any(|line| line.starts_with(tool) && line.ends_with("replaced")),
        "{}",
        done.stdout
    );
    assert_eq!(ecr_digest(&lab, tool), Some(public));
    wait_until_ready(&lab);
    assert_eq!(container_image(&lab, "castai-agent", "tool"), format!("{ECR}/{tool}"));
}

/// Some registries respond to HEAD with 404 for existing tags.
#[test]
fn a_tag_that_only_get_requests_show_is_not_moved() {
    let lab = own_lab();
    let recipe = Recipe { size: 25_000, revision: 9, ..Recipe::default() };
    let existing = &publish_to(&lab, "oci", "castai/hibernate:v0.14", &recipe);
    let action = json!({"kind": "status", "status": 404});
    add_fault(&lab, "oci", &json!({"method": "HEAD", "path": "/manifests/", "action": action}));
    let registry = ["--no-rewrite", "--registry", OCI_REGISTRY.0];
    assert_stderr_contains(&sync(&lab, 1, &registry), &[existing, "add --replace castai/hibernate "]);
    clear_faults(&lab);
    assert_stderr_contains(&sync(&lab, 1, &registry), &[existing, "add --replace castai/hibernate "]);
}

#[test]
fn invalid_locks_and_plans_are_rejected_and_the_entry_is_named() {
    let lab = own_lab();
    plugin(&lab, 0, &["sync-images", "--dry-run", "--plan", "plan.json"]);
    sync(&lab, 0, &["--no-rewrite", "--lock", "lock.json"]);
    let before = castai_workloads(&lab);
    let (lock, plan) = (read_json_file(&lab, "lock.json"), read_json_file(&lab, "plan.json"));
    let changed = |value: &Value, pointer: &str, new: Value| {
        let mut value = value.clone();
        *value.pointer_mut(pointer).unwrap() = new;
        value.to_string()
    };
    let image = "/destinations/0/images/0";
    let evil = json!(format!("{ECR}/shop/web:1.0"));
    let cases = [
        (&lock, "Lock", format!("{image}/destination"), evil.clone(), "shop/web:1.0: it is outside of"),
        (&lock, "Lock", format!("{image}/source"), json!("evil/web:1.0"), "unexpected name of evil/web:1.0"),
        (&lock, "Lock", format!("{image}/digest"), json!("sha256:xyz"), "invalid file lock.json"),
        (&plan, "Plan", format!("{image}/destination"), evil, "shop/web:1.0: it is outside of"),
        (&plan, "Plan", format!("{image}/source"), json!("evil/web:1.0"), "unexpected name of evil/web:1.0"),
    ];
    for (value, kind, pointer, new, expected) in cases {
        let (name, arguments) = match kind {
            "Lock" => ("lock.json", ["--no-mirror", "--lock=lock.json", "--yes"]),
            _ => ("plan.json", ["--no-discover", "--plan=plan.json", "--yes"]),
        };
        write_file(&lab, name, &changed(value, &pointer, new));
        let refused = plugin(&lab, 2, &[&["sync-images"], &arguments[..]].concat());
        assert_stderr_contains(&refused, &[name, expected]);
    }
    assert_eq!(castai_workloads(&lab), before);
    assert!(ecr_state(&lab).repositories.keys().all(|name| !name.contains("evil")));
}
