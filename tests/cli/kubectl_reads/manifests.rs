//! Manifests: the images in what kubectl reads are those that `images -f` lists, and `rewrite -f` renames.

use std::collections::BTreeSet;

use serde_json::{Deserializer, Value, json};

use super::kubectl;
use crate::harness::assert_stderr_contains;
use crate::secrets::Home;

pub(super) const MIRROR: &str = "registry.example/castai";
pub(super) const AGENT: &str = "us-docker.pkg.dev/castai-hub/library/agent:v1";

/// A pod in the flow style, whose name and fields are given.
pub(super) fn pod(name: &str, fields: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{containers: [{{name: a, image: ghcr.io/castai/{name}:v1}}]}}\n{fields}"
    )
}

/// The images in what kubectl reads from a file; `None` if it refuses the file.
fn kubectl_images(home: &Home, file: &str) -> Option<BTreeSet<String>> {
    let output = kubectl(home.path(), "/absent", &["annotate", "--local", "-f", file, "x=y", "-o", "json"]);
    let mut values = Deserializer::from_str(&output.stdout);
    values.disable_recursion_limit();
    let values = values.into_iter::<Value>();
    let mut images = BTreeSet::new();
    let mut open: Vec<Value> = values.map(Result::unwrap).collect();
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                images.extend(members.get("image").and_then(Value::as_str).map(str::to_owned));
                open.extend(members.into_iter().map(|(_, value)| value));
            }
            Value::Array(elements) => open.extend(elements),
            _ => {}
        }
    }
    (output.code == Some(0)).then_some(images)
}

