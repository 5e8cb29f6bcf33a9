mod inventory;

use std::collections::BTreeSet;

use super::*;
use crate::castai::built_in;
use crate::cluster::release::{Chart, Hook, ReleaseName};
use crate::model::inventory::WorkloadName;
use crate::model::knowledge::Knowledge;
use crate::model::record::ANNOTATION;
use crate::model::workload::ControllerReference;

const GAR: &str = "us-docker.pkg.dev/castai-hub/library";

fn workload(kind: WorkloadKind, namespace: &str, pod: &serde_json::Value) -> Workload {
    Workload {
        has_ended: false,
        replicas: None,
        managers: Vec::new(),
        name: WorkloadName {
            cluster: "c".to_owned(),
            namespace: namespace.to_owned(),
            kind,
            name: "w".to_owned(),
        },
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        controller: None,
        pod: serde_json::from_value(serde_json::json!({"spec": pod})).unwrap(),
    }
}

fn container(name: &str, image: &str) -> serde_json::Value {
    serde_json::json!({"name": name, "image": image})
}

/// Image, image field, reason and why it is not rewritable, for everything that is included.
fn seen(workload: &Workload) -> Vec<(String, String, String, Option<String>)> {
    let (uses, _) = uses(workload, &ImageFilter::default());
    uses.into_iter()
        .map(|(image, used_by)| {
            (
                image.to_string(),
                used_by.image_field.to_string(),
                used_by.reason.to_string(),
                used_by.not_rewritable,
            )
        })
        .collect()
}

#[test]
fn a_namespace_of_cast_ai_is_included_as_a_whole() {
    let pod = serde_json::json!({
        "initContainers": [container("gpu", "nvcr.io/x/y:1")],
        "containers": [container("agent", &format!("{GAR}/agent:v1"))],
    });
    let reason = "in Cast AI namespace castai-agent".to_owned();
    assert_eq!(
        seen(&workload(WorkloadKind::DaemonSet, "castai-agent", &pod)),
        [
            ("nvcr.io/x/y:1".to_owned(), "init/gpu".to_owned(), reason.clone(), None),
            (format!("{GAR}/agent:v1"), "container/agent".to_owned(), reason, None),
        ]
    );
}

#[test]
fn elsewhere_only_cast_ai_images_are_included() {
    let behind = |registry: &str| format!("{registry}/castai-privatelink/{GAR}/x:1");
    let own = "123456789012.dkr.ecr.us-east-1.amazonaws.com";
    let pod = serde_json::json!({"containers": [
        container("app", "shop/web:1"),
        container("sidecar", &format!("{GAR}/x:1")),
        container("alike", &format!("evil.example/{GAR}/x:1")),
        container("foreign", &behind("210987654321.dkr.ecr.us-east-1.amazonaws.com")),
        container("mirrored", &behind(own)),
        container("tool", "alpine/k8s:1.33.12"),
    ]});
    let mut workload = workload(WorkloadKind::Deployment, "shop", &pod);
    let mirror = format!("{own}/castai-privatelink").parse().unwrap();
    let filter = ImageFilter::default().below(vec![mirror]);
    let included = |workload: &Workload| -> Vec<String> {
        let (uses, _) = uses(workload, &filter);
        uses.into_iter().map(|(_, used_by)| used_by.image_field.to_string()).collect()
    };
    assert_eq!(included(&workload), ["container/sidecar", "container/mirrored"]);
    // A label selects only names that Cast AI is known to use; the user's own labels and charts do not extend that.
    workload.labels.insert("helm.sh/chart".to_owned(), "castai-evictor-0.35.143".to_owned());
    assert_eq!(included(&workload), ["container/sidecar", "container/mirrored", "container/tool"]);
    workload.name.namespace = "castai-agent".to_owned();
    assert_eq!(included(&workload).len(), 6, "a namespace of Cast AI is included as a whole");
}

#[test]
fn a_record_counts_if_its_source_may_be_mirrored() {
    let pod = serde_json::json!({"containers": [container("app", "registry.example/flat:1")]});
    for (namespace, from, to, source) in [
        ("shop", "castai/x:1", "registry.example/flat:1", Some("castai/x:1")),
        ("shop", "castai/x:0", "registry.example/flat:0", Some("castai/x:1")),
        ("shop", "castai/x:1", "registry.example/other:1", None),
        ("shop", "evil.example/x:1", "registry.example/flat:1", None),
        ("shop", "evil.example/castai/x:1", "registry.example/flat:1", None),
    ] {
        let mut workload = workload(WorkloadKind::Deployment, namespace, &pod.clone());
        let record = serde_json::json!({"container/app": {"from": from, "to": to}}).to_string();
        workload.annotations.insert(ANNOTATION.to_owned(), record);
        let (uses, _) = uses(&workload, &ImageFilter::default());
        let sources: Vec<_> =
            uses.iter().map(|(_, used_by)| used_by.recorded_source.as_ref().map(Image::as_written)).collect();
        assert_eq!(sources, source.map(|source| vec![Some(source)]).unwrap_or_default(), "{from} {to}");
    }
}

