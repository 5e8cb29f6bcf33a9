use super::*;

const HEX: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn image(text: &str) -> Image {
    text.parse().unwrap()
}

#[test]
fn references_are_read_by_dockers_rules() {
    let cases = [
        ("busybox", "busybox", "registry-1.docker.io", "library/busybox", Some("latest"), false),
        (
            "castai/hibernate:v0.14",
            "castai/hibernate",
            "registry-1.docker.io",
            "castai/hibernate",
            Some("v0.14"),
            false,
        ),
        ("docker.io/castai/x:1", "docker.io/castai/x", "registry-1.docker.io", "castai/x", Some("1"), false),
        (
            "ghcr.io/castai/kvisor/kvisor-agent:v1",
            "ghcr.io/castai/kvisor/kvisor-agent",
            "ghcr.io",
            "castai/kvisor/kvisor-agent",
            Some("v1"),
            false,
        ),
        ("localhost:5000/a/b", "localhost:5000/a/b", "localhost:5000", "a/b", Some("latest"), false),
        (
            "clickhouse/server:1@DIGEST",
            "clickhouse/server",
            "registry-1.docker.io",
            "clickhouse/server",
            Some("1"),
            true,
        ),
        ("gcr.io/x@DIGEST", "gcr.io/x", "gcr.io", "x", None, true),
    ];
    for (text, repository, host, path, tag, digest) in cases {
        let text = text.replace("DIGEST", HEX);
        let image = image(&text);
        assert_eq!(image.as_written(), text);
        assert_eq!((image.repository(), image.host(), image.path()), (repository, host, path), "{text}");
        assert_eq!(image.version().tag(), tag, "{text}");
        assert_eq!(image.version().digest().is_some(), digest, "{text}");
    }
}

#[test]
fn an_invalid_reference_is_rejected_with_its_text() {
    for text in ["", "Upper/Case", "a b", "x:tag:tag", "x@sha256:12", "\u{1b}[31mx"] {
        let error = text.parse::<Image>().unwrap_err().to_string();
        assert!(error.contains("invalid image reference"), "{error}");
        assert!(!error.contains('\u{1b}'), "control characters must not pass: {error:?}");
    }
}

#[test]
fn mirrored_names_follow_the_naming_rule_and_can_be_translated_back() {
    let cases = [
        (
            "us-docker.pkg.dev/castai-hub/library/agent:v1",
            "REG/us-docker.pkg.dev/castai-hub/library/agent:v1",
        ),
        ("castai/hibernate:v0.14", "REG/castai/hibernate:v0.14"),
        ("busybox", "REG/busybox:latest"),
        ("clickhouse/server:1@DIGEST", "REG/clickhouse/server:1@DIGEST"),
        ("gcr.io/x@DIGEST", "REG/gcr.io/x@DIGEST"),
    ];
    for registry in ["123456789012.dkr.ecr.us-east-1.amazonaws.com", "localhost:5000/mirror/of"] {
        let mirror: Mirror = registry.parse().unwrap();
        for (source, mirrored) in cases {
            let source = image(&source.replace("DIGEST", HEX));
            let mirrored = mirrored.replace("DIGEST", HEX).replace("REG", registry);
            let name = mirror.name_of(&source).unwrap();
            assert_eq!(name.as_written(), mirrored);
            assert!(mirror.holds(&name));
            let back = mirror.source_of(&name).unwrap();
            assert_eq!(
                (back.host(), back.path(), back.version()),
                (source.host(), source.path(), source.version())
            );
        }
    }
}

#[test]
fn names_outside_the_mirror_are_not_translated_back() {
    let mirror: Mirror = "registry.example/castai".parse().unwrap();
    for text in ["registry.example/other/x:1", "registry.example/castaix/y", "ghcr.io/castai/x"] {
        assert_eq!(mirror.source_of(&image(text)), None, "{text}");
        assert!(!mirror.holds(&image(text)), "{text}");
    }
}

#[test]
fn a_host_with_a_port_cannot_be_a_repository_name() {
    let mirror: Mirror = "registry.example".parse().unwrap();
    let error = mirror.name_of(&image("localhost:5000/x:1")).unwrap_err();
    assert!(error.to_string().contains("--map"), "{error}");
}

#[test]
fn mirrors_need_a_host() {
    for (text, hint) in
        [("https://registry.example", "remove `https://`"), ("castai/mirror", "host"), ("", "host")]
    {
        let error = text.parse::<Mirror>().unwrap_err().to_string();
        assert!(error.contains(hint), "{text}: {error}");
    }
}

#[test]
fn stored_mirrors_are_validated_like_names() {
    let mirror: Mirror = "registry.example/castai".parse().unwrap();
    let stored = serde_json::to_string(&mirror).unwrap();
    assert_eq!(serde_json::from_str::<Mirror>(&stored).unwrap(), mirror);
    for text in [
        r#"{"registry":"a.example/b?c"}"#,
        r#"{"registry":"user@a.example"}"#,
        r#"{"registry":"a.example","prefix":"../b"}"#,
    ] {
        assert!(serde_json::from_str::<Mirror>(text).is_err(), "{text}");
    }
}
