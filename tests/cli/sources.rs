//! Where source images are read, and with which login.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use lab::host::Lab;
use lab::registry::image::{Form, Recipe};
use serde_json::json;

use crate::harness::{
    AGENT, ECR, QUICK, assert_stderr_contains, clear_traffic, ecr_digest, mirrored_digest, own_lab, plugin,
    publish_to, sync, traffic, write_file,
};

const OCI: &str = "registry.corp.example";
const PULLED: &str = "castai-hub/library/agent:v0.161.1";

fn recipe() -> Recipe {
    Recipe { form: Form::Single, revision: 9, ..Recipe::default() }
}

#[test]
fn images_are_read_through_another_registry_and_keep_their_names() {
    let lab = own_lab();
    let digest = publish_to(&lab, "oci", &format!("gar/{PULLED}"), &recipe());
    clear_traffic(&lab);
    let through = format!("us-docker.pkg.dev={OCI}/gar");
    let only = ["--only", "*library/agent*", "--source-registry", &through];
    sync(&lab, 0, &[&["--no-rewrite"], &only[..]].concat());
    assert_eq!(mirrored_digest(&lab, &format!("{AGENT}:v0.161.1")), Some(digest));
    let asked = traffic(&lab, "source");
    assert!(asked.iter().all(|record| record.host != "us-docker.pkg.dev"), "its own host is not asked");
    // Without the flag, the tag has other content.
    let dry_run = |flags: &[&str]| {
        plugin(&lab, 0, &[&["sync-images", "--dry-run", "--no-rewrite"], flags].concat()).stdout
    };
    assert!(dry_run(&only[..2]).contains("to replace"), "{}", dry_run(&only[..2]));
    assert!(dry_run(&only).starts_with("up to date"), "{}", dry_run(&only));
}

/// A folder for `DOCKER_CONFIG` that names a credential helper for ECR, and a folder with that helper.
fn docker_config(lab: &Lab, script: &str) -> (PathBuf, PathBuf) {
    let config = json!({"auths": {ECR: {}}, "credHelpers": {ECR: "lab"}});
    let file = write_file(lab, "docker/config.json", &config.to_string());
    let helper = write_file(lab, "bin/docker-credential-lab", script);
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).expect("it is executable");
    let folder = |path: PathBuf| path.parent().expect("a folder").to_owned();
    (folder(file), folder(helper))
}

#[test]
fn a_registry_with_a_login_is_read_with_that_of_docker_or_of_aws() {
    let lab = own_lab();
    let digest = publish_to(&lab, "ecr", &format!("gar/{PULLED}"), &recipe());
    let through = format!("us-docker.pkg.dev={ECR}/gar");
    let arguments = [
        "sync-images",
        "--yes",
        "--no-rewrite",
        "--only",
        "*library/agent*",
        "--registry",
        OCI,
        "--source-registry",
        &through,
    ];
    // With the AWS credentials of this machine.
    plugin(&lab, 0, &arguments);

    let token: String = lab.control().get("/ecr/node-token").expect("a password");
    let answer = json!({"ServerURL": ECR, "Username": "AWS", "Secret": token});
    for (script, expected) in [
        (
            format!(
                "#!/bin/sh\nread server || true\ntest \"$1 $server\" = \"get {ECR}\" || exit 3\necho '{answer}'\n"
            ),
            0,
        ),
        ("#!/bin/sh\necho s3cret\nexit 1\n".to_owned(), 1),
    ] {
        let (config, bin) = docker_config(&lab, &script);
        let mut command = lab.plugin_command().expect("the plugin");
        let mut variables = command.get_envs();
        let path = variables.find_map(|(name, value)| (name == "PATH").then(|| value?.to_str()).flatten());
        let path = path.map_or_else(|| std::env::var("PATH").expect("PATH"), str::to_owned);
        command
            .args(arguments)
            .args(QUICK)
            .env("DOCKER_CONFIG", config)
            .env("PATH", format!("{}:{path}", bin.display()));
        command
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env_remove("AWS_ACCESS_KEY_ID")
            .env_remove("AWS_SECRET_ACCESS_KEY");
        let output = lab::host::Output::from(command.output().expect("the plugin runs"));
        assert_eq!(output.code, Some(expected), "{}{}", output.stdout, output.stderr);
        assert!(!output.stderr.contains("s3cret"), "{}", output.stderr);
        if expected == 1 {
            assert_stderr_contains(&output, &["docker-credential-lab failed; try it by hand"]);
        }
    }
    assert_eq!(ecr_digest(&lab, &format!("gar/{PULLED}")), Some(digest));
}
