//! Invalid AWS credentials.

use lab::host::Output;

use super::SECRET;
use crate::harness::{assert_stderr_contains, shared_lab};

#[test]
fn invalid_aws_credentials_are_named_and_not_shown() {
    let lab = shared_lab();
    let profile = lab.folder().home().join("aws-config");
    let process = "the credential_process of the AWS profile default failed or printed no credentials";
    let cases = [
        (Some(("AWS_ACCESS_KEY_ID", "AKIA\nX")), "", "error: invalid AWS access key ID: it has a line break"),
        (Some(("AWS_ACCESS_KEY_ID", "AKIÄ")), "", "error: invalid AWS access key ID: it has a line break"),
        (
            Some(("AWS_SESSION_TOKEN", "s3cret\u{1}")),
            "",
            "error: invalid AWS session token: it has a line break",
        ),
        (None, "credential_process = sh -c \"echo s3cret; echo s3cret >&2; exit 1\"", process),
        (None, "credential_process = echo s3cret", process),
        (None, "credential_process = echo '{\"Version\": 1, \"AccessKeyId\": \"s3cret\"}'", process),
        (
            None,
            "aws_secret_access_key s3cret",
            "aws-config: line 2: Expected an '=' sign defining a property",
        ),
        (
            Some(("AWS_ENDPOINT_URL_ECR", "http://u:s3cret@")),
            "",
            "invalid AWS_ENDPOINT_URL_ECR: expected a URL",
        ),
        (
            Some(("AWS_SECRET_ACCESS_KEY", "")),
            "",
            "incomplete AWS credentials in the environment: AWS_ACCESS_KEY_ID",
        ),
    ];
    for (variable, settings, words) in cases {
        std::fs::write(&profile, format!("[default]\n{settings}\n")).unwrap();
        let mut command = lab.plugin_command().unwrap();
        command.args(["sync-images", "--dry-run", "--region=us-east-1"]);
        command.env("AWS_CONFIG_FILE", &profile).env("AWS_EC2_METADATA_DISABLED", "true");
        match variable {
            Some((name, value)) => command.env(name, value),
            None => command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY"),
        };
        let output = Output::from(command.output().unwrap());
        assert_eq!(output.code, Some(2), "{variable:?} {settings}: {}{}", output.stdout, output.stderr);
        assert_stderr_contains(&output, &[words]);
        for text in [&output.stdout, &output.stderr] {
            assert!(!text.contains(SECRET) && !text.contains("panicked"), "{settings}: {text}");
        }
    }
}
