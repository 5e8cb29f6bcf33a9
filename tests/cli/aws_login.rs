//! Whom AWS is asked as: profiles, the kubeconfig's credential plugin, MFA, and the variables of the AWS CLI.

use lab::host::{ACCESS_KEY, Lab, Output};
use serde_json::{Value, json};

use crate::harness::{MIRROR, QUICK, assert_stderr_contains, own_lab, shared_lab, write_file};

const DRY_RUN: &[&str] = &["sync-images", "--dry-run=client"];
const ROLE: &str = "arn:aws:iam::123456789012:role/deployer";

/// The lab's keys as profile `prod`, and a profile whose role requires MFA.
fn profiles(lab: &Lab) -> String {
    let (id, secret) = ACCESS_KEY;
    let text = format!(
        "[profile prod]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n\n\
         [profile mfa]\nrole_arn = {ROLE}\nsource_profile = prod\nmfa_serial = arn:aws:iam::123456789012:mfa/me\n\n\
         [profile session]\nlogin_session = arn:aws:iam::123456789012:user/me\n"
    );
    write_file(lab, "aws-profiles", &text).display().to_string()
}

/// Runs the plugin with these profiles; a variable without a value is removed.
#[track_caller]
fn run(lab: &Lab, code: i32, arguments: &[&str], variables: &[(&str, Option<&str>)]) -> Output {
    let mut command = lab.plugin_command().unwrap();
    command.args(arguments).args(QUICK);
    command.env("AWS_CONFIG_FILE", profiles(lab)).env("AWS_EC2_METADATA_DISABLED", "true");
    for (name, value) in variables {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = Output::from(command.output().unwrap());
    assert_eq!(output.code, Some(code), "{arguments:?}: {}{}", output.stdout, output.stderr);
    output
}

const WITHOUT_KEYS: [(&str, Option<&str>); 2] =
    [("AWS_ACCESS_KEY_ID", None), ("AWS_SECRET_ACCESS_KEY", None)];

/// The lab's kubeconfig, whose user also has a plugin. It cannot run: a client certificate comes before it.
fn with_plugin(lab: &Lab, arguments: &[&str], variables: &Value) -> String {
    let text = std::fs::read_to_string(lab.folder().kubeconfig()).unwrap();
    let plugin = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "command": "aws", "interactiveMode": "Never",
        "args": arguments, "env": variables,
    });
    let file = write_file(lab, "with-plugin", &format!("{}\n    exec: {plugin}\n", text.trim_end()));
    format!("--kubeconfig={}", file.display())
}

#[test]
fn the_kubeconfigs_profile_is_used_if_no_other_is_chosen() {
    let lab = shared_lab();
    let note = "note: AWS is used with the profile prod of the kubeconfig's user";
    for (arguments, variables) in [
        (&["eks", "get-token", "--profile", "prod"][..], json!(null)),
        (&["eks", "get-token"], json!([{"name": "AWS_PROFILE", "value": "prod"}])),
    ] {
        let kubeconfig = with_plugin(lab, arguments, &variables);
        let output = run(lab, 0, &[DRY_RUN, &[&kubeconfig]].concat(), &WITHOUT_KEYS);
        assert_eq!(output.stderr.matches(note).count(), 1, "{}", output.stderr);
        assert!(output.stdout.contains("to copy"), "{}", output.stdout);
    }

    // The environment and the flag are chosen by the user.
    let kubeconfig = with_plugin(lab, &["eks", "get-token", "--profile", "missing"], &json!(null));
    let keys = run(lab, 0, &[DRY_RUN, &[&kubeconfig]].concat(), &[]);
    let flag = run(lab, 0, &[DRY_RUN, &[&kubeconfig, "--profile=prod"]].concat(), &WITHOUT_KEYS);
    for output in [keys, flag] {
        assert!(!output.stderr.contains("AWS is used with"), "{}", output.stderr);
    }
    // No ECR, no AWS.
    let other = [DRY_RUN, &[&kubeconfig, "--registry=registry.example/x"]].concat();
    let output = run(lab, 2, &other, &WITHOUT_KEYS);
    assert!(!output.stderr.contains("AWS"), "{}", output.stderr);
}

