//! Whether a name belongs to Cast AI: an image, namespace, chart, label, variable or workload.
//!
//! All lookups are methods of [`Knowledge`]: our records, and the user's additions.

use std::collections::BTreeMap;

use super::records::built_in;
use crate::model::image::Image;
use crate::model::image_field::Variables;
use crate::model::knowledge::{Knowledge, OtherVariable, Upgrader};

impl Knowledge {
    /// Namespaces that only Cast AI uses, sorted.
    pub fn all_namespaces(&self) -> Vec<&str> {
        let mut all: Vec<_> = self.all().flat_map(|known| &known.namespaces).map(String::as_str).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    pub fn is_namespace(&self, namespace: &str) -> bool {
        self.all().any(|known| known.namespaces.iter().any(|name| name == namespace))
    }

    /// Repository prefixes of Cast AI's own images, ours in every spelling.
    pub fn prefixes(&self) -> impl Iterator<Item = &str> {
        self.all().flat_map(|known| &known.image_prefixes).map(String::as_str)
    }

    /// The same, each up to a slash, those that the user added in every spelling too.
    pub fn prefix_spellings(&self) -> Vec<String> {
        let added = self.image_prefixes.iter().flat_map(|prefix| {
            let name = without_docker_hub(prefix).trim_end_matches('/');
            let hosts: &[&str] = if has_host(name) { &[""] } else { &["", "docker.io/", "index.docker.io/"] };
            hosts.iter().map(move |host| format!("{host}{name}/"))
        });
        built_in().prefixes().map(str::to_owned).chain(added).collect()
    }

    /// The prefix that makes an image Cast AI's. A name that only contains a prefix belongs to another registry.
    pub fn image_prefix(&self, image: &Image) -> Option<&str> {
        let mut ours = built_in().prefixes();
        ours.find(|prefix| image.repository().starts_with(prefix)).or_else(|| {
            let mut added = self.image_prefixes.iter().map(String::as_str);
            added.find(|prefix| begins(image, prefix))
        })
    }

    /// Whether an image looks like a mirrored image of Cast AI. Anyone can choose such a name: it helps to recognise
    /// components, but proves nothing about the content.
    pub fn looks_mirrored(&self, image: &Image) -> bool {
        let mut hosted = self.prefixes().filter(|prefix| has_host(without_docker_hub(prefix)));
        hosted.any(|prefix| image.repository().contains(&format!("/{}/", prefix.trim_end_matches('/'))))
    }

    /// Whether Cast AI is known to use images of this name. Only such a name may be translated back from a mirror to
    /// its source, because anyone can publish the others.
    pub fn knows(&self, image: &Image) -> bool {
        let name = without_docker_hub(image.repository());
        let is_listed = |known: &Self| {
            known.repositories.iter().any(|repository| without_docker_hub(repository) == name)
                || known.images.iter().any(|image| without_docker_hub(image.repository()) == name)
        };
        self.image_prefix(image).is_some() || self.all().any(is_listed)
    }

    /// The repository of a component's main image.
    pub fn repository_of(&self, component: &str) -> Option<&str> {
        let known = self.all().find(|known| known.component == component)?;
        known.repositories.first().map(String::as_str)
    }

    /// Repositories of others that Cast AI's charts and hooks use, or that the user named.
    pub fn repositories_of_others(&self) -> impl Iterator<Item = &str> {
        let all = self.all().flat_map(|known| {
            let named = known.images.iter().map(Image::repository);
            known.repositories.iter().map(String::as_str).chain(named)
        });
        all.filter(|repository| !repository.parse().is_ok_and(|image| self.image_prefix(&image).is_some()))
    }

    /// The chart in a `helm.sh/chart` label, if it is one of Cast AI's.
    pub fn chart<'l>(&self, label: &'l str) -> Option<&'l str> {
        self.all().any(|known| is_of(&known.charts, label)).then_some(label)
    }

    /// The label, as `key=value`, that selects a workload with `labels` as a whole.
    pub fn label(&self, labels: &BTreeMap<String, String>) -> Option<String> {
        self.all().find_map(|known| first_match(&known.labels, labels))
    }

    /// The label, as `key=value`, that a component sets on pods that it starts.
    pub fn started_label(&self, labels: &BTreeMap<String, String>) -> Option<String> {
        self.all().find_map(|known| first_match(&known.started_labels, labels))
    }

    /// Whether Cast AI injects containers of this name into other pods.
    pub fn adds_container(&self, name: &str) -> bool {
        self.all().any(|known| known.added_containers.iter().any(|start| name.starts_with(start)))
    }

    /// Variables whose values are images: ours, then the user's.
    pub fn image_variables(&self) -> Variables {
        self.all().flat_map(|known| &known.variables).map(String::as_str).collect()
    }

    /// A variable whose name suggests that it holds an image.
    pub fn other_variable(&self, name: &str) -> Option<&OtherVariable> {
        self.all().flat_map(|known| &known.other_variables).find(|variable| variable.name == name)
    }

    /// The component that patches a third-party workload, if any. `workload` is written `Kind/name`.
    pub fn patched_by(&self, namespace: &str, workload: &str) -> Option<&str> {
        let is_patched = |known: &&Self| {
            known.patches.iter().any(|other| other.namespace == namespace && other.workload == workload)
        };
        self.all().find(is_patched).map(|known| known.component.as_str())
    }

    /// The component that names its workloads like this one, although neither labels nor images identify them. Anyone
    /// may use such a name.
    pub fn component_named(&self, kind: &str, name: &str) -> Option<&str> {
        let is_meant = |workload: &String| {
            workload.split_once('/').is_some_and(|(of, part)| of == kind && name.contains(part))
        };
        let known = self.all().find(|known| known.workloads.iter().any(is_meant))?;
        Some(&known.component)
    }

    /// How this workload upgrades Helm releases, if it does, with the component's name.
    pub fn upgrader(&self, kind: &str, name: &str) -> Option<(&str, &Upgrader)> {
        let is_meant = |upgrader: &Upgrader| {
            upgrader.workload.split_once('/').is_some_and(|(of, part)| of == kind && name.contains(part))
        };
        let mut all = self.all().flat_map(|known| known.upgraders.iter().map(|one| (&*known.component, one)));
        all.find(|(_, upgrader)| is_meant(upgrader))
    }

    /// The component that uses a field manager of this name.
    pub fn field_manager(&self, name: &str) -> Option<&str> {
        let mut all = self.all().flat_map(|known| &known.field_managers);
        all.find(|(start, _)| name.starts_with(start.as_str())).map(|(_, whose)| whose.as_str())
    }

    /// Position of a workload of this name in the rollout: higher is later, 0 if it does not matter.
    pub fn rollout_order(&self, workload: &str) -> u8 {
        let all = self.all().flat_map(|known| &known.rollout_order);
        let meant =
            all.filter(|(name, _)| workload.starts_with(name.as_str()) || workload.ends_with(name.as_str()));
        meant.map(|(_, order)| *order).max().unwrap_or_default()
    }

    /// Whether castware-operator's component of this name installs `chart`: a chart of the same name, with or without
    /// Cast AI's prefix, or the chart of that component's record (castai/castware-operator
    /// `api/v1alpha1/component_types.go`; castai/helm-charts `charts/castai-umbrella`).
    pub fn installs(&self, component: &str, chart: &str) -> bool {
        fn short(name: &str) -> &str {
            name.strip_prefix("castai-").unwrap_or(name)
        }
        let is_record = |known: &Self| {
            !known.component.is_empty()
                && short(&known.component) == short(component)
                && known.charts.iter().any(|name| name == chart)
        };
        chart == component
            || chart.strip_prefix("castai-") == Some(short(component))
            || self.all().any(is_record)
    }
}

