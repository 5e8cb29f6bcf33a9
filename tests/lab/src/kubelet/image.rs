//! Image names as in containerd: short names refer to Docker Hub, and a digest takes precedence over a tag.

/// A normalised image name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// Host as written, `docker.io` for short names.
    pub(super) host: String,
    pub(super) repository: String,
    /// The reference of the manifest: a tag or a digest.
    pub(super) reference: String,
}

impl Name {
    /// Parses `image`. The error is the message of kubelet and containerd.
    pub(super) fn parse(image: &str) -> Result<Self, String> {
        let invalid =
            |why: &str| format!("couldn't parse image name \"{image}\": invalid reference format{why}");
        let (rest, digest) = match image.split_once('@') {
            Some((rest, digest)) if is_digest(digest) => (rest, Some(digest)),
            Some(_) => return Err(invalid("")),
            None => (image, None),
        };
        let last_segment = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (path, tag) = match rest[last_segment..].split_once(':') {
            Some((name, tag)) if is_tag(tag) => (&rest[..last_segment + name.len()], Some(tag)),
            Some(_) => return Err(invalid("")),
            None => (rest, None),
        };
        let (host, repository) = match path.split_once('/') {
            Some((host, repository)) if host.contains(['.', ':']) || host == "localhost" => {
                (host, repository)
            }
            _ => ("docker.io", path),
        };
        if repository.chars().any(|character| character.is_ascii_uppercase()) {
            return Err(invalid(&format!(": repository name ({repository}) must be lowercase")));
        }
        if !is_host(host) || !repository.split('/').all(is_component) {
            return Err(invalid(""));
        }
        let host = if host == "index.docker.io" { "docker.io" } else { host };
        let repository = if host == "docker.io" && !repository.contains('/') {
            format!("library/{repository}")
        } else {
            repository.to_owned()
        };
        Ok(Self {
            host: host.to_owned(),
            repository,
            reference: digest.or(tag).unwrap_or("latest").to_owned(),
        })
    }

    /// The full name, as in containerd's messages and in a running container's status.
    pub(super) fn full(&self) -> String {
        let separator = if is_digest(&self.reference) { '@' } else { ':' };
        format!("{}/{}{separator}{}", self.host, self.repository, self.reference)
    }

    /// The image id in the status of a container whose image was pulled by this name.
    pub(super) fn id(&self, digest: &str) -> String {
        format!("{}/{}@{digest}", self.host, self.repository)
    }

    /// The registry host for this image.
    pub(super) fn server(&self) -> &str {
        if self.host == "docker.io" { "registry-1.docker.io" } else { &self.host }
    }

    /// The URL of `kind` (`manifests` or `blobs`) `what` of this image's repository.
    pub(super) fn url(&self, kind: &str, what: &str) -> String {
        format!("https://{}/v2/{}/{kind}/{what}", self.server(), self.repository)
    }
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.chars().all(|character| matches!(character, '0'..='9' | 'a'..='f'))
    })
}

fn is_tag(text: &str) -> bool {
    text.len() <= 128
        && text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
        && text.chars().all(|character| character.is_ascii_alphanumeric() || "_.-".contains(character))
}

fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|character| character.is_ascii_alphanumeric() || ".-:[]".contains(character))
}

/// Letters and digits, with single `.`, one or two `_`, or any number of `-` between them.
fn is_component(text: &str) -> bool {
    let alphanumeric = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    text.starts_with(alphanumeric)
        && text.ends_with(alphanumeric)
        && text.split(alphanumeric).all(|between| {
            matches!(between, "" | "." | "_" | "__") || between.chars().all(|dash| dash == '-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn names_are_normalised() {
        for (image, expected) in [
            ("nginx", "docker.io/library/nginx:latest".to_owned()),
            ("castai/hibernate:v0.14", "docker.io/castai/hibernate:v0.14".to_owned()),
            ("index.docker.io/nginx:1", "docker.io/library/nginx:1".to_owned()),
            ("localhost:5000/agent", "localhost:5000/agent:latest".to_owned()),
            ("ghcr.io/castai/kvisor/kvisor:v1", "ghcr.io/castai/kvisor/kvisor:v1".to_owned()),
            (
                "1.dkr.ecr.us-east-1.amazonaws.com/us-docker.pkg.dev/a/b:v1",
                "1.dkr.ecr.us-east-1.amazonaws.com/us-docker.pkg.dev/a/b:v1".to_owned(),
            ),
            (&format!("ghcr.io/a/b:v1@{DIGEST}"), format!("ghcr.io/a/b@{DIGEST}")),
        ] {
            assert_eq!(Name::parse(image).map(|name| name.full()), Ok(expected), "{image}");
        }
    }

    #[test]
    fn invalid_names_are_rejected() {
        for image in
            ["", ":v1", "ghcr.io/", "a//b", "a/b:", "a/b@sha256:12", "a/-b", "a/b..c", "a/b c", "a/B"]
        {
            assert!(Name::parse(image).is_err(), "{image}");
        }
        assert_eq!(
            Name::parse("ghcr.io/Cast/agent:v1"),
            Err("couldn't parse image name \"ghcr.io/Cast/agent:v1\": invalid reference format: \
                 repository name (Cast/agent) must be lowercase"
                .to_owned())
        );
    }

    #[test]
    fn docker_hub_requests_use_its_registry_host() {
        let name = Name::parse("castai/hibernate:v1").unwrap();
        assert_eq!(
            name.url("manifests", "v1"),
            "https://registry-1.docker.io/v2/castai/hibernate/manifests/v1"
        );
        assert_eq!(name.id(DIGEST), format!("docker.io/castai/hibernate@{DIGEST}"));
    }
}
