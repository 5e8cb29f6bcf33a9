//! The registries that the names in a table have in common: each is printed once above the table, and the names in it
//! are relative to it: `/castai/x:v1`, or with the registry's number if there are several: `2/castai/x:v1`.

use std::collections::{BTreeMap, BTreeSet};

use super::table::is_folded;
use crate::model::image::ecr::EcrRegistry;
use crate::model::image::{Image, Mirror};

/// Empty in a pipe, where all names are printed in full.
pub(super) struct CommonRegistry(Vec<String>);

impl CommonRegistry {
    /// The mirrors of a run.
    pub(super) fn of_mirrors(mirrors: &[Mirror], width: Option<usize>) -> Self {
        Self(mirrors.iter().filter(|_| is_folded(width)).map(ToString::to_string).collect())
    }

    /// The registry, with the path, of all `images`, or else that of those in ECR, whose names are long. None if no two
    /// are in it.
    pub(super) fn of_images<'i>(images: impl Iterator<Item = &'i Image>, width: Option<usize>) -> Self {
        if !is_folded(width) {
            return Self(Vec::new());
        }
        let mut by_host: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for image in images {
            by_host.entry(image.host()).or_default().insert(image.repository());
        }
        let is_only = by_host.len() == 1;
        let registries = by_host.into_iter().filter(|(host, names)| {
            // Short names of Docker Hub are written without a registry.
            let is_written = names.iter().all(|name| name.starts_with(host));
            names.len() > 1 && is_written && (is_only || EcrRegistry::of_host(host).is_some())
        });
        let most = registries.max_by_key(|(_, names)| names.len());
        Self(most.map(|(_, names)| common_folder(&names)).into_iter().collect())
    }

    /// Whether `mirror` is named above the table, and is the only one.
    pub(super) fn is_mirror(&self, mirror: &Mirror) -> bool {
        matches!(&self.0[..], [only] if *only == mirror.to_string())
    }

    /// The lines above the table.
    pub(super) fn line(&self) -> String {
        match &self.0[..] {
            [only] => format!("registry: {only}\n"),
            several => {
                let numbered = several.iter().enumerate();
                numbered.fold(String::new(), |lines, (index, registry)| {
                    lines + &format!("registry {}: {registry}\n", index + 1)
                })
            }
        }
    }

    /// `name` relative to its registry, or in full if it is in none of them.
    pub(super) fn relative(&self, name: &str) -> String {
        let within =
            |registry: &String| name.strip_prefix(registry.as_str()).filter(|path| path.starts_with('/'));
        let found = self.0.iter().enumerate().find_map(|(index, registry)| Some((index, within(registry)?)));
        match found {
            None => name.to_owned(),
            Some((_, path)) if self.0.len() == 1 => path.to_owned(),
            Some((index, path)) => format!("{}{path}", index + 1),
        }
    }
}

/// The folders that all repositories have in common: their host at least.
fn common_folder(repositories: &BTreeSet<&str>) -> String {
    let folders = |repository: &str| {
        let folder = repository.rsplit_once('/').map_or(repository, |(folder, _)| folder);
        folder.split('/').map(str::to_owned).collect::<Vec<_>>()
    };
    let mut all = repositories.iter().map(|repository| folders(repository));
    let first = all.next().unwrap_or_default();
    let common = all.fold(first, |common, other| {
        let same = common.into_iter().zip(other).take_while(|(left, right)| left == right);
        same.map(|(folder, _)| folder).collect()
    });
    common.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_of_all_names_or_of_those_in_ecr_is_printed_once() {
        let hub = "us-docker.pkg.dev/castai-hub/library/";
        let agent = format!("{hub}agent:v1");
        let ecr = "123456789012.dkr.ecr.us-east-1.amazonaws.com/mirror/";
        let (first, second) = (format!("{ecr}a:v1"), format!("{ecr}x/b:v1"));
        let cases: [(&[&str], &str, &str); 7] = [
            (&["ghcr.io/castai/a:v1", "ghcr.io/castai/kvisor/b:v1"], "registry: ghcr.io/castai\n", "/a:v1"),
            (&["ghcr.io/castai/a:v1", "ghcr.io/other/b:v1"], "registry: ghcr.io\n", "/castai/a:v1"),
            // A public registry of some of the images shortens little, and hides where the others are from.
            (&["ghcr.io/castai/a:v1", "ghcr.io/castai/kvisor/b:v1", &agent], "", "ghcr.io/castai/a:v1"),
            (
                &[&first, &second, &agent],
                "registry: 123456789012.dkr.ecr.us-east-1.amazonaws.com/mirror\n",
                "/a:v1",
            ),
            (&["ghcr.io/castai/a:v1", "ghcr.io/castai/a:v2"], "", "ghcr.io/castai/a:v1"),
            (&["castai/hibernate:v1", "castai/other:v1", "docker.io/castai/x:v1"], "", "castai/hibernate:v1"),
            (&[], "", ""),
        ];
        for (images, line, first) in cases {
            let images: Vec<Image> = images.iter().map(|image| image.parse().unwrap()).collect();
            let registry = CommonRegistry::of_images(images.iter(), Some(80));
            assert_eq!(registry.line(), line, "{images:?}");
            let name = images.first().map(Image::as_written).unwrap_or_default();
            assert_eq!(registry.relative(name), first);
            let in_pipe = CommonRegistry::of_images(images.iter(), None);
            assert_eq!((in_pipe.line().as_str(), in_pipe.relative(name).as_str()), ("", name));
        }
    }

    #[test]
    fn names_in_a_mirror_are_relative_and_others_in_full() {
        let mirror: Mirror =
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/castai-privatelink".parse().unwrap();
        let registry = CommonRegistry::of_mirrors(std::slice::from_ref(&mirror), Some(80));
        assert_eq!(registry.line(), format!("registry: {mirror}\n"));
        assert_eq!(registry.relative(&format!("{mirror}/castai/hibernate:v1")), "/castai/hibernate:v1");
        for other in ["castai/hibernate:v1".to_owned(), format!("{mirror}-old/castai/hibernate:v1")] {
            assert_eq!(registry.relative(&other), other);
        }
    }

    #[test]
    fn several_mirrors_are_numbered() {
        let mirrors: [Mirror; 2] = ["a.example/x", "b.example/x"].map(|mirror| mirror.parse().unwrap());
        let registry = CommonRegistry::of_mirrors(&mirrors, Some(80));
        assert_eq!(registry.line(), "registry 1: a.example/x\nregistry 2: b.example/x\n");
        assert_eq!(registry.relative("b.example/x/castai/agent:v1"), "2/castai/agent:v1");
        assert!(!registry.is_mirror(&mirrors[0]));
    }
}
