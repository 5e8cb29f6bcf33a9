//! Which repositories a policy renames, and to what: the same names as rewriting uses.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::image::{Image, Mirror};
use crate::model::inventory::{ImageField, Place, WorkloadName};
use crate::model::knowledge::Knowledge;
use crate::sync::plan::assignment::{Assignment, ImageSource, Naming};

/// Repositories as in pods, with their names in the mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    pub mirror: Mirror,
    /// Prefixes of repositories that all follow the naming rule. Empty if only mirrored images are renamed.
    pub prefixes: Vec<String>,
    /// Repositories that are renamed in all namespaces.
    pub everywhere: BTreeMap<String, String>,
    /// Third-party repositories, which are only renamed in Cast AI's namespaces.
    pub inside: BTreeMap<String, String>,
    /// Cast AI's namespaces.
    pub namespaces: Vec<String>,
}

impl Names {
    /// The repositories with a verified image. `is_verified` is called with the name in the mirror.
    pub fn of_verified(
        naming: Naming<'_>,
        assignments: &[Assignment],
        is_verified: impl Fn(&Image) -> bool,
    ) -> Self {
        let mut names = Self::new(naming, Vec::new());
        for assigned in assignments {
            if let ImageSource::Known(source) = &assigned.source
                && is_verified(&assigned.destination)
            {
                names.add(source.repository(), assigned.destination.repository(), naming.knowledge);
            }
        }
        names
    }

    /// Whatever begins like an image of Cast AI's, and the images of others that its charts are known to use or that
    /// the user named.
    pub fn of_prefixes(naming: Naming<'_>) -> Self {
        let Naming { mirror, maps, knowledge } = naming;
        let mut names = Self::new(naming, knowledge.prefix_spellings());
        let added = knowledge.image_prefixes.iter().map(|prefix| prefix.trim_end_matches('/'));
        for repository in knowledge.repositories_of_others().chain(added) {
            let spellings: &[&str] = if is_docker_hub(repository) { &["", "docker.io/"] } else { &[""] };
            for spelling in spellings {
                let written = format!("{spelling}{repository}");
                if let Some(name) = written.parse().ok().and_then(|image: Image| mirror.name_of(&image).ok())
                {
                    names.add(&written, name.repository(), knowledge);
                }
            }
        }
        for map in maps {
            names.add(map.public(), map.private(), knowledge);
        }
        names
    }

    fn new(naming: Naming<'_>, prefixes: Vec<String>) -> Self {
        Self {
            mirror: naming.mirror.clone(),
            prefixes,
            everywhere: BTreeMap::new(),
            inside: BTreeMap::new(),
            namespaces: naming.knowledge.all_namespaces().into_iter().map(str::to_owned).collect(),
        }
    }

    fn add(&mut self, public: &str, private: &str, knowledge: &Knowledge) {
        let is_castai = public.parse().is_ok_and(|image| knowledge.image_prefix(&image).is_some());
        let names = if is_castai { &mut self.everywhere } else { &mut self.inside };
        names.insert(public.to_owned(), private.to_owned());
    }

    /// The renamed repositories, one line each, for the confirmation prompt.
    pub fn lines(&self) -> Vec<String> {
        let prefixes = self.prefixes.iter();
        let prefixes = prefixes.map(|prefix| format!("{prefix}* becomes {}/{prefix}*", self.mirror));
        let everywhere =
            self.everywhere.iter().map(|(public, private)| format!("{public} becomes {private}"));
        let inside = self.inside.iter();
        let inside =
            inside.map(|(public, private)| format!("{public} becomes {private} in Cast AI's namespaces"));
        prefixes.chain(everywhere).chain(inside).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.prefixes.is_empty() && self.everywhere.is_empty() && self.inside.is_empty()
    }
}

/// Whether a policy can rename an image of pods in `namespace`: the field has its public name and, for a third-party
/// image, the namespace is Cast AI's.
pub fn is_renamable(
    image: &Image,
    image_field: &ImageField,
    source: &Image,
    namespace: &str,
    knowledge: &Knowledge,
) -> bool {
    is_renamable_inside(image, image_field, source)
        && (knowledge.image_prefix(source).is_some() || knowledge.is_namespace(namespace))
}

/// The same for Cast AI's namespaces.
fn is_renamable_inside(image: &Image, image_field: &ImageField, source: &Image) -> bool {
    image_field.is_renamed_at_admission() && image.repository() == source.repository()
}

/// Third-party images that no policy renames, by repository, with the namespaces in which Cast AI uses them, which are
/// not Cast AI's own.
pub fn outside<'a>(
    assignments: &'a [Assignment],
    knowledge: &Knowledge,
) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut found: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for assigned in assignments {
        let ImageSource::Known(source) = &assigned.source else { continue };
        for used in &assigned.used_by {
            let (image_field, namespace) = (&used.used_by.image_field, namespace(&used.used_by.place));
            let is_renamed_inside = is_renamable_inside(&used.image, image_field, source);
            if is_renamed_inside && !is_renamable(&used.image, image_field, source, namespace, knowledge) {
                found.entry(source.repository()).or_default().insert(namespace);
            }
        }
    }
    found
}

