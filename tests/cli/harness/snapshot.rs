//! Snapshots of the output that users see: in a pipe, on terminals of 80, 120 and 200 columns, and as documents. Values that
//! differ between runs are replaced.

use lab::host::{Lab, Output};
use serde_json::Value;

use super::run::{parse_json, plugin};
use super::terminal::{COLUMNS, Terminal};

/// Patterns of values that differ between runs, and their placeholders.
const VARYING: [(&str, &str); 8] = [
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<TIME>"),
    // Names of pods: the hash of a template, and a suffix.
    (r"(-[0-9a-f]{8,10})-[bcdfghjklmnpqrstvwxz2456789]{5}\b", "-<POD>"),
    (r"port \d{5}", "port <PORT>"),
    (r"/[^ ]*/lab[-.][^/ ]*/", "<LAB>/"),
    (r"pid \d+", "pid <PID>"),
    // Of a security group that was created.
    (r"\(sg-[0-9a-f]{17}\)", "(<GROUP>)"),
    (r"\b\d+ ms\b", "<DURATION>"),
    (r"about \d+ requests", "about <COUNT> requests"),
];

/// Members of documents that differ between runs.
const VARYING_MEMBERS: [&str; 5] = ["created", "verified", "at", "time", "milliseconds"];

fn settings(description: &str) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../screens/snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(description);
    for (pattern, word) in VARYING {
        settings.add_filter(pattern, word);
    }
    settings
}

/// Runs the plugin in a pipe, and compares both streams and the exit code with the snapshot `name`.
#[track_caller]
pub(crate) fn snapshot_in_pipe(lab: &Lab, name: &str, code: i32, arguments: &[&str]) -> Output {
    let output = plugin(lab, code, arguments);
    snapshot_output(name, &arguments.join(" "), &output);
    output
}

/// Compares what a command printed with the snapshot `name`.
#[track_caller]
pub(crate) fn snapshot_output(name: &str, command: &str, output: &Output) {
    let stderr = match in_steady_order(&output.stderr) {
        lines if lines.is_empty() => String::new(),
        lines => format!("--- stderr\n{lines}"),
    };
    let code = output.code.expect("an exit code");
    let text =
        format!("$ kubectl castai-privatelink {command}\n{}{stderr}--- exit code {code}\n", output.stdout);
    settings("in a pipe").bind(|| insta::assert_snapshot!(format!("{name}-pipe"), text));
}

/// Images are copied concurrently, and broken components are rolled out concurrently, so the order of their lines varies.
fn in_steady_order(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    for is_one in [is_of_an_image, is_rolled_out] {
        let mut sorted: Vec<&str> = lines.iter().copied().filter(|line| is_one(line)).collect();
        sorted.sort_unstable();
        let places = lines.iter_mut().filter(|line| is_one(line));
        places.zip(sorted).for_each(|(place, line)| *place = line);
    }
    lines.iter().fold(String::new(), |text, line| text + line + "\n")
}

fn is_of_an_image(line: &str) -> bool {
    line.starts_with("copied ") || line.starts_with("failed ")
}

fn is_rolled_out(line: &str) -> bool {
    line.ends_with(" successfully rolled out")
}

/// Compares a text of a test with the snapshot `name`.
#[track_caller]
pub(crate) fn snapshot_text(name: &str, text: &str) {
    settings("made by the test").bind(|| insta::assert_snapshot!(name, text));
}

/// Compares the output of a command on terminals of each width with snapshots. `answer` is typed at the prompt.
#[track_caller]
pub(crate) fn snapshot_on_terminals(lab: &Lab, name: &str, arguments: &[&str], answer: &str) {
    for columns in COLUMNS {
        let screen = Terminal { columns }.show(lab, arguments, answer);
        let text = format!("$ kubectl castai-privatelink {}\n{screen}", arguments.join(" "));
        settings("on a terminal").bind(|| insta::assert_snapshot!(format!("{name}-{columns}"), text));
    }
}

/// Runs the plugin with `-o json` and compares the document with the snapshot `name`; `-o yaml` must be the same.
#[track_caller]
pub(crate) fn snapshot_document(lab: &Lab, name: &str, code: i32, arguments: &[&str]) {
    let json = parse_json(&plugin(lab, code, &[arguments, &["-o", "json"]].concat()));
    let yaml = plugin(lab, code, &[arguments, &["-o", "yaml"]].concat()).stdout;
    let yaml: Value = serde_saphyr::from_str(&yaml).unwrap_or_else(|error| panic!("{error}:\n{yaml}"));
    assert_eq!(without_varying(json.clone()), without_varying(yaml), "{name}: JSON and YAML");
    snapshot_value(name, json);
}

/// Compares a document, such as a file, with the snapshot `name`.
#[track_caller]
pub(crate) fn snapshot_value(name: &str, value: Value) {
    let value = without_varying(value);
    settings("as JSON").bind(|| insta::assert_json_snapshot!(format!("{name}-json"), value));
}

fn without_varying(mut value: Value) -> Value {
    replace_varying(&mut value);
    value
}

fn replace_varying(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if VARYING_MEMBERS.contains(&name.as_str()) {
                    *member = "<TIME>".into();
                }
                replace_varying(member);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(replace_varying),
        _ => {}
    }
}
