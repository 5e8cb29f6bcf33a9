//! The content of generated manifests: workloads of every kind, and values that only look like images.

use serde_json::{Map, Value, json};

use super::dice::Dice;

/// One document, and JSON pointers to the values that must become private.
pub(super) struct Made {
    pub(super) value: Value,
    pub(super) images: Vec<String>,
}

const PUBLIC: [&str; 6] = [
    "us-docker.pkg.dev/castai-hub/library/agent:v0.161.1",
    "ghcr.io/castai/kvisor/kvisor-agent:v1.164.8",
    "castai/hibernate:v0.14",
    "docker.io/alpine/k8s:1.33.12",
    "registry.k8s.io/cpa/cpvpa:v0.8.4",
    "ghcr.io/x/y:v1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
];

/// Reachable images, private images, and values that are not images.
const LEFT_ALONE: [&str; 4] = [
    "602401143452.dkr.ecr.us-east-1.amazonaws.com/eks/pause:3.10",
    "123456789012.dkr.ecr.us-east-1.amazonaws.com/castai/hibernate:v0.14",
    "{{ .Values.image }}",
    "No Image: at all # none",
];

const TEXTS: [&str; 12] = [
    "plain",
    "",
    "it's \"quoted\"",
    "yes",
    "0x1F",
    "# no comment",
    "- no list",
    "a: b, [c] {d} & *e",
    " spaces ",
    "tab\tand é 😀 \u{a0}",
    "two\nlines\n",
    "kind: Pod\nspec:\n  containers:\n  - image: castai/hibernate:v0.14\n",
];

pub(super) fn make(dice: &mut Dice) -> Made {
    let mut made = match dice.below(8) {
        0 => other(dice),
        1 => list(dice),
        _ => workload(dice),
    };
    made.images.sort();
    made
}

fn list(dice: &mut Dice) -> Made {
    let (mut items, mut images) = (Vec::new(), Vec::new());
    for index in 0..dice.below(4) {
        let item = if dice.once_in(3) { other(dice) } else { workload(dice) };
        images.extend(item.images.iter().map(|pointer| format!("/items/{index}{pointer}")));
        items.push(item.value);
    }
    let kind = dice.pick(&["List", "DeploymentList"]);
    Made { value: json!({"apiVersion": "v1", "kind": kind, "items": items}), images }
}

fn workload(dice: &mut Dice) -> Made {
    let (kind, path) = dice.pick(&[
        ("Deployment", "/spec/template/spec"),
        ("DaemonSet", "/spec/template/spec"),
        ("StatefulSet", "/spec/template/spec"),
        ("Job", "/spec/template/spec"),
        ("CronJob", "/spec/jobTemplate/spec/template/spec"),
        ("Pod", "/spec"),
        ("PodTemplate", "/template/spec"),
        ("Rollout", "/spec/template/spec"),
    ]);
    let mut images = Vec::new();
    let mut value = json!({"apiVersion": "apps/v1", "kind": kind, "metadata": metadata(dice)});
    let mut place = &mut value;
    for token in path.split('/').skip(1) {
        place = place.as_object_mut().unwrap().entry(token).or_insert_with(|| json!({}));
    }
    let lists = ["containers", "initContainers", "ephemeralContainers"];
    for list in &lists[..=dice.below(3)] {
        let mut containers: Vec<Value> = Vec::new();
        for index in 0..=dice.below(3) {
            let pointer = format!("{path}/{list}/{index}");
            // A copy of the container with another name, for merge keys.
            let container = match containers.last() {
                Some(Value::Object(last)) if dice.once_in(3) => last.clone(),
                _ => container(dice),
            };
            // Components do not run as ephemeral containers, so variables of those do not count.
            let fields = images_of(&container)
                .into_iter()
                .filter(|field| *list != "ephemeralContainers" || field == "/image");
            images.extend(fields.map(|field| pointer.clone() + &field));
            let mut container = container;
            container.insert("name".to_owned(), format!("{}{index}", &list[..1]).into());
            containers.push(container.into());
        }
        place[*list] = containers.into();
    }
    place["hostNetwork"] = dice.once_in(2).into();
    Made { value, images }
}