#[test]
fn variables_and_derived_images_come_with_their_container() {
    let controller = "ghcr.io/castai/kvisor/kvisor-controller:v1";
    let pod = serde_json::json!({"containers": [
        container("controller", controller),
        {"name": "woop", "image": format!("{GAR}/workload-autoscaler:1"), "env": [
            {"name": "JMX_EXPORTER_INIT_IMAGE", "value": "ghcr.io/castai/jmx:1"},
            {"name": "AGENT_IMAGE", "value": "v0.21.0"},
        ]},
        {"name": "other", "image": "shop/web:1", "env": [{"name": "SCANNERS_IMAGE", "value": "shop/scanner:1"}]},
    ]});
    let image_fields: Vec<_> = seen(&workload(WorkloadKind::Deployment, "shop", &pod))
        .into_iter()
        .map(|(image, image_field, ..)| (image, image_field))
        .collect();
    let expected = [
        ("ghcr.io/castai/kvisor/kvisor-scanners:v1", "derived/controller/kvisor-scanners"),
        (controller, "container/controller"),
        ("ghcr.io/castai/jmx:1", "env/woop/JMX_EXPORTER_INIT_IMAGE"),
        ("us-docker.pkg.dev/castai-hub/library/workload-autoscaler:1", "container/woop"),
    ];
    assert_eq!(image_fields, expected.map(|(image, image_field)| (image.to_owned(), image_field.to_owned())));
}

#[test]
fn our_variable_sets_the_scanners_repository_and_not_their_version() {
    let source = "ghcr.io/castai/kvisor/kvisor-controller:v1";
    let env = serde_json::json!([{"name": "SCANNERS_IMAGE", "value": "e.example/scan:v1"}]);
    for (image, value, expected) in [
        (
            "e.example/kvisor:v1",
            "e.example/scan:v1",
            ("e.example/scan:v1", "derived/controller/kvisor-scanners"),
        ),
        // An upgrade to a private name that the variable does not follow yet.
        (
            "e.example/kvisor:v2",
            "e.example/scan:v1",
            ("e.example/scan:v2", "derived/controller/kvisor-scanners"),
        ),
        // Another client has set it since.
        ("e.example/kvisor:v1", "e.example/scan:v0", ("e.example/scan:v1", "env/controller/SCANNERS_IMAGE")),
    ] {
        let pod = serde_json::json!({"containers": [{"name": "controller", "image": image, "env": env}]});
        let mut workload = workload(WorkloadKind::Deployment, "castai-agent", &pod);
        let records = serde_json::json!({
            "container/controller": {"from": source, "to": "e.example/kvisor:v1"},
            "env/controller/SCANNERS_IMAGE": {"to": value},
        });
        workload.annotations.insert(ANNOTATION.to_owned(), records.to_string());
        let seen: Vec<_> =
            seen(&workload).into_iter().map(|(image, image_field, ..)| (image, image_field)).collect();
        let expected = [expected, (image, "container/controller")];
        assert_eq!(seen, expected.map(|(image, image_field)| (image.to_owned(), image_field.to_owned())));
    }
}

#[test]
fn fields_of_a_container_follow_its_filter_result() {
    let pod = serde_json::json!({"containers": [
        container("controller", "ghcr.io/castai/kvisor/kvisor-controller:v1"),
        {"name": "woop", "image": format!("{GAR}/workload-autoscaler:1"), "env": [
            {"name": "JMX_EXPORTER_INIT_IMAGE", "value": "ghcr.io/castai/jmx:1"},
        ]},
    ]});
    let workload = workload(WorkloadKind::Deployment, "shop", &pod);
    let (controller, woop) = (
        ["derived/controller/kvisor-scanners", "container/controller"],
        ["env/woop/JMX_EXPORTER_INIT_IMAGE", "container/woop"],
    );
    let cases: [(&[&str], &[&str], &[&str]); 4] = [
        (&["*kvisor-controller*"], &[], &controller),
        (&["*workload-autoscaler*"], &[], &woop),
        (&["*kvisor-scanners*", "*jmx*"], &[], &[]),
        (&["*kvisor*"], &["*-scanners:*"], &controller),
    ];
    for (only, exclude, expected) in cases {
        let owned = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect::<Vec<_>>();
        let filter = ImageFilter::new(&owned(only), &owned(exclude)).unwrap();
        let included: Vec<_> = uses(&workload, &filter)
            .0
            .into_iter()
            .map(|(_, used_by)| used_by.image_field.to_string())
            .collect();
        assert_eq!(included, expected, "{only:?} {exclude:?}");
    }
}

