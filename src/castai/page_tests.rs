//! Tests that `docs/components.md` matches the records.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::records;
use crate::model::knowledge::{DerivedEndpoint, Evidence, Form, Knowledge, Protocol};

const HEAD: &str = "# Cast AI's components

The plugin's data on each component of Cast AI: images, charts, Helm values and endpoints. Cast AI publishes no such list.
To add data that is missing here, use `--knowledge` with a file that has the same fields: [fields of a knowledge
file](images.md#a-knowledge-file). How the plugin finds images in a cluster is described in [images.md](images.md).

- **Known from** is *program and chart* if both are public, *chart* if only the chart is, and *documents* if neither is. In
  the last case, images may be missing.
- **Not known** lists open questions about the component.
- **In no running workload** lists images that only hooks, Jobs or injected containers use.
- **Value** is a value of the chart that sets the repository of an image. A value *of* another chart belongs to a subchart
  and is prefixed with its name: `vllm.image.repository`.
- **`global.registry`**: *honoured from* a version on means that this one value is enough for the image. *Not seen* means
  that no known version of the chart honours it, so the plugin sets the value of the image ([persist.md](persist.md)).
- **Rollout order**: components without a number are changed first, and the highest number last.

This page is generated from `src/castai/components/`, where each entry has its source:
`UPDATE_DOCS=1 cargo test --workspace --lib castai`.

";

fn code<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    names.into_iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ")
}

const fn evidence(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Source => "program and chart",
        Evidence::Chart => "chart",
        Evidence::Documents => "documents",
    }
}

const fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Https => "HTTPS",
        Protocol::Grpc => "gRPC",
    }
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    let (common, components): (Vec<_>, Vec<_>) = records().iter().partition(|one| one.component.is_empty());
    page.push_str("| Component | What it does | Known from |\n| --- | --- | --- |\n");
    for component in &components {
        let Knowledge { component: name, description, .. } = component;
        let known = component.evidence.map(evidence).unwrap_or_default();
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(page, "| [{name}](#{name}) | {description} | {known} |");
    }
    for (name, component) in common
        .into_iter()
        .map(|common| ("All components", common))
        .chain(components.into_iter().map(|component| (component.component.as_str(), component)))
    {
        let _ = write!(page, "\n## {name}\n\n{}\n\n", component.description);
        section(&mut page, component);
    }
    page
}

fn section(page: &mut String, component: &Knowledge) {
    let mut line = |name: &str, text: String| {
        if !text.is_empty() {
            let _ = writeln!(page, "- **{name}:** {text}");
        }
    };
    line("Known from", component.evidence.map(evidence).unwrap_or_default().to_owned());
    line("Not known", component.unknown.join(" "));
    line("Namespaces", code(&component.namespaces));
    line("Charts", code(&component.charts));
    line("Image prefixes", code(&component.image_prefixes));
    line("Images", code(&component.repositories));
    for (image, of) in &component.hidden_images {
        line("In no running workload", format!("`{image}`: {of}"));
    }
    line("Variables with an image", code(&component.variables));
    for variable in &component.other_variables {
        let why = variable.reason.as_deref().unwrap_or("its value is a tag");
        line("Variable without an image", format!("`{}`: {why}", variable.name));
    }
    for rule in &component.derived_images {
        let text = format!(
            "`{}`, named after `{}` with the first `{}` in it replaced by `{}`, unless `{}` is set (value `{}`)",
            rule.name, rule.from, rule.replaces, rule.with, rule.variable, rule.key
        );
        line("Derived image", text);
    }
    for resource in &component.resources {
        let text = format!("`{}` in {}", resource.plural(), code(&resource.fields));
        line("Custom resource with images", text);
        line("Changes of this resource", resource.on_change.clone().unwrap_or_default());
    }
    line("Label of the pods that it starts", labels(&component.started_labels));
    let starts = component.added_containers.iter().map(|start| format!("{start}…"));
    line("Containers that are injected into other pods", code(starts));
    line("Workloads without its labels", code(&component.workloads));
    for patched in &component.patches {
        line("Patches", format!("`{}` in namespace `{}`", patched.workload, patched.namespace));
    }
    for upgrader in &component.upgraders {
        line("Upgrades charts", format!("`{}` {}", upgrader.workload, upgrader.reverts));
    }
    line("Field managers", code(component.field_managers.keys()));
    let order = component.rollout_order.iter().map(|(name, order)| format!("`{name}` {order}"));
    line("Rollout order", order.collect::<Vec<_>>().join(", "));
    let variables = component.endpoint_variables.iter();
    let variables = variables.map(|(name, spoken)| format!("`{name}` ({})", protocol(*spoken)));
    line("Endpoint variables", variables.collect::<Vec<_>>().join(", "));
    for file in &component.endpoint_files {
        let place = file.pointer.trim_start_matches('/').replace('/', ".");
        let spoken = protocol(file.protocol);
        line("Endpoint in a file", format!("`{place}` in `{}` of `{}` ({spoken})", file.key, file.image));
    }
    for rule in &component.derived_endpoints {
        line("Derived endpoint", derived_endpoint(rule));
    }
    values(page, component);
}

