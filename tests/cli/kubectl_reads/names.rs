//! Names of images in manifests, in every place and of every form.

use super::manifests::{AGENT, MIRROR, lock, pod};
use crate::harness::{assert_stderr_contains, parse_json};
use crate::secrets::Home;

#[test]
fn names_are_read_whatever_the_case_and_port_of_the_host_and_no_digest_stays_public() {
    let home = Home::new();
    home.write("lock.json", lock());
    let with = |image: &str| pod("p", "").replace("ghcr.io/castai/p:v1", image);
    let rewrite = |code, image: &str| {
        home.write("m.yaml", with(image));
        home.plugin(code, "/absent", &["rewrite", "-f", "m.yaml", "--lock", "lock.json"])
    };
    for host in ["us-docker.pkg.dev:443", "US-Docker.pkg.dev", "US-DOCKER.PKG.DEV:443"] {
        let rewritten = rewrite(0, &AGENT.replace("us-docker.pkg.dev", host));
        assert_eq!(rewritten.stdout, with(&format!("{MIRROR}/{AGENT}")), "{host}");
    }
    home.write("m.yaml", with("ghcr.io:443/castai/x:v1"));
    let images = home.plugin(0, "/absent", &["images", "-f", "m.yaml"]);
    assert!(images.stdout.contains("ghcr.io:443/castai/x:v1"), "{}", images.stdout);
    // A digest that no mirror is known to store is an error, and the public name is not printed.
    for image in [AGENT.split(':').next().unwrap(), AGENT] {
        let image = format!("{image}@sha512:{}", "b".repeat(128));
        let refused = rewrite(1, &image);
        assert_eq!(refused.stdout, "");
        assert_stderr_contains(
            &refused,
            &[&format!(
                "error: image {image} of Pod/p in m.yaml cannot be rewritten at .spec.containers[0].image: a sha512 digest in an \
                 image name is not supported: use its sha256 digest"
            )],
        );
        let incomplete = home.plugin(1, "/absent", &["images", "-f", "m.yaml"]);
        assert_stderr_contains(
            &incomplete,
            &[
                "error: incomplete: Pod/p in m.yaml: container/a",
                "a sha512 digest in an image name is not supported: use its sha256 digest",
            ],
        );
    }
}

#[test]
fn invalid_names_of_cast_ai_are_not_printed_and_those_of_others_are_unchanged() {
    let home = Home::new();
    home.write("lock.json", lock());
    home.write("knowledge.yaml", "imagePrefixes: [quay.io/acme]\n");
    let with = |image: &str| pod("p", "").replace("ghcr.io/castai/p:v1", &format!("'{image}'"));
    let lock = ["--lock", "lock.json"];
    let registry = ["--registry", MIRROR];
    for image in [
        &format!("ghcr.io/castai/x@sha384:{}", "a".repeat(96)),
        &format!("registry.k8s.io/cpa/cpvpa:v0.8.4@sha512:{}", "a".repeat(128)),
        "ghcr.io//castai/x:v1",
        "https://ghcr.io/castai/x",
        "quay.io/Acme/y",
    ] {
        home.write("m.yaml", with(image));
        for source in [lock, registry] {
            let flags = ["rewrite", "-f", "m.yaml", "--knowledge", "knowledge.yaml"];
            let refused = home.plugin(1, "/absent", &[&flags[..], &source].concat());
            assert_eq!(refused.stdout, "", "{image}");
            let error = format!(
                "error: image {image} of Pod/p in m.yaml cannot be rewritten at .spec.containers[0].image: "
            );
            assert_stderr_contains(
                &refused,
                &[&error, "error: nothing printed", "hint: correct these names"],
            );
            let accepted = home.plugin(0, "/absent", &[&flags[..], &source, &["--exclude", image]].concat());
            assert_eq!(accepted.stdout, with(image));
            assert_stderr_contains(&accepted, &[&format!("note: {image} stays public: excluded")]);
        }
    }
    for image in ["https://ghcr.io/other/x", "quay.io//nginx", "Nginx", "${IMAGE}"] {
        // One of ours beside it is still renamed.
        let pair = |image: &str, ours: &str| format!("{}---\n{}", with(image), with(ours));
        home.write("m.yaml", pair(image, AGENT));
        let rewritten = home.plugin(0, "/absent", &[&["rewrite", "-f", "m.yaml"][..], &lock].concat());
        assert_eq!(rewritten.stdout, pair(image, &format!("{MIRROR}/{AGENT}")));
        home.write("m.yaml", with(image));
        let unchanged = home.plugin(0, "/absent", &["rewrite", "-f", "m.yaml"]);
        assert_eq!((unchanged.stdout, unchanged.stderr), (with(image), String::new()));
    }
}

#[test]
fn images_of_volumes_are_listed_and_renamed() {
    let home = Home::new();
    home.write("lock.json", lock());
    let manifest = |image: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: castai-model}}\nspec:\n  template:\n    spec:\n      containers:\n      \
             - {{name: a}}\n      volumes:\n      - {{name: data, emptyDir: {{}}}}\n      - name: model\n        image:\n          \
             reference: {image}\n          pullPolicy: Always\n"
        )
    };
    home.write("m.yaml", manifest(AGENT));
    let listed = home.plugin(0, "/absent", &["images", "-f", "m.yaml", "-o", "name"]);
    assert_eq!(listed.stdout, format!("{AGENT}\n"));
    let inventory = parse_json(&home.plugin(0, "/absent", &["images", "-f", "m.yaml", "-o", "json"]));
    let used = &inventory["images"][0]["usedBy"];
    assert_eq!((used.as_array().unwrap().len(), &used[0]["imageField"]), (1, &"volume/model".into()));
    let rewritten = home.plugin(0, "/absent", &["rewrite", "-f", "m.yaml", "--lock", "lock.json"]);
    assert_eq!(rewritten.stdout, manifest(&format!("{MIRROR}/{AGENT}")));
    home.write("m.yaml", manifest("https://ghcr.io/castai/model:v1"));
    let refused = home.plugin(1, "/absent", &["rewrite", "-f", "m.yaml"]);
    assert_stderr_contains(
        &refused,
        &["cannot be rewritten at .spec.template.spec.volumes[1].image.reference: "],
    );
    let incomplete = home.plugin(1, "/absent", &["images", "-f", "m.yaml"]);
    assert_stderr_contains(
        &incomplete,
        &["error: incomplete: Deployment/castai-model in m.yaml: volume/model: "],
    );
}
