//! Where Cast AI's components live and how their images are called.
//!
//! Sources: castai/helm-charts (August 2026), castai/kvisor, castai/castware-operator, and the notes beside each
//! entry. Nobody publishes the whole list, so that adding to it must stay a matter of one line.

use crate::model::image::{Image, InvalidReference};
use crate::model::image_field::{Carrier, Variables};

/// Namespaces that hold Cast AI alone: every workload in them is taken. Other namespaces' own workloads never are.
pub const NAMESPACES: &[&str] =
    &["castai-agent", "castai-live", "castai-omni", "castai-pod-node-lifecycle", "castware-operator"];

/// Repositories as written that are Cast AI's own. Artifact Registry and GHCR hold the same images under the same
/// paths and tags (castai/helm-charts `charts/castai-umbrella/gar-values.yaml`), so that one component may be named
/// in two ways.
const PREFIXES: &[&str] = &["us-docker.pkg.dev/castai-hub/", "ghcr.io/castai/"];

/// Cast AI's organisation on Docker Hub, as each of its spellings.
const DOCKER_HUB_PREFIXES: &[&str] = &["castai/", "docker.io/castai/", "index.docker.io/castai/"];

/// Images of others that Cast AI's charts and hooks use.
pub const THIRD_PARTY: &[&str] = &[
    // Charts castai-agent and castai-evictor.
    "registry.k8s.io/cpa/cpvpa",
    // Hooks of castai-evictor, castware-operator, castai-kentroller, castware-components.
    "rancher/kubectl",
    "bitnami/kubectl",
    "lachlanevenson/k8s-kubectl",
    // castai-chart-upgrader and the hook of gpu-metrics-exporter.
    "alpine/k8s",
    // castai-kvisor and gpu-metrics-exporter.
    "nvcr.io/nvidia/k8s/dcgm-exporter",
    "otel/ebpf-instrument",
    "clickhouse/clickhouse-server",
    // castai-db-optimizer and castai-db-proxy.
    "ghcr.io/pgdogdev/pgdog",
    "gcr.io/cloud-sql-connectors/cloud-sql-proxy",
    "proxysql/proxysql",
];

/// Values of the `helm.sh/chart` label start with one of these.
const CHARTS: &[&str] = &["castai-", "castware-", "egressd-", "gpu-metrics-exporter-", "omni-agent-"];

/// Variables whose value is an image that a component starts later (castai/kvisor `GetKvisorAgentImageDetails`;
/// charts/castai-workload-autoscaler `templates/deployment.yaml`). Others that end in `_IMAGE` hold a bare tag.
pub const IMAGE_VARIABLES: &[&str] = &[SCANNERS_VARIABLE, "JMX_EXPORTER_INIT_IMAGE"];

/// [`IMAGE_VARIABLES`] as those who look for images take them.
pub fn image_variables() -> Variables {
    IMAGE_VARIABLES.iter().copied().collect()
}

/// Names the image of kvisor's scan jobs to its controller (castai/kvisor `cmd/controller/kube/client.go`).
pub const SCANNERS_VARIABLE: &str = "SCANNERS_IMAGE";

/// Beginnings of the names of containers that Cast AI's webhooks add to pods of others, such as
/// `castai-jmx-exporter-init` (chart castai-workload-autoscaler 1.9.3).
pub const INJECTED_CONTAINERS: &[&str] = &["castai-"];

/// Labels that Cast AI's components give to what they start, such as kvisor's scan jobs (castai/kvisor).
pub const STARTED_LABELS: &[(&str, &str)] = &[("app.kubernetes.io/managed-by", "castai")];

/// Workloads of others that a component patches: the component, the namespace, and the workload as `Kind/name`
/// (castai/helm-charts `test/e2e/helpers_test.go`: a hook of castai-live's does).
const PATCHED: &[(&str, &str, &str)] = &[("castai-live", "kube-system", "DaemonSet/aws-node")];

/// Variables that are named like one with an image that a component starts, and what they name instead (castai/kvisor's
/// scan jobs). Those of castai-db-agent and castai-db-optimizer (`AGENT_IMAGE`, `PROXY_IMAGE`) hold bare tags.
pub const OTHER_VARIABLES: &[(&str, &str)] =
    &[("COLLECTOR_IMAGE_NAME", "it names the image to be scanned, which is the customer's")];