impl Upgrader {
    /// Whether it upgrades releases of the chart in a `helm.sh/chart` label.
    pub fn upgrades(&self, label: &str) -> bool {
        is_of(&self.charts, label)
    }
}

/// Whether a label's chart is one of `charts`, or one of them followed by a hyphen and a suffix.
fn is_of(charts: &[String], label: &str) -> bool {
    let mut rest = charts.iter().filter_map(|chart| label.strip_prefix(chart.as_str()));
    rest.any(|rest| rest.starts_with('-'))
}

/// The first of `wanted` that is in `labels`, as `key=value`.
fn first_match(wanted: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> Option<String> {
    let (key, value) = wanted.iter().find(|(key, value)| labels.get(*key) == Some(value))?;
    Some(format!("{key}={value}"))
}

/// A repository without Docker Hub's host, which is optional and has two spellings.
fn without_docker_hub(repository: &str) -> &str {
    ["docker.io/", "index.docker.io/"]
        .iter()
        .find_map(|host| repository.strip_prefix(host))
        .filter(|rest| !has_host(rest))
        .unwrap_or(repository)
}

/// Whether the first segment of a repository is a registry host.
fn has_host(repository: &str) -> bool {
    repository.split('/').next().is_some_and(|first| first.contains(['.', ':']))
}

/// Whether the repository begins with `prefix`, in whole segments.
fn begins(image: &Image, prefix: &str) -> bool {
    let rest =
        without_docker_hub(image.repository()).strip_prefix(without_docker_hub(prefix).trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The chart's name in a `helm.sh/chart` label, without the version.
pub fn chart_name(label: &str) -> &str {
    let is_version = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
    let version = label.match_indices('-').find(|(hyphen, _)| is_version(&label[hyphen + 1..]));
    version.map_or(label, |(hyphen, _)| &label[..hyphen])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn image(text: &str) -> Image {
        text.parse().unwrap()
    }

    #[test]
    fn cast_ai_images_are_recognised_by_prefix() {
        let cases = [
            ("us-docker.pkg.dev/castai-hub/library/agent:v1", true),
            ("ghcr.io/castai/kvisor/kvisor-agent:v1", true),
            ("castai/hibernate:v0.14", true),
            ("docker.io/castai/hibernate:v0.14", true),
            ("123456789012.dkr.ecr.us-east-1.amazonaws.com/ghcr.io/castai/kvisor/kvisor-agent:v1", false),
            ("evil.example/us-docker.pkg.dev/castai-hub/agent:v1", false),
            ("ghcr.io/acme/castai/thing:1", false),
            ("123456789012.dkr.ecr.us-east-1.amazonaws.com/castai-dashboards:1", false),
            ("us-docker.pkg.dev/castai-hubble/x:1", false),
            ("nginx:1.27", false),
        ];
        for (text, expected) in cases {
            assert_eq!(built_in().image_prefix(&image(text)).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn only_known_names_are_translated_back() {
        for known in
            ["castai/hibernate:1", "docker.io/alpine/k8s:1.33.12", "registry.k8s.io/cpa/cpvpa:v0.8.4"]
        {
            assert!(built_in().knows(&image(known)), "{known}");
        }
        for unknown in [
            "castai-agent:1",
            "shop/web:1",
            "ghcr.io/acme/agent:1",
            "alpine/k8s-tools:1",
            "docker.io/ghcr.io/pgdogdev/pgdog:1",
            "evil.example/us-docker.pkg.dev/castai-hub/agent:1",
            "evil.example/alpine/k8s:1",
        ] {
            assert!(!built_in().knows(&image(unknown)), "{unknown}");
        }
    }

    #[test]
    fn charts_are_recognised_by_name() {
        assert_eq!(built_in().chart("castai-agent-0.161.1"), Some("castai-agent-0.161.1"));
        assert_eq!(built_in().chart("egressd-0.1.43"), Some("egressd-0.1.43"));
        assert_eq!(built_in().chart("my-castai-dashboards-1.0.0"), None);
    }

    #[test]
    fn components_install_charts_of_their_name() {
        for (component, chart, expected) in [
            ("castai-agent", "castai-agent", true),
            ("agent", "castai-agent", true),
            ("castware-operator", "castware-operator", true),
            ("castai-umbrella", "castai", true),
            ("umbrella", "castai", true),
            ("castai-agent", "castai", false),
            ("castai", "castai-agent", false),
            ("agent", "castai-cluster-agent", false),
            ("castai-evictor", "castai-evictor-ext", false),
        ] {
            assert_eq!(built_in().installs(component, chart), expected, "{component} {chart}");
        }
        for (label, expected) in [
            ("castai-agent-0.161.1", "castai-agent"),
            ("castai-evictor-ext-1.0.0-rc.1", "castai-evictor-ext"),
            ("castai", "castai"),
            ("", ""),
        ] {
            assert_eq!(chart_name(label), expected);
        }
    }

    #[test]
    fn user_additions_count_like_built_in_records() {
        let knowledge = Knowledge::read(json!({
            "namespaces": ["castai-next"], "imagePrefixes": ["quay.io/castai/", "acme"],
            "repositories": ["quay.io/acme/probe"], "charts": ["next"], "labels": {"part-of": "castai"},
            "variables": ["PROBE_IMAGE"], "images": ["ghcr.io/acme/x:v1"],
            "resources": [{"group": "next.cast.ai", "kind": "Next", "fields": ["/spec"]}],
        }))
        .unwrap();
        let prefixes = [
            ("quay.io/castai/agent:v1", Some("quay.io/castai/")),
            ("e.example/quay.io/castai/agent:v1", None),
            ("quay.io/castaible/agent:v1", None),
            ("acme/x:1", Some("acme")),
            ("docker.io/acme/x:1", Some("acme")),
            ("e.example/acme/x:1", None),
            ("ghcr.io/castai/x:1", Some("ghcr.io/castai/")),
        ];
        for (name, expected) in prefixes {
            assert_eq!(knowledge.image_prefix(&image(name)), expected, "{name}");
        }
        assert!(knowledge.is_namespace("castai-next") && knowledge.is_namespace("castai-agent"));
        assert_eq!(knowledge.chart("next-1.0.0"), Some("next-1.0.0"));
        assert_eq!(knowledge.chart("nextcloud-1.0.0"), None);
        let labels = BTreeMap::from([("part-of".to_owned(), "castai".to_owned())]);
        assert_eq!(knowledge.label(&labels).as_deref(), Some("part-of=castai"));
        assert_eq!(knowledge.custom_resources().last().unwrap().kind, "Next");
        let names = [
            ("quay.io/acme/probe:v1", true),
            ("ghcr.io/acme/x:v2", true),
            ("quay.io/castai/agent:v1", true),
            ("quay.io/other/probe:v1", false),
            ("e.example/quay.io/acme/probe:v1", false),
        ];
        for (name, expected) in names {
            assert_eq!(knowledge.knows(&image(name)), expected, "{name}");
        }
    }

    #[test]
    fn a_knowledge_file_supports_everything_that_a_record_does() {
        let knowledge = Knowledge::read(json!({
            "component": "acme-probe", "charts": ["acme-probe"],
            "variables": ["PROBE_IMAGE"], "otherVariables": [{"name": "NO_IMAGE", "reason": "it is none"}],
            "startedLabels": {"started-by": "probe"}, "addedContainers": ["probe-"],
            "workloads": ["Deployment/acme-vpa"],
            "patches": [{"namespace": "shop", "workload": "Deployment/web"}],
            "upgraders": [{"workload": "CronJob/bump", "charts": ["acme"], "reverts": "does so"}],
            "rolloutOrder": {"acme-probe": 7},
            "resources": [{"group": "acme.io", "kind": "Probe", "fields": ["/spec"], "installs": "/spec/chart"}],
            "chartValues": [{"chart": "acme-probe", "image": "probe", "key": "image.repository"}],
            "endpointVariables": {"PROBE_URL": "https", "API_URL": "grpc"},
        }))
        .unwrap();
        let labels = BTreeMap::from([("started-by".to_owned(), "probe".to_owned())]);
        let ours = BTreeMap::from([("app.kubernetes.io/managed-by".to_owned(), "castai".to_owned())]);
        assert_eq!(knowledge.started_label(&labels).as_deref(), Some("started-by=probe"));
        assert_eq!(knowledge.started_label(&ours).as_deref(), Some("app.kubernetes.io/managed-by=castai"));
        assert_eq!(built_in().started_label(&labels), None);
        for name in ["probe-1", "castai-jmx-exporter-init"] {
            assert!(knowledge.adds_container(name), "{name}");
        }
        for name in ["PROBE_IMAGE", "SCANNERS_IMAGE"] {
            assert!(knowledge.image_variables().contains(name), "{name}");
        }
        let why = |name| knowledge.other_variable(name).map(|variable| variable.reason.is_some());
        assert_eq!((why("NO_IMAGE"), why("PROXY_IMAGE"), why("X_IMAGE")), (Some(true), Some(false), None));
        assert_eq!(knowledge.patched_by("shop", "Deployment/web"), Some("acme-probe"));
        assert_eq!(knowledge.component_named("Deployment", "my-acme-vpa"), Some("acme-probe"));
        assert_eq!(knowledge.component_named("Job", "my-acme-vpa"), None);
        let (component, upgrader) = knowledge.upgrader("CronJob", "the-bump-job").unwrap();
        assert_eq!((component, upgrader.upgrades("acme-probe-1.0.0")), ("acme-probe", true));
        assert!(!upgrader.upgrades("castai-agent-1.0.0"));
        assert_eq!(
            ["acme-probe", "castai-agent", "web"].map(|name| knowledge.rollout_order(name)),
            [7, 2, 0]
        );
        let resource = knowledge.custom_resources().pop().unwrap();
        assert_eq!(knowledge.installer(resource), "acme-probe");
        assert_eq!(resource.installed("r", &json!({"spec": {"chart": "x"}})), Some("x"));
        assert_eq!(resource.installed("r", &json!({})), Some("r"));
        assert_eq!(knowledge.values_for("acme-probe", "quay.io/acme/probe").count(), 1);
        let variables = knowledge.all_endpoint_variables();
        assert!(variables.contains(&("PROBE_URL", crate::model::knowledge::Protocol::Https)));
        let of_api = variables.iter().filter(|(name, _)| *name == "API_URL");
        assert_eq!(of_api.count(), 1, "the entry of a record is preserved");
        // An inventory preserves it.
        let kept = serde_json::from_value::<Knowledge>(serde_json::to_value(&knowledge).unwrap()).unwrap();
        assert_eq!(kept, knowledge);
    }
}
