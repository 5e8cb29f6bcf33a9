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

/// The vectors of distribution/reference v0.6 (`reference_test.go`), with Docker's rules for the host.
#[test]
fn references_are_read_as_distribution_reads_them() {
    const HUB: &str = "registry-1.docker.io";
    let (f, long) = ("f".repeat(64), "a/".repeat(127));
    let long_tag = format!("{long}a:tag-puts-this-over-max");
    let cases: Vec<(String, &str, &str, Option<&str>)> = [
        ("test_com", HUB, "library/test_com", Some("latest")),
        ("test.com:tag", HUB, "library/test.com", Some("tag")),
        ("test.com:5000", HUB, "library/test.com", Some("5000")),
        ("test.com/repo:tag", "test.com", "repo", Some("tag")),
        ("test:5000/repo", "test:5000", "repo", Some("latest")),
        ("test:5000/repo:tag", "test:5000", "repo", Some("tag")),
        ("test:5000/repo@sha256:F", "test:5000", "repo", None),
        ("test:5000/repo:tag@sha256:F", "test:5000", "repo", Some("tag")),
        ("lowercase:Uppercase", HUB, "library/lowercase", Some("Uppercase")),
        ("sub-dom1.foo.com/bar/baz/quux", "sub-dom1.foo.com", "bar/baz/quux", Some("latest")),
        (
            "sub-dom1.foo.com/bar/baz/quux:some-long-tag",
            "sub-dom1.foo.com",
            "bar/baz/quux",
            Some("some-long-tag"),
        ),
        (
            "b.gcr.io/test.example.com/my-app:test.example.com",
            "b.gcr.io",
            "test.example.com/my-app",
            Some("test.example.com"),
        ),
        ("xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com", "myimage", Some("xn--n3h.com")),
        ("foo_bar.com:8080", HUB, "library/foo_bar.com", Some("8080")),
        ("foo/foo_bar.com:8080", HUB, "foo/foo_bar.com", Some("8080")),
        ("192.168.1.1", HUB, "library/192.168.1.1", Some("latest")),
        ("192.168.1.1:5000", HUB, "library/192.168.1.1", Some("5000")),
        ("192.168.1.1/repo", "192.168.1.1", "repo", Some("latest")),
        ("192.168.1.1:5000/repo:5050", "192.168.1.1:5000", "repo", Some("5050")),
        ("[2001:db8::1]/repo", "[2001:db8::1]", "repo", Some("latest")),
        ("[2001:db8:1:2:3:4:5:6]/repo:tag", "[2001:db8:1:2:3:4:5:6]", "repo", Some("tag")),
        ("[2001:db8::1]:5000/repo:tag", "[2001:db8::1]:5000", "repo", Some("tag")),
        ("[2001:db8::1]:5000/repo:tag@sha256:F", "[2001:db8::1]:5000", "repo", Some("tag")),
        ("[2001:db8::]:5000/repo", "[2001:db8::]:5000", "repo", Some("latest")),
        ("[::1]:5000/repo", "[::1]:5000", "repo", Some("latest")),
        // Docker's rules for hosts (`normalize_test.go`), and ours for equal names.
        ("Foo/bar", "foo", "bar", Some("latest")),
        ("GHCR.io/castai/x:V1", "ghcr.io", "castai/x", Some("V1")),
        ("ghcr.io:443/castai/x:v1", "ghcr.io", "castai/x", Some("v1")),
        ("ghcr.io:4430/castai/x:v1", "ghcr.io:4430", "castai/x", Some("v1")),
        ("[2001:DB8::1]:443/x@sha256:F", "[2001:db8::1]", "x", None),
        ("localhost:443/x", "localhost:443", "x", Some("latest")),
        ("Docker.IO/busybox", HUB, "library/busybox", Some("latest")),
        ("index.docker.io:443/castai/x", HUB, "castai/x", Some("latest")),
    ]
    .map(|(text, host, path, tag)| {
        (text.replace('F', &f).replace(&format!("{f}oo/"), "Foo/"), host, path, tag)
    })
    .into();
    for (text, host, path, tag) in &cases {
        let image = image(text);
        assert_eq!((image.host(), image.path(), image.version().tag()), (*host, *path, *tag), "{text}");
        assert_eq!(image.as_written(), text);
        assert_eq!(image.version().digest().is_some(), text.contains('@'), "{text}");
    }
    assert_eq!(image(&long_tag).path().len(), 255);
    assert_eq!(image("GHCR.io:443/castai/x:v1").repository(), "ghcr.io/castai/x");
    assert!(image("GHCR.io:443/castai/x:v1").is_same(&image("ghcr.io/castai/x:v1")));
    for text in [
        "",
        ":justtag",
        &format!("@sha256:{f}"),
        "repo@sha256:ffffffffffffffffffffffffffffffffff",
        &format!("validname@invaliddigest:{f}"),
        "Uppercase:tag",
        "test:5000/Uppercase/lowercase:tag",
        &format!("{long}a/a:tag"),
        "aa/asdf$$^/aa",
        "[2001:db8::1]",
        "[2001:db8::1]:5000",
        "[2001:db8::1]:tag",
        "[fe80::1%eth0]:5000/repo",
        "[fe80::1%@invalidzone]:5000/repo",
        "[::1]x/repo",
        "ghcr.io:port/x",
        "ghcr.io:443/",
        // Valid, but no registry that we know stores it under such a digest.
        &format!("xn--7o8h.com/myimage:xn--7o8h.com@sha512:{}", "f".repeat(128)),
    ] {
        assert!(text.parse::<Image>().is_err(), "{text}");
    }
}

#[test]
fn the_case_and_the_default_port_of_a_host_do_not_matter_in_a_mirror() {
    let plain: Mirror = "registry.example/castai".parse().unwrap();
    for text in ["registry.example:443/castai", "Registry.Example/castai"] {
        assert_eq!(text.parse::<Mirror>().unwrap(), plain);
    }
    for (source, name) in [
        ("ghcr.io:443/castai/x:v1", "registry.example/castai/ghcr.io/castai/x:v1"),
        ("GHCR.IO/castai/x", "registry.example/castai/ghcr.io/castai/x:latest"),
    ] {
        let mirrored = plain.name_of(&image(source)).unwrap();
        assert_eq!(mirrored.as_written(), name);
        assert!(plain.source_of(&mirrored).unwrap().is_same(&image(source)));
    }
    assert!(plain.holds(&image("Registry.Example:443/castai/x:v1")));
}

#[test]
fn an_invalid_reference_is_rejected_with_its_text() {
    for text in ["", "Upper/Case", "A b/c", "a b", "x:tag:tag", "x@sha256:12", "\u{1b}[31mx"] {
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
    assert_eq!(
        error.to_string(),
        "no valid name in the mirror for image \"localhost:5000/x:1\": it would contain the port of the registry, and \
         repository names have no colon: add --map registry.example/<NAME>=localhost:5000/x"
    );
    let block = "ghcr.io/castai/a:v1\n".parse::<Image>().unwrap_err();
    assert!(block.reason().starts_with("it ends with a line break"), "{block}");
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