/// The component that patches a workload of somebody else's, if one does. `workload` is written `Kind/name`.
pub fn patched_by(namespace: &str, workload: &str) -> Option<&'static str> {
    let found = PATCHED.iter().find(|(_, there, name)| *there == namespace && *name == workload);
    found.map(|(component, ..)| *component)
}

/// Beginnings of the repositories that are Cast AI's own, in every spelling.
pub fn prefixes() -> impl Iterator<Item = &'static str> {
    PREFIXES.iter().chain(DOCKER_HUB_PREFIXES).copied()
}

/// The Cast AI prefix of an image. A name that only contains one is another registry's.
pub fn image_prefix(image: &Image) -> Option<&'static str> {
    let repository = image.repository();
    prefixes().find(|prefix| repository.starts_with(prefix))
}

/// Whether an image looks like Cast AI's behind a mirror's registry and path. Anybody can name images so: it helps to
/// recognise components, and says nothing of what an image is.
pub fn looks_mirrored(image: &Image) -> bool {
    PREFIXES.iter().any(|prefix| image.repository().contains(&format!("/{prefix}")))
}

/// Whether Cast AI is known to use images of this name. Only such a name may be read back out of a mirror's layout:
/// anybody can publish the others.
pub fn knows(image: &Image) -> bool {
    image_prefix(image).is_some() || THIRD_PARTY.contains(&bare(image.repository()))
}

/// A repository without Docker Hub's name, which is not written, or in one of two ways.
pub(super) fn bare(repository: &str) -> &str {
    let is_short = |rest: &&str| rest.split('/').next().is_some_and(|first| !first.contains(['.', ':']));
    ["docker.io/", "index.docker.io/"]
        .iter()
        .find_map(|host| repository.strip_prefix(host))
        .filter(is_short)
        .unwrap_or(repository)
}

/// The chart in a `helm.sh/chart` label, if it is one of Cast AI's.
pub fn chart(label: &str) -> Option<&str> {
    CHARTS.iter().any(|prefix| label.starts_with(prefix)).then_some(label)
}

/// Whether castware-operator's component of this name installs `chart`: one of the same name, with or without Cast AI's
/// prefix, and `castai` for the umbrella (castai/castware-operator `api/v1alpha1/component_types.go`;
/// castai/helm-charts `charts/castai-umbrella`).
pub fn installs(component: &str, chart: &str) -> bool {
    let short = component.strip_prefix("castai-").unwrap_or(component);
    chart == component
        || chart.strip_prefix("castai-") == Some(short)
        || (short, chart) == ("umbrella", "castai")
}

/// The chart's name in a `helm.sh/chart` label, without the version.
pub fn chart_name(label: &str) -> &str {
    let is_version = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
    let version = label.match_indices('-').find(|(hyphen, _)| is_version(&label[hyphen + 1..]));
    version.map_or(label, |(hyphen, _)| &label[..hyphen])
}

/// The image that a component makes out of its own at run time, and the carrier that says so.
///
/// kvisor's controller starts scan jobs from its own image's name with the first `-controller` replaced, unless
/// `SCANNERS_IMAGE` names one (castai/kvisor `cmd/controller/kube/client.go`). `source` is what `image` was mirrored
/// from, if that is known: a mirror may call it otherwise. `named` is what a variable of ours says: its repository
/// stays, and its version follows the controller's. Where kvisor would make a name that no scanners have, it is the one
/// that they have.
pub fn derived_image(
    container: &str,
    image: &Image,
    source: Option<&Image>,
    named: Option<&Image>,
    has_variable: impl Fn(&str) -> bool,
) -> Option<(Carrier, Image)> {
    let is_controller = |image: &Image| image.repository().rsplit('/').next() == Some("kvisor-controller");
    if !(is_controller(image) || source.is_some_and(is_controller)) || has_variable(SCANNERS_VARIABLE) {
        return None;
    }
    let own = || scanners_of(image).or_else(|why| source.map_or(Err(why), scanners_of)).ok();
    let named = named.and_then(|named| own()?.with_repository(named.repository()).ok());
    let scanners = named.or_else(own).or_else(|| derivation(image)).unwrap_or_else(|| image.clone());
    let carrier =
        Carrier::Derived { container: container.to_owned(), component: "kvisor-scanners".to_owned() };
    Some((carrier, scanners))
}

/// What kvisor replaces, the first time that it stands in the whole reference.
const CONTROLLER: &str = "-controller";
const SCANNERS: &str = "-scanners";