fn labels(labels: &BTreeMap<String, String>) -> String {
    code(labels.iter().map(|(key, value)| format!("{key}={value}")))
}

/// For example: from `API_URL`: `api.cast.ai` becomes `x.cast.ai`, any other `api.…` becomes `x.…`; unless `X` is set
/// (gRPC).
fn derived_endpoint(rule: &DerivedEndpoint) -> String {
    let hosts = rule.hosts.iter().map(|(host, becomes)| format!("`{host}` becomes `{becomes}`"));
    let any = if rule.hosts.is_empty() { "" } else { "any other " };
    let others = rule
        .others
        .iter()
        .map(|rule| format!("{any}`{}…{}` becomes `{}…{}`", rule.begins, rule.ends, rule.becomes, rule.ends));
    let mut text = format!(
        "from `{}` ({}): {}",
        rule.from,
        protocol(rule.protocol),
        hosts.chain(others).collect::<Vec<_>>().join(", ")
    );
    if !rule.unless.is_empty() {
        let _ = write!(text, "; not if {} is set", code(rule.unless.keys()));
    }
    text
}

fn values(page: &mut String, component: &Knowledge) {
    if component.chart_values.is_empty() {
        return;
    }
    page.push_str("\n| Value | Image | Holds | `global.registry` |\n| --- | --- | --- | --- |\n");
    for value in &component.chart_values {
        let is_inner = !component.charts.contains(&value.chart);
        let of = if is_inner { format!(" of `{}`", value.chart) } else { String::new() };
        let image = if value.image == "*" { "all".to_owned() } else { format!("`{}`", value.image) };
        let holds = match value.form {
            Form::Repository => "the repository",
            Form::Stem => "the repository without `-agent` or `-controller`",
            Form::Registry => "the repository up to the last slash",
        };
        let global = value.global_since.as_ref();
        let global = global.map_or("not seen".to_owned(), |since| format!("honoured from {since} on"));
        let _ = writeln!(page, "| `{}`{of} | {image} | {holds} | {global} |", value.key);
    }
}

#[test]
fn the_page_of_components_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/components.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, page()).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == page(),
        "docs/components.md differs from the records; update it with: UPDATE_DOCS=1 cargo test --workspace --lib castai"
    );
}

/// Takes the field names from the error for an unknown field.
#[test]
fn every_field_of_a_knowledge_file_is_documented() {
    let error = serde_json::from_value::<Knowledge>(serde_json::json!({"x": 1})).unwrap_err().to_string();
    let fields: Vec<_> = error.split('`').skip(3).step_by(2).collect();
    assert!(fields.len() > 20, "{error}");
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/images.md")).unwrap();
    let (_, section) = page.split_once("### A knowledge file").unwrap();
    let missing: Vec<_> =
        fields.into_iter().filter(|field| !section.contains(&format!("| `{field}` |"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
