//! A server that is silent costs one timeout, whatever the number of requests and retries.

use std::time::{Duration, Instant};

use lab::address::{ECR_API, SILENT, STS};
use lab::dns::Behaviour;
use lab::host::Lab;
use serde_json::json;

use crate::harness::{MIRROR, add_fault, assert_stderr_contains, clear_faults, own_lab, plugin, shared_lab};

/// Runs the plugin, and asserts that it takes at least `limit` and less than `limit` and the time for everything else.
#[track_caller]
fn timed(lab: &Lab, code: i32, limit: Duration, arguments: &[&str], words: &[&str]) {
    const REST: Duration = Duration::from_secs(5);
    let start = Instant::now();
    let output = plugin(lab, code, arguments);
    let elapsed = start.elapsed();
    assert_stderr_contains(&output, words);
    assert!((limit..limit + REST).contains(&elapsed), "{arguments:?} took {elapsed:?}");
}

#[test]
fn request_timeout_bounds_a_silent_api_server_as_a_whole() {
    let lab = own_lab();
    let limit = Duration::from_secs(6);
    let words = ["Unable to connect to the server: timed out", "--request-timeout"];
    let silent = format!("--server=https://{SILENT}");
    // One does not accept connections, and one does not respond.
    add_fault(&lab, "kubernetes", &json!({"action": {"kind": "silence"}}));
    for server in [silent.as_str(), "--server=http://127.0.0.1:8001"] {
        for command in [
            &["images"][..],
            &["sync-images", "--yes"],
            &["status"],
            &["rollback"],
            &["preflight", "--only=CPL101"],
        ] {
            let flags = [server, "--request-timeout=6s"];
            timed(&lab, 2, limit, &[command, &flags].concat(), &words);
        }
    }
    clear_faults(&lab);
}

#[test]
fn a_silent_sts_costs_one_connect_timeout() {
    let lab = own_lab();
    let path = format!("/dns/records/{}", STS.0);
    lab.control().put(&path, &Behaviour::addresses(&[SILENT])).unwrap();
    let words = [
        "sts:GetCallerIdentity got no response",
        "STS is used to detect the account ID; pass --registry to skip it",
    ];
    let limit = Duration::from_secs(5);
    for flags in [&[][..], &["--connect-timeout=5s", "--retries=9"]] {
        timed(&lab, 2, limit, &[&["sync-images", "--yes"], flags].concat(), &words);
    }
    plugin(&lab, 0, &["sync-images", "--dry-run", "--registry", MIRROR]);
}

#[test]
fn an_sts_that_does_not_respond_is_given_up_soon() {
    let lab = own_lab();
    lab.control().put("/aws/faults", &json!([{"service": "sts", "fault": "silent"}])).unwrap();
    let words = ["sts:GetCallerIdentity got no response", "--registry"];
    timed(&lab, 2, Duration::from_secs(7), &["sync-images", "--yes", "--connect-timeout=1s"], &words);
}

#[test]
fn a_silent_ecr_api_costs_one_connect_timeout() {
    let lab = own_lab();
    let path = format!("/dns/records/{}", ECR_API.0);
    lab.control().put(&path, &Behaviour::addresses(&[SILENT])).unwrap();
    let words = ["ecr:", "got no response"];
    timed(&lab, 2, Duration::from_secs(5), &["sync-images", "--yes", "--registry", MIRROR], &words);
}

#[test]
fn the_default_timeout_is_that_of_the_help() {
    let help = plugin(shared_lab(), 0, &["options"]).stdout;
    let flag = help.split_once("--request-timeout").unwrap().1;
    assert!(flag.split("--").next().unwrap().contains("[default: 30s]"), "{flag}");
}