/// The name that kvisor makes out of its controller's, whether or not there is such an image; none where that is the
/// controller's own.
pub fn derivation(controller: &Image) -> Option<Image> {
    let written = controller.as_written();
    written
        .replacen(CONTROLLER, SCANNERS, 1)
        .parse()
        .ok()
        .filter(|derived: &Image| derived.as_written() != written)
}

/// The scanners' image of the same version as a controller's: it lies beside it, with the same tag.
///
/// # Errors
/// The controller's name does not tell it; the text says why and what to do.
pub fn scanners_of(controller: &Image) -> Result<Image, String> {
    let written = controller.as_written();
    let (version, repository) = (controller.version(), controller.repository());
    if version.digest().is_some() && version.tag().is_none() {
        return Err(format!(
            "the digest in {written} does not tell the tag of kvisor's scanners: name the controller by tag, or by tag \
             and digest, or set its variable {SCANNERS_VARIABLE}"
        ));
    }
    let start = repository.rfind('/').map_or(0, |slash| slash + 1);
    let (path, component) = repository.split_at(start);
    if !component.contains(CONTROLLER) {
        return Err(format!(
            "{written} does not tell the name of kvisor's scanners, because it has no {CONTROLLER:?} after the last \
             slash: set its variable {SCANNERS_VARIABLE}"
        ));
    }
    let tag = version.tag().map(|tag| format!(":{tag}")).unwrap_or_default();
    format!("{path}{}{tag}", component.replacen(CONTROLLER, SCANNERS, 1))
        .parse()
        .map_err(|error: InvalidReference| error.to_string())
}

/// The controller's image of the same version as its scanners', if `scanners` are called as such.
pub fn controller_of(scanners: &Image) -> Option<Image> {
    let repository = scanners.repository().strip_suffix(SCANNERS)?;
    scanners.with_repository(&format!("{repository}{CONTROLLER}")).ok()
}