#[test]
fn what_kubectl_reads_is_read() {
    let home = Home::new();
    let (one, two) = (pod("one", ""), pod("two", ""));
    let with = |fields: &str| pod("one", fields);
    let flow = |spec: &str| format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {spec}\n");
    let utf16 = |mark: &[u8], to_bytes: fn(u16) -> [u8; 2], text: &str| {
        [mark.to_vec(), text.encode_utf16().flat_map(to_bytes).collect()].concat()
    };
    let list = (0..300)
        .map(|index| format!("- <<: *d\n  metadata: {{name: castai-{index}, namespace: castai-agent}}\n"));
    let list = format!(
        "apiVersion: v1\nkind: List\nx-base: &d\n  apiVersion: v1\n  kind: Pod\n  spec: {{containers: [{{name: a, image: {AGENT}}}]}}\nitems:\n{}",
        list.collect::<String>()
    );
    let as_json = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "a", "image": AGENT}]}}).to_string();
    let texts = [
        // Files that Windows editors wrote, one behind the other.
        format!("\u{feff}{one}---\n\u{feff}{two}"),
        format!("\u{feff}{one}---\r\n\u{feff}{two}").replace('\n', "\r\n"),
        format!("{one}---\n# two\n\n\u{feff}{two}"),
        format!("\u{feff}---\n\u{feff}{one}"),
        format!("\u{feff}{as_json}"),
        // Tabs, as editors indent JSON.
        flow(&format!("{{\n\tcontainers: [\n\t\t{{name: a, image: {AGENT}}}\n\t]\n}}")),
        flow(&format!(
            "{{\n\t# c\n\t\"containers\": [\n \t\t{{\"name\": \"a\",\n\t\t\"image\": \"{AGENT}\"}}\n\t]\n}}"
        )),
        flow(&format!("\n  containers: [\n\t\t{{name: a, image: {AGENT}}}\n\t]")),
        as_json.replace(',', ",\n\t"),
        with("a:\tb\t# c\nd: |\n  e\n  \tf\ng: {h: \"i\n\tj\"}\n"),
        // Tags.
        with("a: !!timestamp 2024-01-01\nb: !!timestamp &t '2024-01-01T00:00:00Z'\nc: *t\n"),
        with("a: !<tag:yaml.org,2002:timestamp> 2024-01-01\n"),
        with("a: !!binary aGVsbG8=\nb: !Ref c\nd: !!set {e}\nf: !!str 3\ng: !!int '3'\nh: !!null ''\n"),
        with("a: !!binary //79/Pv6\nb: !!binary |\n  //79\n  /Pv6\nc: !binary //79/Pv6\n"),
        // Forms of libyaml, before and behind an image.
        with("a: \"it\\'s\"\n"),
        with("a: [\"b\"]# c\nd: \"e\"# f\ng: {h: 'i'}# j\n"),
        with("a: [-]\nb: {c: -, d: [-, e]}\n"),
        with("a: {b: c:}\nd: [e:, f:]\n"),
        with("a: |# b\n  c# d\n  \"it\\'s\"\ne: >-# f\n  g\n"),
        flow(&format!("{{a: \"it\\'s\", b: [-]# c\n  , containers: [{{name: a, image: {AGENT}}}]# d\n  }}")),
        // Items of a typed list have no kind.
        format!(
            "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {{name: p}}\n  spec: {{containers: [{{name: a, image: {AGENT}}}]}}\n"
        ),
        format!(
            "apiVersion: apps/v1\nkind: DeploymentList\nitems:\n- metadata: {{name: p}}\n  spec: {{template: {{spec: {{containers: [{{name: a, image: {AGENT}}}]}}}}}}\n"
        ),
        // Numbers, booleans and strings that look like them.
        with("a: 12e4567\nb: 014\nc: 0x1f\nd: yes\ne: 123456789012345678901234567890\nf: 1:30\n"),
        // The last of duplicate keys counts.
        format!("{}spec: {{containers: [{{name: a, image: {AGENT}}}]}}\n", pod("one", "")),
        as_json.replace("\"kind\"", "\"kind\":\"x\",\"kind\""),
        // Aliases and merge keys.
        list,
        with("a: &a {b: c}\nd: {<<: *a, b: e}\nf: {<<: [*a, {g: h}]}\n*a : i\n").replace("*a : i\n", ""),
        // Line breaks, markers, comments.
        one.replace('\n', "\r"),
        format!("---\n---\n\n# c\n---\n{one}---\n---   \n{two}...\n"),
        // 200 levels.
        with(&format!("a: {}1{}\n", "{b: ".repeat(198), "}".repeat(198))),
        with(&format!("a: {}1{}\n", "[".repeat(198), "]".repeat(198))),
    ];
    let mut files: Vec<Vec<u8>> = texts.iter().map(|text| text.clone().into_bytes()).collect();
    // What PowerShell's `>` writes.
    let windows = format!("{one}---\n{two}").replace('\n', "\r\n");
    files.push(utf16(b"\xff\xfe", u16::to_le_bytes, &windows));
    files.push(utf16(b"\xfe\xff", u16::to_be_bytes, &windows));
    files.push(utf16(b"\xff\xfe", u16::to_le_bytes, &as_json));
    for bytes in files {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        home.write("m.yaml", bytes);
        let expected = kubectl_images(&home, "m.yaml").unwrap_or_else(|| panic!("kubectl refuses {text}"));
        assert!(!expected.is_empty(), "{text}");
        let output = home.plugin(0, "/absent", &["images", "-f", "m.yaml", "-o", "name"]);
        let listed: BTreeSet<_> = output.stdout.lines().map(str::to_owned).collect();
        assert_eq!(listed, expected, "{text}");
    }
}