fn container(dice: &mut Dice) -> Map<String, Value> {
    let mut container = json!({"image": image(dice), "imagePullPolicy": "Always"});
    if dice.once_in(2) {
        // Arguments and other variables are not images, whatever their values.
        container["args"] = json!([dice.pick(&PUBLIC), "--image", dice.pick(&TEXTS), dice.pick(&PUBLIC)]);
        container["ports"] = json!([{"containerPort": 1 + dice.below(65535)}]);
    }
    if dice.once_in(2) {
        let mut variables = vec![json!({"name": "AGENT_IMAGE", "value": dice.pick(&PUBLIC)})];
        for name in ["SCANNERS_IMAGE", "JMX_EXPORTER_INIT_IMAGE"] {
            if dice.once_in(2) {
                variables.push(json!({"name": name, "value": image(dice)}));
            }
        }
        variables.push(json!({"name": "TEXT", "value": dice.pick(&TEXTS)}));
        container["env"] = variables.into();
    }
    match container {
        Value::Object(container) => container,
        _ => Map::new(),
    }
}

fn image(dice: &mut Dice) -> &'static str {
    if dice.once_in(5) { dice.pick(&LEFT_ALONE) } else { dice.pick(&PUBLIC) }
}

/// Pointers to the values of a container that must become private. A container with an invalid image is ignored.
fn images_of(container: &Map<String, Value>) -> Vec<String> {
    let is_public = |value: &Value| PUBLIC.iter().any(|public| value == public);
    let is_image = |value: &Value| is_public(value) || LEFT_ALONE[..2].iter().any(|image| value == image);
    if !is_image(&container["image"]) {
        return Vec::new();
    }
    let mut images = Vec::new();
    if is_public(&container["image"]) {
        images.push("/image".to_owned());
    }
    let variables = container.get("env").and_then(Value::as_array);
    for (index, variable) in variables.into_iter().flatten().enumerate() {
        let is_image_field =
            ["SCANNERS_IMAGE", "JMX_EXPORTER_INIT_IMAGE"].iter().any(|name| variable["name"] == *name);
        if is_image_field && is_public(&variable["value"]) {
            images.push(format!("/env/{index}/value"));
        }
    }
    images
}

fn metadata(dice: &mut Dice) -> Value {
    let mut metadata = json!({"name": format!("w{}", dice.below(3))});
    if dice.once_in(2) {
        metadata["annotations"] =
            json!({"helm.sh/hook": "pre-delete", "image": dice.pick(&PUBLIC), "x/y": dice.pick(&TEXTS)});
    }
    metadata
}

fn other(dice: &mut Dice) -> Made {
    let data = |dice: &mut Dice| {
        let bytes: String = (0..dice.below(120)).map(|_| dice.pick(&['A', 'q', '7', '+', '/'])).collect();
        bytes + "=="
    };
    let value = match dice.below(5) {
        0 => {
            json!({"kind": "Secret", "metadata": metadata(dice), "data": {"tls.crt": data(dice), "binary": data(dice)}})
        }
        1 => json!({"kind": "ConfigMap", "metadata": metadata(dice), "data": {
            "image": dice.pick(&PUBLIC), "pod.yaml": TEXTS[11], "text": dice.pick(&TEXTS), "more": dice.pick(&TEXTS)
        }}),
        2 => {
            json!({"kind": "Component", "spec": {"values": {"image": dice.pick(&PUBLIC), "containers": []}, "numbers": [1.5, -3, null, true, {}]}})
        }
        3 => {
            json!({"kind": "Service", "spec": {"template": {"spec": 1}, "containers": [{"image": dice.pick(&PUBLIC)}]}})
        }
        _ => json!([dice.pick(&TEXTS), [], [dice.pick(&PUBLIC), [1]], {"a": {"b": null}}]),
    };
    Made { value, images: Vec::new() }
}
