use jiff::Timestamp;

use super::*;
use crate::sync::discover::manifests;
use crate::sync::discover::{Found, ImageFilter, discover};
use crate::sync::plan::assignment::assign;

const AGENT: &str = "us-docker.pkg.dev/castai-hub/library/agent:v1";
const MIRROR: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com";

/// The private name of an image.
pub(super) fn private(image: &str) -> String {
    format!("{MIRROR}/{image}")
}

/// Filters `text` like the command, with `MIRROR` as the destination.
pub(super) fn filtered(text: &str) -> Result<String, String> {
    let manifests = manifests::parse("x.yaml", text).map_err(|error| error.to_string())?.manifests;
    let mirror = MIRROR.parse().unwrap();
    let mut all = Vec::new();
    for manifest in &manifests {
        let found = Found { manifests: std::slice::from_ref(manifest), ..Found::default() };
        let inventory =
            discover(Vec::new(), &[found], &ImageFilter::default(), Vec::new(), Timestamp::UNIX_EPOCH);
        all.extend(edits(manifest, &assign(&inventory, &mirror, &[], Some("us-east-1"))));
    }
    rewrite(text, &all).map_err(|refused| refused.to_string())
}

/// Asserts that only each `AGENT` between `«` and `»` in `text` becomes private.
#[track_caller]
fn assert_marked(text: &str) {
    let public = text.replace(['«', '»'], "");
    let expected = text.replace(&format!("«{AGENT}»"), &private(AGENT));
    assert!(!expected.contains('«'), "a mark is wrong: {text}");
    assert_eq!(filtered(&public).as_deref(), Ok(expected.as_str()), "{public}");
    assert_eq!(filtered(&expected).as_deref(), Ok(expected.as_str()), "twice is once");
}

/// A pod with this text as its container's image, between comments and other fields.
fn pod(image: &str) -> String {
    format!(
        "# {AGENT}\nkind: Pod\nmetadata:\n  name: {AGENT}\nspec:\n  containers:\n  - name: a\n    image: {image}\n    \
         args: [{AGENT}]   # {AGENT}\n"
    )
}

#[test]
fn images_are_located_beside_forms_of_libyaml() {
    let image = format!("«{AGENT}»");
    for other in ["\"it\\'s\"", "[\"b\"]# c", "[-, \"é\"]", "{b: c:}", "|# c\n      d"] {
        let text = format!(
            "kind: Pod\nmetadata:\n  name: p\n  labels:\n    a: {other}\nspec:\n  containers:\n  - name: a\n    image: {image}\n"
        );
        assert_marked(&text);
        assert_marked(&format!("{text}    command: {other}\n"));
        let flow = other.split('|').next().filter(|flow| !flow.is_empty() && !flow.contains('#'));
        if let Some(flow) = flow {
            assert_marked(&format!(
                "kind: Pod\nspec: {{a: {flow}, containers: [{{b: {flow}, image: \"{image}\"}}]# c\n  }}"
            ));
        }
    }
}

#[test]
fn every_style_of_scalar_keeps_its_style() {
    let image = format!("«{AGENT}»");
    for written in [
        image.clone(),
        format!("{image} # {AGENT}"),
        format!("'{image}'\t# {AGENT}"),
        format!("\"{image}\"  "),
        format!("\n      {image}"),
        format!("  # {AGENT}\n\n      {image}"),
        format!("|-\n      {image}"),
        format!("|-  # {AGENT}\n      {image}\n\n  # {AGENT}"),
        format!(">-\n              {image}\n\n"),
        format!("|2-\n      {image}"),
        format!("&img {image}"),
        format!("!!str {image}"),
        format!("!!str &img '{image}'"),
        format!("&img !!str\n      \"{image}\""),
    ] {
        let text = pod(&written);
        assert_marked(&text);
        assert_marked(&text.replace('\n', "\r\n"));
        assert_marked(&format!("\u{feff}{text}"));
        assert_marked(text.trim_end());
        assert_marked(&format!("--- # é\n{text}...\n---\nkind: Secret\ndata: {{a: aGk=}}\n---\n{text}"));
        assert_marked(&format!("%YAML 1.2\n%TAG !e! tag:example.com,2026:\n---\n{text}..."));
    }
}

#[test]
fn images_of_volumes_are_replaced_in_every_form() {
    let block = "kind: Deployment\nmetadata: {name: d}\nspec:\n  template:\n    spec:\n      containers: []\n      volumes:\n\
                 \x20     - name: c\n        configMap: {name: IMAGE}\n\
                 \x20     - name: m\n        image:\n          pullPolicy: Always # IMAGE\n          reference: «IMAGE»\n";
    let flow = "{kind: CronJob, metadata: {name: c}, spec: {jobTemplate: {spec: {template: {spec: {containers: [], \
                volumes: [{name: e, emptyDir: {}}, {image: {reference: '«IMAGE»'}, name: m}]}}}}}}\n";
    let json = "{\"kind\": \"Pod\", \"metadata\": {\"name\": \"IMAGE\"}, \"spec\": {\"containers\": [], \
                \"volumes\": [{\"name\": \"m\", \"image\": {\"reference\":\"«IMAGE»\"}}]}}";
    for text in [block, flow, json] {
        assert_marked(&text.replace("IMAGE", AGENT));
    }
}

