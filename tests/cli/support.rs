//! Labs for tests, and what a plugin's run left behind.

use std::sync::OnceLock;

use lab::host::{Lab, Output};
use lab::settings::{Fixture, Settings};
use serde_json::Value;

/// A lab of its own, for a test that changes the cluster or the registries, or breaks something.
pub(crate) fn own_lab() -> Lab {
    Lab::start(&Settings::default()).expect("the lab starts")
}

/// A lab of its own without Cast AI.
pub(crate) fn empty_lab() -> Lab {
    Lab::start(&Settings { fixture: Fixture::Empty, ..Settings::default() }).expect("the lab starts")
}

/// The one lab for tests that change nothing. It ends with the test process.
pub(crate) fn shared_lab() -> &'static Lab {
    static LAB: OnceLock<Lab> = OnceLock::new();
    LAB.get_or_init(own_lab)
}

/// Runs the plugin and asserts its exit code; everything it printed is shown where that differs.
#[track_caller]
pub(crate) fn plugin(lab: &Lab, code: i32, arguments: &[&str]) -> Output {
    let output = lab.plugin(arguments).expect("the plugin runs");
    assert_eq!(
        output.code,
        Some(code),
        "kubectl castai-privatelink {}\nstdout:\n{}\nstderr:\n{}",
        arguments.join(" "),
        output.stdout,
        output.stderr
    );
    output
}

/// The plugin's standard output as JSON.
#[track_caller]
pub(crate) fn json(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}:\n{}", output.stdout))
}

/// What kubectl says as JSON.
#[track_caller]
pub(crate) fn kubectl_json(lab: &Lab, arguments: &[&str]) -> Value {
    let output = lab.kubectl(&[arguments, &["-o", "json"]].concat()).expect("kubectl runs");
    assert_eq!(output.code, Some(0), "kubectl {}: {}", arguments.join(" "), output.stderr);
    json(&output)
}