#[test]
fn fields_that_cannot_be_patched_have_a_reason() {
    let pod = || serde_json::json!({"containers": [container("x", &format!("{GAR}/x:1"))]});
    let rollout = Some(ControllerReference {
        api_version: "argoproj.io/v1alpha1".to_owned(),
        kind: "Rollout".to_owned(),
        name: "x".to_owned(),
    });
    let cases = [
        (WorkloadKind::Job, None, Some("Jobs are immutable")),
        (
            WorkloadKind::ReplicaSet,
            rollout.clone(),
            Some("owned by Rollout x (argoproj.io): change it there"),
        ),
        (WorkloadKind::Deployment, rollout, None),
        (WorkloadKind::Pod, None, None),
    ];
    for (kind, owner, expected) in cases {
        let mut workload = workload(kind, "castai-agent", &pod());
        workload.controller = owner;
        assert_eq!(seen(&workload)[0].3.as_deref(), expected, "{kind:?}");
    }
}

#[test]
fn filters_match_written_recorded_and_source_names() {
    let filter = |only: &[&str], exclude: &[&str]| {
        let owned = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect::<Vec<_>>();
        ImageFilter::new(&owned(only), &owned(exclude))
    };
    let image: Image = format!("{GAR}/agent:v1").parse().unwrap();
    assert!(filter(&["*/agent:*"], &[]).unwrap().admits(&image, None));
    assert!(!filter(&["*kvisor*"], &[]).unwrap().admits(&image, None));
    assert!(!filter(&[], &["us-docker.pkg.dev/*"]).unwrap().admits(&image, None));
    let mirrored: Image = format!("registry.example/prefix/{image}").parse().unwrap();
    let below = |filter: ImageFilter| filter.below(vec!["registry.example/prefix".parse().unwrap()]);
    assert!(below(filter(&["us-docker.pkg.dev/*"], &[]).unwrap()).admits(&mirrored, None));
    assert!(!below(filter(&[], &["us-docker.pkg.dev/*"]).unwrap()).admits(&mirrored, None));
    assert!(!filter(&["us-docker.pkg.dev/*"], &[]).unwrap().admits(&mirrored, None), "of another registry");
    let flat: Image = "registry.example/flat:v1".parse().unwrap();
    assert!(!filter(&["us-docker.pkg.dev/*"], &[]).unwrap().admits(&flat, None));
    assert!(filter(&["us-docker.pkg.dev/*"], &[]).unwrap().admits(&flat, Some(&image)));
    assert!(filter(&["["], &[]).is_err());
}

#[test]
fn a_pods_variable_is_not_rewritable_but_its_image_is() {
    let pod = serde_json::json!({"containers": [{"name": "a", "image": format!("{GAR}/workload-autoscaler:1"), "env": [
        {"name": "JMX_EXPORTER_INIT_IMAGE", "value": "ghcr.io/castai/jmx:1"},
    ]}]});
    let not_rewritable: Vec<_> = seen(&workload(WorkloadKind::Pod, "shop", &pod))
        .into_iter()
        .map(|(_, image_field, _, not_rewritable)| (image_field, not_rewritable))
        .collect();
    assert_eq!(not_rewritable[0].1.as_deref(), Some("environment variables of a pod are immutable"));
    assert_eq!(not_rewritable[1], ("container/a".to_owned(), None));
}