#[test]
fn escapes_are_replaced_with_their_scalar() {
    for written in [
        "\"us-docker.pkg.dev\\/castai-hub/library/agent:v1\"",
        "\"us-docker.pkg.dev/castai-hub/\\\n       library/agent:\\x761\"",
        "\"\\u0075s-docker.pkg.dev/castai-hub/library/agent:v1\"",
    ] {
        let expected = pod(&format!("\"{}\"", private(AGENT)));
        assert_eq!(filtered(&pod(written)), Ok(expected), "{written}");
    }
}

#[test]
fn each_image_field_is_found_in_each_form() {
    let image = format!("«{AGENT}»");
    let spec =
        format!("{{containers: [{{name: a, image: {image}}}, {{\"image\":\"{image}\",\"name\":\"b\"}}]}}");
    for text in [
        format!("kind: Deployment\nspec: {{template: {{spec: {spec}}}}}"),
        format!("{{kind: CronJob, spec: {{jobTemplate: {{spec: {{template: {{spec: {spec}}}}}}}}}}}"),
        format!("kind: Rollout\nspec:\n    template:\n            spec: {spec}"),
        format!("kind: PodTemplate\ntemplate: {{spec: {spec}}}"),
        format!(
            "kind: List\nitems:\n- kind: Service\n- kind: Job\n  metadata:\n    annotations:\n      \"helm.sh/hook\": pre-delete\n  spec: {{template: {{spec: {spec}}}}}\n"
        ),
        format!("kind: List\nitems: [{{kind: PodList, items: [{{kind: Pod, spec: {spec}}}]}}]"),
        format!(
            "kind: Pod\nspec:\n  initContainers:\n  - image: {image}\n    name: i\n  ephemeralContainers:\n  - image: '{image}'\n    name: e\n  containers:\n  - image: {image}\n    name: c\n    env:\n    - {{name: SCANNERS_IMAGE, value: \"{image}\"}}\n    - {{name: OTHER_IMAGE, value: \"{AGENT}\"}}\n    - name: JMX_EXPORTER_INIT_IMAGE\n      value: {image}\n"
        ),
        format!(
            "? kind\n: Pod\n? spec\n: ? containers\n  : - ? name\n      : a\n      ? image\n      : {image}\n"
        ),
        format!(
            " \n{{ \"kind\" : \"Pod\",\n\t\"spec\":{{\"containers\":[{{\"name\":\"a\\u0061\",\"image\":\"{image}\"}}]}},\n\"data\":\"\u{7f}{AGENT}\"}}\n{{\"kind\":\"A\"}}"
        ),
        format!(
            "kind: ConfigMap\ndata:\n  pod.yaml: |\n    kind: Pod\n    spec: {{containers: [{{name: a, image: {AGENT}}}]}}\n"
        ),
    ] {
        assert_marked(&text);
    }
}

#[test]
fn escaped_slashes_in_json_are_an_image_too() {
    let text = |image: &str| {
        format!("{{\"kind\":\"Pod\",\"spec\":{{\"containers\":[{{\"image\":{image},\"name\":\"a\"}}]}}}}")
    };
    let before = text("\"us-docker.pkg.dev\\/castai-hub\\/library\\/agent:v1\"");
    assert_eq!(filtered(&before), Ok(text(&format!("\"{}\"", private(AGENT)))));
}

#[test]
fn anchors_are_replaced_once_if_all_aliases_agree() {
    let image = format!("«{AGENT}»");
    for text in [
        format!(
            "kind: Pod\nspec:\n  containers:\n  - name: a\n    image: &i {image}\n  - name: b\n    image: *i\n"
        ),
        format!(
            "kind: Pod\nspec:\n  containers:\n  - &c\n    name: a\n    image: {image}\n  - <<: *c\n    name: b\n"
        ),
        format!(
            "kind: Pod\nspec:\n  containers:\n  - &c {{name: a, image: {image}}}\n  - <<: [*c, {{image: x}}]\n    name: b\n  - {{<<: *c, name: c, image: '{image}'}}\n"
        ),
        format!(
            "kind: List\nitems:\n- kind: Pod\n  spec: &s {{containers: [{{name: a, image: {image}}}]}}\n- kind: Pod\n  spec: *s\n"
        ),
        format!(
            "kind: Pod\nspec:\n  containers:\n  - name: a\n    image: &i {image}\n    env: [{{name: SCANNERS_IMAGE, value: *i}}]\n"
        ),
    ] {
        assert_marked(&text);
    }
}