/// The namespace of the pods of `place`; empty if it has none.
fn namespace(place: &Place) -> &str {
    match place {
        Place::Workload(WorkloadName { namespace, .. })
        | Place::Resource { namespace, .. }
        | Place::Release { namespace, .. } => namespace,
        Place::File { .. } | Place::Named => "",
    }
}

/// The repositories in the mirror without any verified image, sorted.
pub fn unverified(assignments: &[Assignment], is_verified: impl Fn(&Image) -> bool) -> BTreeSet<&str> {
    let known = assignments.iter().filter(|assigned| matches!(assigned.source, ImageSource::Known(_)));
    let (verified, missing): (Vec<_>, Vec<_>) =
        known.partition(|assigned| is_verified(&assigned.destination));
    let verified: BTreeSet<_> = verified.iter().map(|assigned| assigned.destination.repository()).collect();
    missing
        .iter()
        .map(|assigned| assigned.destination.repository())
        .filter(|name| !verified.contains(name))
        .collect()
}

/// Whether the first segment of a repository is not a host.
fn is_docker_hub(repository: &str) -> bool {
    repository.split('/').next().is_some_and(|first| !first.contains(['.', ':']))
}

/// Regular expressions (RE2) for image references. They contain no backslash, so that they need no escaping in any
/// format.
pub mod pattern {
    /// A path segment of a repository, by the distribution specification's grammar.
    const PART: &str = "[a-z0-9]+(?:(?:[.]|_|__|-+)[a-z0-9]+)*";

    /// The tag, digest or both after a repository.
    pub const VERSION: &str =
        "(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}(?:@sha256:[0-9a-f]{64})?|@sha256:[0-9a-f]{64})$";

    /// A reference's repository, including host and port.
    pub fn repository() -> String {
        format!("^{PART}(?::[0-9]+/{PART})?(?:/{PART})*")
    }

    /// The part of a repository after a prefix.
    pub fn path() -> String {
        format!("{PART}(?:/{PART})*")
    }

    /// A name as a pattern: the dot is the only special character in it.
    pub fn literal(name: &str) -> String {
        name.replace('.', "[.]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::castai::built_in;
    use crate::model::inventory::{Reason, Use, WorkloadKind};
    use crate::model::name_map::NameMap;
    use crate::model::plan::PlannedUse;

    fn image(text: &str) -> Image {
        text.parse().unwrap()
    }

    fn naming<'a>(mirror: &'a Mirror, maps: &'a [NameMap], knowledge: &'a Knowledge) -> Naming<'a> {
        Naming { mirror, maps, knowledge }
    }

    fn assignment(destination: &str, source: &str) -> Assignment {
        Assignment {
            destination: image(destination),
            source: ImageSource::Known(image(source)),
            provenance: None,
            used_by: Vec::new(),
        }
    }

    #[test]
    fn only_verified_images_are_renamed_and_missing_ones_are_reported() {
        let mirror: Mirror = "e.example/pfx".parse().unwrap();
        let assignments = [
            assignment("e.example/pfx/castai/hibernate:v1", "castai/hibernate:v1"),
            assignment("e.example/pfx/castai/hibernate:v2", "castai/hibernate:v2"),
            assignment("e.example/pfx/rancher/kubectl:v1", "rancher/kubectl:v1"),
            assignment("e.example/pfx/ghcr.io/castai/live/x:v1", "ghcr.io/castai/live/x:v1"),
            Assignment {
                source: ImageSource::Unknown("x".to_owned()),
                ..assignment("e.example/pfx/y:v1", "z:v1")
            },
        ];
        let is_verified =
            |name: &Image| name.as_written().ends_with(":v1") && !name.as_written().contains("live");
        let names = Names::of_verified(naming(&mirror, &[], built_in()), &assignments, is_verified);
        let pair = |public: &str, private: &str| (public.to_owned(), private.to_owned());
        assert_eq!(
            names.everywhere,
            BTreeMap::from([pair("castai/hibernate", "e.example/pfx/castai/hibernate")])
        );
        assert_eq!(names.inside, BTreeMap::from([pair("rancher/kubectl", "e.example/pfx/rancher/kubectl")]));
        assert_eq!(
            unverified(&assignments, is_verified),
            BTreeSet::from(["e.example/pfx/ghcr.io/castai/live/x"])
        );
    }