#[test]
fn what_kubectl_refuses_is_refused_with_file_place_and_cause() {
    let home = Home::new();
    let with = |fields: &str| pod("one", fields).into_bytes();
    let bomb: Vec<_> = (1..12)
        .map(|level| format!("a{level}: &a{level} [{}]", vec![format!("*a{}", level - 1); 10].join(", ")))
        .collect();
    let unmarked: Vec<u8> = pod("one", "").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cases = [
        (with("a:\n\ts3cret: b\n"), "m.yaml: document 1: a tab in the indentation at line 6"),
        (with("a: *s3cret\n"), "m.yaml: document 1: an alias without an anchor at line 5, column 4"),
        (with("a: [s3cret\n"), "m.yaml: document 1: unclosed bracket '[' at line 5"),
        (with("a: \"s3cret\u{1}\"\n"), "m.yaml: document 1: "),
        (unmarked, "m.yaml: UTF-16 without a byte order mark"),
        (
            with(&format!("a0: &a0 s3cret\n{}\n", bomb.join("\n"))),
            "m.yaml: document 1: its aliases expand to more than 1000000 nodes or 64 MiB of text at line ",
        ),
    ];
    for (bytes, words) in cases {
        home.write("m.yaml", &bytes);
        assert_eq!(kubectl_images(&home, "m.yaml"), None, "{words}");
        for command in ["images", "rewrite"] {
            let output = home.plugin(2, "/absent", &[command, "-f", "m.yaml"]);
            assert_stderr_contains(&output, &[&format!("error: {words}")]);
            for internal in ["udget", "breach", "Nodes", "AliasAnchorRatio"] {
                assert!(!output.stderr.contains(internal), "{}", output.stderr);
            }
        }
    }
    home.write("m.yaml", b"# f\xfcr s3cret\n");
    let output = home.plugin(2, "/absent", &["images", "-f", "m.yaml"]);
    assert_stderr_contains(&output, &["error: m.yaml: not valid UTF-8", "hint: save it as UTF-8", "iconv"]);
    home.write("m.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec: {template: {spec: {containers: [{name: a, env: [{name: A, value: 3}]}]}}}\n");
    let output = home.plugin(2, "/absent", &["images", "-f", "m.yaml"]);
    assert_stderr_contains(
        &output,
        &[
            "error: m.yaml: document 1: Deployment/d: spec.template.spec.containers[0].env[0].value: expected a string",
        ],
    );
}

/// A folder with a base, an overlay, and patches of all kinds.
fn kustomize(home: &Home) {
    let workload = |kind: &str, name: &str, rest: &str| {
        format!("apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: {name}}}\n{rest}\n")
    };
    let containers =
        |containers: &str| format!("spec: {{template: {{spec: {{containers: [{containers}]}}}}}}");
    for folder in ["k/base", "k/overlays/prod"] {
        std::fs::create_dir_all(home.path().join(folder)).unwrap();
    }
    let files = [
        ("base/kustomization.yaml", "kind: Kustomization\nresources: [deployment.yaml]\n".to_owned()),
        ("base/deployment.yaml", workload("Deployment", "castai-agent", &containers(&format!("{{name: agent, image: {AGENT}}}")))),
        ("overlays/prod/kustomization.yaml", "kind: Kustomization\nresources: [../../base]\npatches:\n- path: replicas.yaml\n".to_owned()),
        ("overlays/prod/delete.yaml", workload("Deployment", "castai-cpvpa", "$patch: delete")),
        ("overlays/prod/env.yaml", workload("Deployment", "castai-agent", &containers("{name: agent, env: [{name: A, value: b}]}"))),
        ("overlays/prod/meta.yaml", "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: castai-kvisor-agent, annotations: {a: b}}\n".to_owned()),
        ("overlays/prod/ops.yaml", "- op: add\n  path: /spec/paused\n  value: true\n".to_owned()),
        ("overlays/prod/remove.yaml", workload("Deployment", "castai-agent", &containers("{name: sidecar, $patch: delete}"))),
        ("overlays/prod/replicas.yaml", workload("Deployment", "castai-agent", "spec: {replicas: 3}")),
    ];
    for (name, text) in files {
        home.write(&format!("k/{name}"), text);
    }
}

/// A directory is read, and not built.
const BUILT: &str = "warning: k/overlays/prod/kustomization.yaml may change images (with patches), but is not built: pass \
                     the result of `kubectl kustomize k/overlays/prod` to -f -\n";

#[test]
fn patches_of_kustomize_are_skipped_with_a_note() {
    let home = Home::new();
    kustomize(&home);
    let lock = home.write("lock.json", lock());
    let note = "note: skipped, because they have no pod spec: Deployment/castai-cpvpa in k/overlays/prod/delete.yaml, \
                DaemonSet/castai-kvisor-agent in k/overlays/prod/meta.yaml, Deployment/castai-agent in k/overlays/prod/replicas.yaml\n";
    for flags in [&["-f", "k"][..], &["-R", "-f", "k"], &["-f", "k", "--recursive"]] {
        let images = home.plugin(0, "/absent", &[&["images", "-o", "name"], flags].concat());
        assert_eq!(images.stdout, format!("{AGENT}\n"));
        assert_eq!(images.stderr, format!("{BUILT}{note}"));
        let rewritten = home.plugin(0, "/absent", &[&["rewrite", "--lock", &lock], flags].concat());
        assert!(rewritten.stdout.contains(&format!("image: {MIRROR}/{AGENT}}}")), "{}", rewritten.stdout);
        assert!(rewritten.stdout.contains("$patch: delete") && rewritten.stdout.contains("replicas: 3"));
        assert!(rewritten.stderr.ends_with(note), "{}", rewritten.stderr);
    }
    // A kustomization that has only patches.
    let images = home.plugin(1, "/absent", &["images", "-f", "k/overlays/prod/replicas.yaml"]);
    assert_stderr_contains(
        &images,
        &["note: skipped", "error: no image of Cast AI found in the files given"],
    );
    let alone = home.plugin(2, "/absent", &["images", "-R"]);
    assert_stderr_contains(&alone, &["--filename"]);
}

