//! All connections go through a proxy.

use std::collections::BTreeMap;

use lab::address::{API_SERVER, API_SERVER_HOST, ECR, PROXY, REFUSING};
use lab::host::{Lab, Output};
use serde_json::json;

use super::{ALL, assert_rewritten};
use crate::harness::{
    MIRROR, QUICK, assert_stderr_contains, complete_lab, own_lab, plugin, sync, workload_specs,
};

/// All AWS hosts, including the API server.
const AWS: &str = ".amazonaws.com";

/// Runs `sync-images` with these proxy variables, through the lab's proxy, and asserts its exit code.
#[track_caller]
fn through(lab: &Lab, code: i32, proxy: &str, exceptions: &str, arguments: &[&str]) -> Output {
    lab.control().delete("/proxy/connections").unwrap();
    let mut command = lab.plugin_command().unwrap();
    command.arg("sync-images").args(QUICK).args(arguments);
    let output =
        Output::from(command.env("HTTPS_PROXY", proxy).env("NO_PROXY", exceptions).output().unwrap());
    assert_eq!(output.code, Some(code), "NO_PROXY={exceptions}\n{}{}", output.stdout, output.stderr);
    output
}

/// Hosts that were reached through the proxy since then.
fn proxied(lab: &Lab) -> Vec<String> {
    let connections: BTreeMap<String, u64> = lab.control().get("/proxy/connections").unwrap();
    connections.into_keys().map(|target| target.trim_end_matches(":443").to_lowercase()).collect()
}

#[test]
fn all_connections_use_the_proxy_except_those_in_no_proxy() {
    let lab = own_lab();
    let before = workload_specs(&lab);
    let proxy = format!("http://{}:3128", PROXY.0);
    let cluster = API_SERVER_HOST.to_lowercase();

    // All requests of a run to registries, AWS and the API server.
    through(&lab, 0, &proxy, "", &["--yes"]);
    assert_rewritten(&before, &lab, &ALL);
    let all = proxied(&lab);
    for host in [cluster.as_str(), "ghcr.io", "auth.docker.io", ECR.0, "api.ecr.us-east-1.amazonaws.com"] {
        assert!(all.iter().any(|target| target == host), "{host} in {all:?}");
    }
    assert!(
        !all.iter().any(|target| target.contains("169.254")),
        "no request for instance metadata uses the proxy: {all:?}"
    );

    // Each form of an exception has the same meaning for all three.
    let dry = ["--dry-run"];
    for (exceptions, direct) in [
        (format!("{AWS}, "), vec![cluster.as_str(), ECR.0, "api.ecr.us-east-1.amazonaws.com"]),
        (format!("*{AWS}:443,,"), vec![cluster.as_str(), ECR.0, "api.ecr.us-east-1.amazonaws.com"]),
        (format!("{API_SERVER_HOST}:443"), vec![cluster.as_str()]),
        ("ghcr.io,docker.io".to_owned(), vec!["ghcr.io", "auth.docker.io", "registry-1.docker.io"]),
        (format!("{API_SERVER_HOST}:6443,ghcr.io:80"), vec![]),
        ("*".to_owned(), all.iter().map(String::as_str).collect()),
    ] {
        through(&lab, 0, &proxy, &exceptions, &dry);
        let seen = proxied(&lab);
        assert!(
            !direct.iter().any(|host| seen.iter().any(|target| target == host)),
            "{exceptions}: {seen:?}"
        );
        let is_aws_proxied = seen.iter().any(|target| target.starts_with("api.ecr."));
        assert_eq!(is_aws_proxied, !direct.iter().any(|host| host.starts_with("api.ecr.")), "{exceptions}");
    }
    // A CIDR range applies only to a server that is written as an IP address.
    let address = format!("--server=https://{API_SERVER}");
    let by_address = ["--dry-run", address.as_str(), "--tls-server-name", API_SERVER_HOST];
    through(&lab, 0, &proxy, "10.0.0.0/8,", &by_address);
    assert!(!proxied(&lab).iter().any(|target| target.starts_with("10.")), "{:?}", proxied(&lab));
    through(&lab, 0, &proxy, "192.168.0.0/16", &by_address);
    assert!(proxied(&lab).iter().any(|target| target.starts_with("10.")), "{:?}", proxied(&lab));
}

#[test]
fn a_proxy_that_refuses_is_named_without_its_password() {
    let lab = complete_lab();
    let before = workload_specs(&lab);
    let proxy = |password: &str| format!("http://engineer:{password}@{}:3128", PROXY.0);
    let cluster = format!("{API_SERVER_HOST},");
    let both = format!("{AWS},");
    let registry = format!("--registry={MIRROR}");
    lab.control().put("/proxy/settings", &json!({"login": "engineer:open sesame"})).unwrap();
    let name = format!("through the proxy {}:3128", PROXY.0);
    for (settings, words) in [
        (
            json!({"login": "engineer:open sesame"}),
            ["authentication required (407)", "HTTPS_PROXY=http://USER:PASSWORD@"],
        ),
        (json!({"refuses": true}), ["refused the connection", "NO_PROXY"]),
    ] {
        lab.control().put("/proxy/settings", &settings).unwrap();
        let outputs = [
            // For the API server, for AWS, and then only for the sources.
            through(&lab, 2, &proxy("s3cret"), "", &["--dry-run"]),
            through(&lab, 2, &proxy("s3cret"), &cluster, &["--dry-run", &registry]),
            through(&lab, 1, &proxy("s3cret"), &both, &["--dry-run", &registry]),
        ];
        for output in &outputs {
            assert_stderr_contains(output, &words);
            assert!(
                !output.stderr.contains("s3cret") && !output.stderr.contains("engineer"),
                "{}",
                output.stderr
            );
        }
        assert_stderr_contains(&outputs[0], &["Unable to connect to the server", &name]);
        assert_stderr_contains(
            &outputs[2],
            &["ghcr.io cannot be reached", &name, "deployment.apps/castai-kvisor-controller"],
        );
    }
    let refusing = format!("http://engineer:s3cret@{REFUSING}:3128");
    let output = through(&lab, 2, &refusing, "", &["--dry-run"]);
    assert_stderr_contains(&output, &["the proxy 10.0.251.1:3128 refused the connection", "NO_PROXY"]);
    assert!(!output.stderr.contains("s3cret"), "{}", output.stderr);
    assert_rewritten(&before, &lab, &[]);

    // With the right password, everything works.
    lab.control().put("/proxy/settings", &json!({"login": "engineer:open sesame"})).unwrap();
    through(&lab, 0, &proxy("open%20sesame"), "", &["--yes"]);
    assert_rewritten(&before, &lab, &ALL);
    sync(&lab, 0, &[]);
    plugin(&lab, 0, &["preflight"]);
}