    #[test]
    fn third_party_images_that_keep_their_names_are_reported() {
        let used = |namespace: &str, image_written: &str, image_field: ImageField| PlannedUse {
            image: image(image_written),
            used_by: Use {
                place: Place::Workload(WorkloadName {
                    cluster: "demo".to_owned(),
                    namespace: namespace.to_owned(),
                    kind: WorkloadKind::DaemonSet,
                    name: "d".to_owned(),
                }),
                image_field,
                reason: Reason::Annotation,
                recorded_source: None,
                not_rewritable: None,
            },
        };
        let container = || ImageField::of_container("c");
        let variable = ImageField::of_variable("c", "SCANNERS_IMAGE");
        let (cpvpa, private) = ("registry.k8s.io/cpa/cpvpa:v1", "e.example/registry.k8s.io/cpa/cpvpa:v1");
        let assignments = [
            Assignment {
                used_by: vec![
                    used("castai-agent", cpvpa, container()),
                    used("kube-system", cpvpa, container()),
                    used("shop", cpvpa, container()),
                    used("rewritten", private, container()),
                    used("variables", cpvpa, variable),
                ],
                ..assignment(private, cpvpa)
            },
            Assignment {
                used_by: vec![used("shop", "castai/hibernate:v1", container())],
                ..assignment("e.example/castai/hibernate:v1", "castai/hibernate:v1")
            },
        ];
        let expected =
            BTreeMap::from([("registry.k8s.io/cpa/cpvpa", BTreeSet::from(["kube-system", "shop"]))]);
        assert_eq!(outside(&assignments, built_in()), expected);
    }

    #[test]
    fn every_renamed_repository_is_listed() {
        let pair = |public: &str, private: &str| BTreeMap::from([(public.to_owned(), private.to_owned())]);
        let names = Names {
            mirror: "e.example/pfx".parse().unwrap(),
            prefixes: vec!["ghcr.io/castai/".to_owned()],
            everywhere: pair("castai/hibernate", "e.example/hibernate"),
            inside: pair("rancher/kubectl", "e.example/pfx/rancher/kubectl"),
            namespaces: Vec::new(),
        };
        assert_eq!(
            names.lines(),
            [
                "ghcr.io/castai/* becomes e.example/pfx/ghcr.io/castai/*",
                "castai/hibernate becomes e.example/hibernate",
                "rancher/kubectl becomes e.example/pfx/rancher/kubectl in Cast AI's namespaces",
            ]
        );
    }

    #[test]
    fn prefixes_include_third_party_images_in_each_spelling_and_maps() {
        let mirror: Mirror = "e.example".parse().unwrap();
        let maps = ["e.example/agent=us-docker.pkg.dev/castai-hub/library/agent".parse().unwrap()];
        let names = Names::of_prefixes(naming(&mirror, &maps, built_in()));
        assert!(
            ["ghcr.io/castai/", "docker.io/castai/"]
                .iter()
                .all(|prefix| names.prefixes.iter().any(|one| one == prefix))
        );
        assert_eq!(names.everywhere["us-docker.pkg.dev/castai-hub/library/agent"], "e.example/agent");
        assert_eq!(names.inside["docker.io/rancher/kubectl"], "e.example/docker.io/rancher/kubectl");
        assert_eq!(names.inside["registry.k8s.io/cpa/cpvpa"], "e.example/registry.k8s.io/cpa/cpvpa");
        assert!(!names.inside.contains_key("docker.io/registry.k8s.io/cpa/cpvpa"));
    }

    #[test]
    fn what_the_user_adds_is_renamed_like_what_we_know() {
        let mirror: Mirror = "e.example".parse().unwrap();
        let added = Knowledge {
            namespaces: vec!["tools".to_owned()],
            image_prefixes: vec!["quay.io/acme".to_owned(), "acme/".to_owned()],
            repositories: vec!["registry.example/tool".to_owned()],
            images: vec![image("probe/once:v1")],
            ..Knowledge::default()
        };
        let names = Names::of_prefixes(naming(&mirror, &[], &added));
        for prefix in ["quay.io/acme/", "acme/", "docker.io/acme/", "index.docker.io/acme/"] {
            assert!(names.prefixes.iter().any(|one| one == prefix), "{prefix}: {:?}", names.prefixes);
        }
        assert_eq!(
            names.everywhere["quay.io/acme"], "e.example/quay.io/acme",
            "a prefix may be a whole name"
        );
        for repository in ["registry.example/tool", "probe/once", "docker.io/probe/once"] {
            assert_eq!(names.inside[repository], format!("e.example/{repository}"));
        }
        assert!(names.namespaces.iter().any(|namespace| namespace == "tools"));

        let assignments = [assignment("e.example/quay.io/acme/x:v1", "quay.io/acme/x:v1")];
        let everywhere = |knowledge| {
            Names::of_verified(naming(&mirror, &[], knowledge), &assignments, |_| true).everywhere
        };
        assert!(everywhere(&added).contains_key("quay.io/acme/x"));
        assert!(everywhere(built_in()).is_empty());
    }
}