#[test]
fn edits_that_change_anything_else_are_rejected() {
    let shared = |other: &str| {
        format!(
            "document 1: Pod/p: container/a: its image is shared through an anchor with {other}, which \
             must not change"
        )
    };
    let pod = "kind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: a\n";
    let cases = [
        (format!("kind: Pod\nmetadata: {{name: p, labels: {{x: &i {AGENT}}}}}\nspec:\n  containers:\n  - {{name: a, image: *i}}\n"), shared(".metadata.labels.x")),
        (format!("{pod}    image: &i {AGENT}\n    args: [b, *i]\n"), shared(".spec.containers[0].args[1]")),
        (format!("{pod}    image: !!binary dXMtZG9ja2VyLnBrZy5kZXYvYTp2MQ==\n"), "document 1: Pod/p: container/a: cannot replace its image in this form: write it as \"us-docker.pkg.dev/a:v1\"".to_owned()),
        (format!("{pod}    image: {AGENT}\n---\na: [\n"), "x.yaml: document 2: unclosed bracket '[' at line 8, column 4".to_owned()),
    ];
    for (text, start) in cases {
        let refused = filtered(&text).unwrap_err();
        assert!(refused.starts_with(&start), "{refused}\n{text}");
    }
}

#[test]
fn forms_that_only_kubectl_reads_are_kept() {
    let pod = |image: &str| {
        format!("kind: Pod\nmetadata: {{name: p}}\nspec: {{containers: [{{name: a, {image}}}]}}\n")
    };
    let image = format!("image: «{AGENT}»");
    let marked = pod(&image);
    assert_marked(&format!("\u{feff}{marked}---\n# c\n\u{feff}{marked}---\r\n\u{feff}\u{feff}{marked}"));
    assert_marked(&format!(
        "kind: Pod\nspec: {{\n\tcontainers: [\n\t# {AGENT}\n\t\t{{name: a,\n \t{image}}}\n\t]\n}}\n"
    ));
    assert_marked(&pod(&format!("at: !!timestamp 2024-01-01, {image}")));
    // The last one counts.
    assert_marked(&pod(&format!("image: {AGENT}, {image}")));
    assert_marked(&format!(
        "{{\"kind\": \"Pod\", \"spec\": {{\"containers\": [{{\"image\": \"{AGENT}\", \"image\": \"«{AGENT}»\"}}]}}}}"
    ));
}

#[test]
fn one_value_cannot_be_split_into_two() {
    let text = "a: &i x\nb: *i\n";
    let edit = |field: &str, to: &str| Edit {
        document: 0,
        pointer: vec![field.to_owned()],
        field: field.to_owned(),
        from: "x".to_owned(),
        to: to.to_owned(),
    };
    assert_eq!(rewrite(text, &[edit("a", "new"), edit("b", "new")]).as_deref(), Ok("a: &i new\nb: *i\n"));
    let refused = rewrite(text, &[edit("a", "new"), edit("b", "newer")]).unwrap_err();
    assert!(refused.to_string().contains("a field with another image"), "{refused}");
    assert!(rewrite(text, &[edit("a", "new")]).unwrap_err().to_string().contains("with .b"));
}

#[test]
fn images_that_need_no_mirror_are_unchanged() {
    let near = "602401143452.dkr.ecr.us-east-1.amazonaws.com/eks/pause:3.10";
    let text = pod(&private(AGENT)) + "---\n" + &pod(near) + "---\n" + &pod("\"{{ not an image }}\"");
    assert_eq!(filtered(&text).as_deref(), Ok(text.as_str()));
}

#[test]
fn texts_are_joined_so_that_kubectl_reads_all_documents() {
    let cases: [(&[&str], &str); 7] = [
        (&["a: 1"], "a: 1"),
        (&["\u{feff}a: 1\r\n"], "\u{feff}a: 1\r\n"),
        (&["a: 1", "b: 2\n", "c: 3\n"], "a: 1\n---\nb: 2\n---\nc: 3\n"),
        (&["a: 1\n", "---\nb: 2\n"], "a: 1\n---\nb: 2\n"),
        (&["a: 1\n", "\u{feff}# b\nb: 2\n"], "a: 1\n---\n# b\nb: 2\n"),
        (&["a: 1\n", "%YAML 1.2\n---\nb: 2\n"], "a: 1\n...\n%YAML 1.2\n---\nb: 2\n"),
        (&["{\"a\": 1}", "{\"b\": 2}\n"], "{\"a\": 1}\n{\"b\": 2}\n"),
    ];
    for (texts, expected) in cases {
        let format = if texts[0].starts_with('{') { Format::Json } else { Format::Yaml };
        let joined = join(texts.iter().map(|text| (*text).to_owned()).collect(), format);
        assert_eq!(joined, expected);
        assert_eq!(documents::read(&joined).unwrap().len(), texts.len(), "{joined}");
    }
}