/// A lock with the agent.
pub(super) fn lock() -> String {
    let digest = format!("sha256:{}", "a".repeat(64));
    let created = "2026-11-26T00:00:00Z";
    json!({
        "apiVersion": "privatelink.cast.ai/v1alpha1", "kind": "Lock", "created": created,
        "destinations": [{"mirror": {"registry": "registry.example", "prefix": "castai"}, "images": [
            {"source": AGENT, "destination": format!("{MIRROR}/{AGENT}"), "digest": digest, "verified": created},
        ]}],
    })
    .to_string()
}

#[test]
fn artifacts_with_a_byte_order_mark_and_in_utf_16_are_read() {
    let home = Home::new();
    let utf16: fn(&str) -> Vec<u8> =
        |text| [b"\xff\xfe".to_vec(), text.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat();
    let marked = |text: &str| format!("\u{feff}{text}").into_bytes();
    let manifest = pod("p", "").replace("ghcr.io/castai/p:v1", AGENT);
    home.write("agent.yaml", &manifest);
    let expected = manifest.replace(AGENT, &format!("{MIRROR}/{AGENT}"));
    let knowledge = "imagePrefixes: [quay.io/acme]\n";
    let plain = |text: &str| text.as_bytes().to_vec();
    for encode in [plain, marked, utf16] {
        home.write("lock.json", encode(&lock()));
        let rewritten = home.plugin(0, "/absent", &["rewrite", "-f", "agent.yaml", "--lock", "lock.json"]);
        assert_eq!(rewritten.stdout, expected);
        home.write("knowledge.yaml", encode(knowledge));
        home.write("acme.yaml", pod("p", "").replace("ghcr.io/castai", "quay.io/acme"));
        let images = home.plugin(
            0,
            "/absent",
            &["images", "-f", "acme.yaml", "-o", "name", "--knowledge", "knowledge.yaml"],
        );
        assert_eq!(images.stdout, "quay.io/acme/p:v1\n");
        // An inventory and a plan are read before the registry is chosen.
        for (flag, kind) in [("--inventory", "Inventory"), ("--plan", "Plan")] {
            let other = json!({"apiVersion": "privatelink.cast.ai/v1alpha1", "kind": "Other"}).to_string();
            home.write("other.json", encode(&other));
            let refused = home.plugin(
                2,
                "/absent",
                &["sync-images", "--no-discover", "--no-rewrite", "--yes", flag, "other.json"],
            );
            assert_stderr_contains(
                &refused,
                &[&format!("invalid file other.json: expected {kind}, found Other")],
            );
        }
    }
    // A manifest in UTF-16 is printed in UTF-8.
    home.write("agent.yaml", utf16(&manifest));
    home.write("lock.json", lock());
    let rewritten = home.plugin(0, "/absent", &["rewrite", "-f", "agent.yaml", "--lock", "lock.json"]);
    assert_eq!(rewritten.stdout, expected);
    // An error names the field.
    home.write("lock.json", lock().replace("sha256:", "sha1:"));
    let refused = home.plugin(2, "/absent", &["rewrite", "-f", "agent.yaml", "--lock", "lock.json"]);
    assert_stderr_contains(&refused, &["error: invalid file lock.json: destinations[0].images[0].digest: "]);
    home.write("knowledge.yaml", "imagePrefixes: 3\n");
    let refused = home.plugin(2, "/absent", &["images", "-f", "acme.yaml", "--knowledge", "knowledge.yaml"]);
    assert_stderr_contains(&refused, &["--knowledge knowledge.yaml: imagePrefixes: "]);
}
