//! Labs, and runs of the plugin in them.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use lab::host::{Lab, Output};
use lab::settings::{Fixture, Settings};
use serde_json::Value;

use super::vpc::complete_vpc;

/// Few and quick retries, so that a failure shows at once. Timeouts keep their defaults, because a busy machine is slow
/// to respond.
pub(crate) const QUICK: &[&str] = &["--retries=1", "--retry-delay=10ms"];

/// A separate lab, for a test that changes the cluster or the registries, or breaks something.
pub(crate) fn own_lab() -> Lab {
    Lab::start(&Settings::default()).expect("the lab starts")
}

/// A separate lab without Cast AI.
pub(crate) fn empty_lab() -> Lab {
    Lab::start(&Settings { fixture: Fixture::Empty, ..Settings::default() }).expect("the lab starts")
}

/// A separate lab with every component of Cast AI.
pub(crate) fn whole_cluster_lab() -> Lab {
    Lab::start(&Settings { fixture: Fixture::WholeCluster, ..Settings::default() }).expect("the lab starts")
}

/// A separate lab whose VPC has everything that Cast AI needs.
pub(crate) fn complete_lab() -> Lab {
    let lab = own_lab();
    complete_vpc(&lab);
    lab
}

/// A shared lab for tests that change nothing, whose VPC has everything that Cast AI needs. It ends with the test process.
pub(crate) fn shared_lab() -> &'static Lab {
    static LAB: OnceLock<Lab> = OnceLock::new();
    LAB.get_or_init(complete_lab)
}

/// Runs the plugin and asserts its exit code; a failure shows everything that it printed.
#[track_caller]
pub(crate) fn plugin(lab: &Lab, code: i32, arguments: &[&str]) -> Output {
    let output = lab.plugin(arguments).expect("the plugin runs");
    assert_exit_code(&output, code, arguments);
    output
}

/// Runs `sync-images --yes` with few retries and asserts its exit code.
#[track_caller]
pub(crate) fn sync(lab: &Lab, code: i32, arguments: &[&str]) -> Output {
    plugin(lab, code, &[&["sync-images", "--yes"], QUICK, arguments].concat())
}

/// Runs the plugin without AWS credentials, and asserts its exit code.
#[track_caller]
pub(crate) fn plugin_without_aws(lab: &Lab, code: i32, arguments: &[&str]) -> Output {
    let mut command = lab.plugin_command().expect("the plugin");
    command.args(arguments).env("AWS_EC2_METADATA_DISABLED", "true");
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    let output = Output::from(command.output().expect("the plugin runs"));
    assert_exit_code(&output, code, arguments);
    output
}

/// Runs the plugin without a kubeconfig, with `input` as its standard input.
pub(crate) fn plugin_without_kubeconfig(lab: &Lab, arguments: &[&str], input: &str) -> Output {
    let mut command = lab.plugin_command().expect("the plugin");
    command.args(arguments).env_remove("KUBECONFIG");
    run_with_input(command, input)
}

/// Runs a command with `input` as its standard input.
pub(crate) fn run_with_input(mut command: Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    // A command that rejects its flags does not read its input.
    let _ = child.stdin.take().expect("its input").write_all(input.as_bytes());
    Output::from(child.wait_with_output().expect("the command ends"))
}

#[track_caller]
fn assert_exit_code(output: &Output, code: i32, arguments: &[&str]) {
    assert_eq!(
        output.code,
        Some(code),
        "kubectl castai-privatelink {}\nstdout:\n{}\nstderr:\n{}",
        arguments.join(" "),
        output.stdout,
        output.stderr
    );
}

/// The standard output as JSON.
#[track_caller]
pub(crate) fn parse_json(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}:\n{}", output.stdout))
}

/// Asserts that stderr contains each of `parts`.
#[track_caller]
pub(crate) fn assert_stderr_contains(output: &Output, parts: &[&str]) {
    for part in parts {
        assert!(output.stderr.contains(part), "stderr lacks `{part}`:\n{}", output.stderr);
    }
}