/// The scanners' image that kvisor finds beside its controller's.
///
/// # Errors
/// There can be none under the name that kvisor makes; the text says why and what to do.
pub fn scanners_image(controller: &Image) -> Result<Image, String> {
    let written = controller.as_written();
    if controller.version().digest().is_some() {
        return Err(format!(
            "a digest in kvisor's controller image breaks its scanners: name it by tag instead of {written}"
        ));
    }
    let component = controller.repository().rfind('/').map_or(0, |slash| slash + 1);
    match written.find(CONTROLLER) {
        Some(found) if (component..controller.repository().len()).contains(&found) => written
            .replacen(CONTROLLER, SCANNERS, 1)
            .parse()
            .map_err(|error: InvalidReference| error.to_string()),
        Some(found) if found < component => Err(format!(
            "kvisor could not find its scanners beside {written}, because it replaces the first {CONTROLLER:?} there: \
             choose a --registry path or a --map without it before the last slash"
        )),
        _ => Err(format!(
            "kvisor could not find its scanners beside {written}, because it replaces {CONTROLLER:?} in the name: \
             choose a --map to a name that ends in {CONTROLLER:?}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(text: &str) -> Image {
        text.parse().unwrap()
    }

    #[test]
    fn cast_ai_images_are_recognised_by_the_beginning_of_their_names() {
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
            assert_eq!(image_prefix(&image(text)).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn only_known_names_are_read_back() {
        for known in
            ["castai/hibernate:1", "docker.io/alpine/k8s:1.33.12", "registry.k8s.io/cpa/cpvpa:v0.8.4"]
        {
            assert!(knows(&image(known)), "{known}");
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
            assert!(!knows(&image(unknown)), "{unknown}");
        }
    }

    #[test]
    fn charts_are_recognised_by_name() {
        assert_eq!(chart("castai-agent-0.161.1"), Some("castai-agent-0.161.1"));
        assert_eq!(chart("egressd-0.1.43"), Some("egressd-0.1.43"));
        assert_eq!(chart("my-castai-dashboards-1.0.0"), None);
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
            assert_eq!(installs(component, chart), expected, "{component} {chart}");
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
    fn the_scanners_image_follows_kvisors_own_rule() {
        let controller = image("ghcr.io/castai/kvisor/kvisor-controller:v1.164.8");
        let (carrier, scanners) = derived_image("controller", &controller, None, None, |_| false).unwrap();
        assert_eq!(carrier.to_string(), "derived/controller/kvisor-scanners");
        assert_eq!(scanners.as_written(), "ghcr.io/castai/kvisor/kvisor-scanners:v1.164.8");
        assert_eq!(
            derived_image("controller", &controller, None, None, |name| name == "SCANNERS_IMAGE"),
            None
        );
        let renamed = image("e.example/kv-controller:v1");
        let (_, scanners) =
            derived_image("controller", &renamed, Some(&controller), None, |_| false).unwrap();
        assert_eq!(scanners.as_written(), "e.example/kv-scanners:v1");
        assert_eq!(derived_image("controller", &renamed, None, None, |_| false), None);
        // Where kvisor would make a name that no scanners have, and where a variable of ours gives them one.
        let pinned = image(&format!("{controller}@sha256:{}", "a".repeat(64)));
        let flat = image("e.example/kvisor:v1.164.8");
        let named = image("e.example/scan:v1");
        let cases = [
            (&pinned, None, None, "ghcr.io/castai/kvisor/kvisor-scanners:v1.164.8"),
            (&flat, Some(&controller), None, "ghcr.io/castai/kvisor/kvisor-scanners:v1.164.8"),
            (&flat, Some(&controller), Some(&named), "e.example/scan:v1.164.8"),
            (&pinned, None, Some(&named), "e.example/scan:v1.164.8"),
        ];
        for (controller, source, named, expected) in cases {
            let (_, scanners) = derived_image("controller", controller, source, named, |_| false).unwrap();
            assert_eq!(scanners.as_written(), expected, "{controller}");
        }
        let agent = image("ghcr.io/castai/kvisor/kvisor-agent:v1.164.8");
        assert_eq!(derived_image("kvisor", &agent, None, None, |_| false), None);
    }

    #[test]
    fn scanners_have_a_name_only_where_kvisor_looks_for_it() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let (pinned, both) =
            (format!("e/kvisor-controller@{digest}"), format!("e/kvisor-controller:v1@{digest}"));
        let cases = [
            ("ghcr.io/castai/kvisor/kvisor-controller:v1", Ok("ghcr.io/castai/kvisor/kvisor-scanners:v1")),
            ("e.example/kvisor-controller:v1-controller", Ok("e.example/kvisor-scanners:v1-controller")),
            ("e.example/my-controller/kvisor-controller:v1", Err("--registry path")),
            ("my-controller.example/kvisor-controller:v1", Err("--registry path")),
            ("e.example/kvisor:v1", Err("a name that ends in")),
            ("e.example/kvisor:v1-controller", Err("a name that ends in")),
            (
                pinned.as_str(),
                Err("a digest in kvisor's controller image breaks its scanners: name it by tag"),
            ),
            (both.as_str(), Err("a digest in kvisor's controller image breaks its scanners: name it by tag")),
        ];
        for (controller, expected) in cases {
            match (scanners_image(&image(controller)), expected) {
                (Ok(scanners), Ok(expected)) => assert_eq!(scanners.as_written(), expected),
                (Err(error), Err(words)) => assert!(error.contains(words), "{controller}: {error}"),
                (seen, _) => panic!("{controller}: {seen:?}"),
            }
        }
    }

    #[test]
    fn scanners_lie_beside_their_controller_with_its_tag() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let cases = [
            ("ghcr.io/castai/kvisor/kvisor-controller:v1", Ok("ghcr.io/castai/kvisor/kvisor-scanners:v1")),
            (&format!("e/kvisor-controller:v1@{digest}"), Ok("e/kvisor-scanners:v1")),
            (
                "e.example/my-controller/kvisor-controller:v1",
                Ok("e.example/my-controller/kvisor-scanners:v1"),
            ),
            ("e.example/kvisor-controller:v1-controller", Ok("e.example/kvisor-scanners:v1-controller")),
            ("kvisor-controller", Ok("kvisor-scanners:latest")),
            (&format!("e/kvisor-controller@{digest}"), Err("does not tell the tag")),
            ("e.example/my-controller/kvisor:v1-controller", Err("does not tell the name")),
        ];
        for (controller, expected) in cases {
            match (scanners_of(&image(controller)), expected) {
                (Ok(scanners), Ok(expected)) => assert_eq!(scanners.as_written(), expected),
                (Err(error), Err(words)) => assert!(error.contains(words), "{controller}: {error}"),
                (seen, _) => panic!("{controller}: {seen:?}"),
            }
        }
    }
}