#[test]
fn releases_of_cast_ais_charts_are_included_with_their_hooks() {
    let deployment = |image: &str| {
        format!(
            "kind: Deployment\nmetadata: {{name: d}}\nspec: {{template: {{spec: {{containers: [{{name: c, image: {image}}}]}}}}}}\n"
        )
    };
    let hook = "kind: Job\nmetadata: {name: h}\nspec: {template: {spec: {containers: [{name: k, image: rancher/kubectl:v1}]}}}\n";
    let release = |chart: &str, manifest: String, hooks: &[&str]| Release {
        name: ReleaseName {
            cluster: "c".to_owned(),
            namespace: "castai-agent".to_owned(),
            name: "r".to_owned(),
        },
        chart: Chart { name: chart.to_owned(), version: "1.0.0".to_owned() },
        manifest,
        hooks: hooks
            .iter()
            .map(|hook| Hook { path: format!("{chart}/templates/hook.yaml"), manifest: (*hook).to_owned() })
            .collect(),
        set: BTreeSet::new(),
    };
    let releases = [
        release(
            "castai-evictor",
            format!("---\nkind: Service\n---\n{}", deployment("e.example/flat:v1")),
            &[hook],
        ),
        release("castaways", deployment("shop/web:1"), &[]),
        release("castai-broken", "kind: [".to_owned(), &[]),
    ];
    // A record on a workload also applies to the same image in a release.
    let pod = serde_json::json!({"containers": [container("c", "e.example/flat:v1")]});
    let mut rewritten = workload(WorkloadKind::Deployment, "castai-agent", &pod);
    let record = serde_json::json!({"container/c": {"from": "castai/x:v1", "to": "e.example/flat:v1"}});
    rewritten.annotations.insert(ANNOTATION.to_owned(), record.to_string());
    let found = Found { workloads: &[rewritten], releases: &releases, ..Found::default() };
    let inventory =
        discover(Vec::new(), &[found], &ImageFilter::default(), Vec::new(), Timestamp::UNIX_EPOCH);
    let names: Vec<_> = inventory.images.iter().map(|wanted| wanted.image.as_written()).collect();
    assert_eq!(names, ["e.example/flat:v1", "rancher/kubectl:v1"]);
    let [flat, hook] = inventory.images.as_slice() else { panic!("{names:?}") };
    let sources: Vec<_> =
        flat.used_by.iter().map(|used_by| used_by.recorded_source.as_ref().map(Image::as_written)).collect();
    assert_eq!(sources, [Some("castai/x:v1"); 2]);
    assert_eq!(hook.used_by[0].reason.to_string(), "hook of castai-evictor-1.0.0");
    assert!(
        inventory.notes[0].contains("Helm release r in namespace castai-agent: document 1"),
        "{:?}",
        inventory.notes
    );
}

#[test]
fn only_possible_releases_of_cast_ai_are_read() {
    let pod = |image: &str| serde_json::json!({"containers": [container("c", image)]});
    let of_release = |image: &str, release: &str| {
        let mut workload = workload(WorkloadKind::Deployment, "tools", &pod(image));
        for (name, value) in [("name", release), ("namespace", "tools")] {
            workload.annotations.insert(format!("meta.helm.sh/release-{name}"), value.to_owned());
        }
        workload
    };
    let workloads = [of_release("castai/x:1", "autoscaling"), of_release("shop/web:1", "shop")];
    let cases = [
        ("castai-agent", "anything", true),
        ("default", "castai", true),
        ("default", "egressd", true),
        ("tools", "autoscaling", true),
        ("tools", "shop", false),
        ("other", "autoscaling", false),
        ("default", "castaways", false),
    ];
    assert_eq!(release_namespaces(&workloads, &ImageFilter::default()), ["tools".to_owned()].into());
    for (namespace, release, expected) in cases {
        assert_eq!(
            is_release_wanted(
                &releases_of(&workloads, &ImageFilter::default()),
                &Knowledge::default(),
                namespace,
                release
            ),
            expected,
            "{namespace}/{release}"
        );
    }
}

#[test]
fn custom_resources_of_cast_ai_are_included_but_not_rewritten() {
    let all = built_in().custom_resources();
    let definition = all.into_iter().find(|definition| definition.kind == "Component").unwrap();
    let values = serde_json::json!({"image": {"repository": format!("{GAR}/agent"), "tag": "v2"}});
    let resource = Resource {
        cluster: "c".to_owned(),
        namespace: "castai-agent".to_owned(),
        definition: definition.clone(),
        name: "castai-agent".to_owned(),
        content: serde_json::json!({"spec": {"values": values}}),
    };
    let strange = Resource {
        namespace: "shop".to_owned(),
        content: serde_json::json!({"spec": {"values": {"image": "evil.example/x:1", "toolImage": "alpine/k8s:1"}}}),
        ..resource.clone()
    };
    let found = Found { resources: &[strange], ..Found::default() };
    let inventory =
        discover(Vec::new(), &[found], &ImageFilter::default(), Vec::new(), Timestamp::UNIX_EPOCH);
    let names: Vec<_> = inventory.images.iter().map(|wanted| wanted.image.as_written()).collect();
    assert_eq!(names, ["alpine/k8s:1"]);
    let found = Found { resources: &[resource], ..Found::default() };
    let inventory =
        discover(Vec::new(), &[found], &ImageFilter::default(), Vec::new(), Timestamp::UNIX_EPOCH);
    let used_by = &inventory.images[0].used_by[0];
    assert_eq!(inventory.images[0].image.as_written(), format!("{GAR}/agent:v2"));
    assert_eq!(used_by.reason.to_string(), "in a component.castware.cast.ai");
    assert_eq!(used_by.image_field.to_string(), "field/spec/values/image");
    assert!(used_by.not_rewritable.is_some());
}