#[test]
fn the_flag_precedes_keys_in_the_environment() {
    let lab = shared_lab();
    let variables = [("AWS_ACCESS_KEY_ID", Some("AKIAUNKNOWN"))];
    run(lab, 0, &[DRY_RUN, &["--profile=prod"]].concat(), &variables);
    let output = run(lab, 2, &[DRY_RUN, &["--profile=missing"]].concat(), &[]);
    assert_stderr_contains(
        &output,
        &["error: the AWS profile missing does not exist", "available: mfa, prod, session"],
    );
}

#[test]
fn a_role_is_assumed_and_a_missing_mfa_code_is_named() {
    let lab = own_lab();
    let kubeconfig =
        with_plugin(&lab, &["eks", "get-token", "--profile=prod", "--role-arn", ROLE], &json!(null));
    lab.control().delete("/aws/requests").unwrap();
    // The lab's ECR does not know the keys of the role's session.
    let output = run(&lab, 2, &[DRY_RUN, &[&kubeconfig]].concat(), &WITHOUT_KEYS);
    assert_stderr_contains(&output, &[&format!("profile prod and role {ROLE} of the kubeconfig's user")]);
    let calls: Value = lab.control().get("/aws/requests").unwrap();
    let actions: Vec<_> =
        calls.as_array().unwrap().iter().map(|call| call["action"].as_str().unwrap()).collect();
    assert_eq!(actions[..2], ["AssumeRole", "GetCallerIdentity"]);

    let fault = json!([{"service": "sts", "action": "AssumeRole", "fault": "access-denied"}]);
    lab.control().put("/aws/faults", &fault).unwrap();
    let output = run(&lab, 2, &[DRY_RUN, &["--profile=mfa"]].concat(), &[]);
    assert_stderr_contains(
        &output,
        &[
            "error: the AWS profile mfa requires an MFA code, which only the AWS CLI asks for",
            "hint: run: eval \"$(aws configure export-credentials --profile mfa --format env)\", and run again",
        ],
    );
    let output = run(&lab, 2, &[DRY_RUN, &[&kubeconfig]].concat(), &WITHOUT_KEYS);
    assert_stderr_contains(&output, &[&format!("error: sts:AssumeRole on {ROLE} failed: AccessDenied")]);
    assert!(!output.stderr.contains("MFA"), "this profile has no device: {}", output.stderr);
}

#[test]
fn sessions_of_aws_login_are_used() {
    let output = run(shared_lab(), 2, &[DRY_RUN, &["--profile=session"]].concat(), &[]);
    assert_stderr_contains(
        &output,
        &["error: no session of aws login for the AWS profile session", "aws login --profile"],
    );
    assert!(!output.stderr.contains("feature"), "{}", output.stderr);
}

#[test]
fn variables_of_the_aws_cli_are_honoured() {
    let lab = shared_lab();
    let authority = lab.folder().authority_certificate().display().to_string();
    let others = "/etc/ssl/certs/ca-certificates.crt";
    let bundle = |path| [("SSL_CERT_FILE", Some(others)), ("AWS_CA_BUNDLE", path)];
    run(lab, 0, DRY_RUN, &bundle(Some(&authority)));
    assert_stderr_contains(&run(lab, 2, DRY_RUN, &bundle(None)), &["signed by unknown authority"]);
    let output = run(lab, 2, DRY_RUN, &bundle(Some("/missing.pem")));
    assert_stderr_contains(&output, &["invalid AWS_CA_BUNDLE /missing.pem: "]);

    // An empty variable counts as unset.
    let empty =
        ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_ECR", "AWS_ENDPOINT_URL_STS", "AWS_PROFILE", "AWS_CA_BUNDLE"];
    run(lab, 0, DRY_RUN, &empty.map(|name| (name, Some(""))));
    run(lab, 0, DRY_RUN, &[&WITHOUT_KEYS[..], &[("AWS_DEFAULT_PROFILE", Some("prod"))]].concat());

    // Another region's STS answers for a region without one.
    let endpoint = [("AWS_ENDPOINT_URL_STS", Some("https://sts.us-east-1.amazonaws.com"))];
    let output = run(lab, 2, &[DRY_RUN, &["--region=us-east-9"]].concat(), &endpoint);
    assert_stderr_contains(&output, &["ecr:ListImages"]);
    let endpoint = [("AWS_ENDPOINT_URL_ECR", Some("https://ecr.corp.example"))];
    let output = run(lab, 2, &[DRY_RUN, &["--registry", MIRROR]].concat(), &endpoint);
    assert_stderr_contains(&output, &["not found in DNS"]);
}
