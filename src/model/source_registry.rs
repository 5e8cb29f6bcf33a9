//! Registries that source images are read through.

use std::str::FromStr;

use super::image::{Image, Mirror};
use crate::printable::without_login;

/// `--source-registry HOST=HOST[/PATH]`: images of the first host are read below the second name, such as a proxy
/// repository. Their names stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRegistry {
    host: String,
    proxy: Mirror,
}

impl SourceRegistry {
    /// Host and path that `image` is read from, by the first of `registries` that is for its host.
    pub fn location_of(registries: &[Self], image: &Image) -> (String, String) {
        let registry = registries.iter().find(|registry| registry.host == image.host());
        registry.map_or_else(
            || (image.host().to_owned(), image.path().to_owned()),
            |Self { proxy, .. }| {
                let prefix = proxy.prefix.as_ref().map(|prefix| format!("{prefix}/")).unwrap_or_default();
                (proxy.registry.clone(), format!("{prefix}{}", image.path()))
            },
        )
    }
}

impl FromStr for SourceRegistry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let usage = || {
            format!(
                "expected HOST=HOST[/PATH], such as ghcr.io=artifactory.example/ghcr, not {:?}",
                without_login(text)
            )
        };
        let (host, proxy) = text.split_once('=').ok_or_else(usage)?;
        // A host is what an image name is read from: docker.io is the host that serves Docker Hub.
        let image: Image = format!("{host}/repository/name").parse().map_err(|_| usage())?;
        if host.contains('/') || image.path() != "repository/name" {
            return Err(usage());
        }
        let proxy = proxy.parse().map_err(|_| usage())?;
        Ok(Self { host: image.host().to_owned(), proxy })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_read_below_the_other_name() {
        let registries: Vec<SourceRegistry> =
            ["docker.io=proxy.example/hub", "ghcr.io=proxy.example:8443", "quay.io=a.example/x/y"]
                .map(|text| text.parse().unwrap())
                .into();
        for (image, expected) in [
            ("busybox:1", "proxy.example/hub library/busybox"),
            ("castai/hibernate:v1", "proxy.example/hub castai/hibernate"),
            ("ghcr.io/castai/kvisor:v1", "proxy.example:8443 castai/kvisor"),
            ("quay.io/a:v1", "a.example/x/y a"),
            ("nvcr.io/nvidia/x:v1", "nvcr.io nvidia/x"),
        ] {
            let (host, path) = SourceRegistry::location_of(&registries, &image.parse().unwrap());
            assert_eq!(format!("{host}/{path}"), expected.replace(' ', "/"), "{image}");
        }
    }

    #[test]
    fn other_texts_are_refused_without_their_logins() {
        for text in ["", "ghcr.io", "ghcr.io=", "=a.example", "ghcr.io/castai=a.example", "castai=a.example"]
        {
            assert!(text.parse::<SourceRegistry>().is_err(), "{text}");
        }
        let error = "ghcr.io=user:s3cret@a.example".parse::<SourceRegistry>().unwrap_err();
        assert!(!error.contains("s3cret"), "{error}");
    }
}
