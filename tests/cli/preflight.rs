//! Preflight: how each fault is reported, inside the VPC unless a test says otherwise.

mod connections;
mod ecr;
mod mixes;
mod names;
mod page;
mod runs;
mod vpc;

use std::collections::BTreeSet;

use lab::address::{self, REFUSING};
use lab::castai::Fault;
use lab::dns::Behaviour;
use lab::host::{Lab, Output};
use lab::metadata::{Instance, Mode};
use serde_json::{Value, json};

use crate::harness::{
    complete_lab, complete_vpc, grant_access, kubeconfig_flag, parse_json, plugin, shared_lab,
};

const API: &str = "api.cast.ai";
const GRPC: &str = "grpc.cast.ai";
/// No component of the lab's cluster is configured with it.
const UNUSED: &str = "api-grpc.cast.ai";
const KVISOR: &str = "kvisor.prod-master.cast.ai";
const TELEMETRY: &str = "telemetry.prod-master.cast.ai";
/// The check that addresses are those of the endpoint.
const ADDRESSES: &str = "CPL212";
const ECR_API: &str = address::ECR_API.0;

/// Other tests are about pods.
const OFF: &str = "--in-cluster=off";

/// Runs preflight from this machine and reads its report.
#[track_caller]
fn preflight(lab: &Lab, code: i32, arguments: &[&str]) -> Value {
    parse_json(&plugin(lab, code, &[&["preflight", "-o", "json", OFF], arguments].concat()))
}

/// Runs preflight and reads its report, whatever its exit code is.
fn preflight_with_any_code(lab: &Lab) -> Value {
    parse_json(&lab.plugin(&["preflight", "-o", "json"]).expect("the plugin runs"))
}

/// Resets everything in the lab except the cluster.
fn reset_lab(lab: &Lab) {
    let control = lab.control();
    for part in ["dns", "castai", "metadata", "aws"] {
        control.post(&format!("/{part}/reset"), &()).expect("the lab is reset");
    }
    control.put("/ecr/access", &json!({})).expect("ECR's access is reset");
    complete_vpc(lab);
}

fn dns(lab: &Lab, host: &str, behaviour: &Behaviour) {
    lab.control().put(&format!("/dns/records/{host}"), behaviour).expect("the record is set");
}

fn fault(lab: &Lab, host: &str, fault: &Fault) {
    lab.control().put(&format!("/castai/faults/{host}"), fault).expect("the fault is set");
}

fn findings(report: &Value) -> &[Value] {
    report["findings"].as_array().expect("a report has findings")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[track_caller]
fn finding<'a>(report: &'a Value, code: &str, subject: &str) -> &'a Value {
    let found: Vec<_> = findings(report)
        .iter()
        .filter(|finding| finding["code"] == code && finding["subject"]["name"] == subject)
        .collect();
    let [only] = found.as_slice() else { panic!("{} × {code} of {subject} in {report:#}", found.len()) };
    only
}

/// `code subject` of every finding with one of these results.
fn with_result(report: &Value, results: &[&str]) -> Vec<String> {
    findings(report)
        .iter()
        .filter(|finding| results.contains(&text(finding, "result")))
        .map(|finding| format!("{} {}", text(finding, "code"), text(&finding["subject"], "name")))
        .collect()
}

/// The page that lists the requirements of each check; a unit test compares it with the checks.
const CHECKS: &str = include_str!("../../docs/checks.md");

/// The checks that a failed check skips: all that require it, directly or not.
fn skipped_by(code: &str) -> BTreeSet<&'static str> {
    let mut skipped = BTreeSet::new();
    // A check may only require checks with lower codes, which are earlier on the page.
    for section in CHECKS.split("\n## ").skip(1) {
        let name = section.lines().next().expect("a heading");
        let requires = section.lines().find(|line| line.starts_with("| requires |")).expect("requirements");
        let is_required = |other: &str| requires.contains(&format!("[{other}]"));
        if is_required(code) || skipped.iter().copied().any(is_required) {
            skipped.insert(name);
        }
    }
    skipped
}

/// Whether a failure of the check makes names lead to public addresses.
fn explains_public_addresses(code: &str) -> bool {
    let section =
        CHECKS.split("\n## ").find(|section| section.lines().next() == Some(code)).expect("a check");
    section.lines().any(|line| line.starts_with("| explains |") && line.contains("public address"))
}

/// The expected report for a host with one fault.
struct Expected {
    host: &'static str,
    code: &'static str,
    result: &'static str,
    observed: &'static str,
    /// A word of the fixes, or of their commands.
    fix: &'static str,
    /// Whether the checks that require this one are skipped.
    skips: bool,
}

fn fails(host: &'static str, code: &'static str, observed: &'static str, fix: &'static str) -> Expected {
    Expected { host, code, result: "Fail", observed, fix, skips: true }
}

/// Asserts that the fault is reported as this finding, that all checks that require it are skipped, and that all other
/// findings of the host are Pass.
#[track_caller]
fn shows_exactly(report: &Value, expected: &[Expected]) {
    for Expected { host, code, result, observed, fix, skips } in expected {
        let seen = finding(report, code, host);
        assert_eq!(text(seen, "result"), *result, "{seen:#}");
        assert!(text(seen, "observed").contains(observed), "{observed:?} in {seen:#}");
        assert!(seen["fixes"].to_string().contains(fix), "{fix:?} in {seen:#}");
        let skipped = if *skips { skipped_by(code) } else { BTreeSet::new() };
        let others = findings(report).iter().filter(|finding| {
            // A record that leads elsewhere is a fault of its own.
            finding["subject"]["name"] == *host && finding["code"] != *code && finding["code"] != ADDRESSES
        });
        for other in others {
            let wanted =
                if skipped.contains(text(other, "code")) { ("Skipped", *code) } else { ("Pass", "") };
            assert_eq!((text(other, "result"), text(other, "blockedBy")), wanted, "{other:#}");
        }
    }
    let mut failed = with_result(report, &["Fail", "Warn"]);
    failed.retain(|finding| !finding.starts_with(ADDRESSES));
    assert_eq!(failed.len(), expected.len(), "{failed:?}");
}

#[test]
fn a_healthy_cluster_passes_all_checks() {
    let lab = shared_lab();
    let report = preflight(lab, 0, &[]);
    assert_eq!(with_result(&report, &["Fail", "Warn", "Skipped", "Unknown"]), Vec::<String>::new());
    assert_eq!(text(finding(&report, "CPL240", API), "observed"), "HTTP 401");
    assert_eq!(text(finding(&report, "CPL241", KVISOR), "observed"), "grpc-status 12 (UNIMPLEMENTED)");
    assert_eq!(report["region"], address::REGION);

    let good = "Cast AI is privately reachable from this machine; not checked: pods\n";
    assert!(plugin(lab, 0, &["preflight"]).stdout.ends_with(good));
    let names = plugin(lab, 0, &["preflight", "-o", "name"]);
    assert_eq!(names.stderr, good);
    // Before Cast AI is installed, all of its services are checked as needed.
    let report = preflight(lab, 0, &["-n", "default"]);
    let found = finding(&report, "CPL102", text(&report, "cluster"));
    assert_eq!(text(found, "result"), "Warn", "{found:#}");
    assert_eq!(finding(&report, "CPL241", UNUSED)["severity"], "Error");
}

#[test]
fn all_formats_have_the_same_findings_and_only_a_terminal_has_colour() {
    let lab = shared_lab();
    let report = preflight(lab, 0, &[]);
    let count = findings(&report).len();
    let yaml: Value =
        serde_saphyr::from_str(&plugin(lab, 0, &["preflight", OFF, "-o", "yaml"]).stdout).unwrap();
    assert_eq!((&yaml["kind"], yaml["findings"].as_array().unwrap().len()), (&report["kind"], count));

    let names = plugin(lab, 0, &["preflight", OFF, "-o", "name"]).stdout;
    assert_eq!(names.lines().count(), count);
    assert!(names.lines().any(|line| line == "CPL211/api.cast.ai"), "{names}");

    let wide = plugin(lab, 0, &["preflight", OFF, "-o", "wide"]);
    assert_eq!(wide.stdout.lines().take_while(|line| !line.is_empty()).count(), count + 1);
    let table = plugin(lab, 0, &["preflight", OFF]);
    assert!(!table.stdout.contains('…'), "a pipe gets full text: {}", table.stdout);
    assert_eq!(table.stderr, "");
    assert!(!table.stdout.contains('\u{1b}') && !wide.stdout.contains('\u{1b}'));

    let on_terminal = |prefix: &str| -> Output {
        let command = format!("{prefix} kubectl castai-privatelink preflight {OFF}");
        lab.run("script", &["--quiet", "--return", "--command", &command, "/dev/null"]).unwrap()
    };
    assert!(on_terminal("env TERM=xterm").stdout.contains("\u{1b}[32mPass"));
    let plain = on_terminal("env TERM=xterm NO_COLOR=1").stdout;
    assert!(plain.contains("Pass") && !plain.contains("\u{1b}[32m"), "{plain:?}");
}

#[test]
fn outside_the_vpc_network_checks_are_unknown_with_a_fix() {
    let lab = complete_lab();
    // A laptop outside of the VPC correctly resolves public addresses.
    dns(&lab, API, &Behaviour::public());
    let instance = |instance: Instance| lab.control().put("/metadata/instance", &instance).unwrap();
    let outside = |arguments: &[&str], why: &str| {
        let report = preflight(&lab, 1, arguments);
        let place = finding(&report, "CPL110", "this machine");
        assert_eq!(text(place, "result"), "Unknown");
        assert!(text(place, "reason").contains(why), "{place:#}");
        for (code, host) in [("CPL210", API), ("CPL241", KVISOR), ("CPL310", ECR_API)] {
            let finding = finding(&report, code, host);
            assert_eq!(text(finding, "result"), "Unknown", "{finding:#}");
            assert!(finding["fixes"].to_string().contains("--here=inside"), "{finding:#}");
        }
        assert_eq!(with_result(&report, &["Fail", "Warn"]), Vec::<String>::new());
    };
    outside(&["--here=outside"], "set by --here=outside");
    instance(Instance { vpc_cidrs: vec!["172.31.0.0/16".to_owned()], ..Instance::default() });
    outside(&[], "no node is in this machine's VPC (172.31.0.0/16)");
    instance(Instance { mode: Mode::Silent, ..Instance::default() });
    outside(&[], "no instance metadata");
    instance(Instance { mode: Mode::Off, ..Instance::default() });
    outside(&[], "no instance metadata");

    let table = plugin(&lab, 1, &["preflight"]).stdout;
    let last = table.lines().last().unwrap();
    assert_eq!(
        last, "Private connectivity not verified; not checked: 12 subjects (CPL110 and 12 more)",
        "{table}"
    );
    // In the problem. Other formats print only the last line to the terminal.
    assert_eq!(table.matches("preflight --here=inside").count(), 1, "{table}");
    let names = plugin(&lab, 1, &["preflight", "-o", "name"]).stderr;
    assert_eq!(names.matches("preflight --here=inside").count(), 1, "{names}");
    // A flag overrides this.
    let report = preflight(&lab, 1, &["--here=inside"]);
    assert_eq!(with_result(&report, &["Fail"]), [format!("CPL211 {API}")]);
}

#[test]
fn facts_without_permission_are_unknown_and_named() {
    let lab = complete_lab();
    let workloads = "deployments.apps,daemonsets.apps,statefulsets.apps,replicasets.apps,cronjobs.batch,jobs.batch,\
                     pods,replicationcontrollers";
    let without_objects = grant_access(&lab, "without-objects", "get,list", &format!("{workloads},nodes"));
    let report = preflight(&lab, 1, &[&without_objects]);
    for (name, object) in [
        ("hibernate-pause", "configmap/castai-agent-metadata in castai-agent"),
        ("hibernate-resume", "secret/castai-hibernate in castai-agent"),
    ] {
        let finding = finding(&report, "CPL103", &format!("castai-agent/cronjob.batch/{name}"));
        assert_eq!(text(finding, "result"), "Unknown", "{finding:#}");
        assert!(text(finding, "reason").contains(object), "{finding:#}");
        assert!(text(finding, "reason").contains("Forbidden"), "{finding:#}");
    }
    // A component with literal endpoints is not affected.
    let agent = finding(&report, "CPL103", "castai-agent/deployment.apps/castai-agent");
    assert_eq!(text(agent, "result"), "Pass");

    let without_nodes =
        grant_access(&lab, "without-nodes", "get,list", &format!("{workloads},configmaps,secrets"));
    let report = preflight(&lab, 1, &[&without_nodes]);
    let cluster = findings(&report).iter().find(|finding| finding["code"] == "CPL101").unwrap();
    assert_eq!(text(cluster, "result"), "Pass");
    let place = finding(&report, "CPL110", "this machine");
    assert!(text(place, "reason").contains("cannot list nodes: "), "{place:#}");
    assert!(place["fixes"].to_string().contains("permissions rbac"), "{place:#}");
    let [cause] = &report["notChecked"].as_array().unwrap()[..] else { panic!("{}", report["notChecked"]) };
    assert!(cause["cause"].as_str().unwrap().contains("cannot list nodes: "), "{cause:#}");
    let table = plugin(&lab, 1, &["preflight", &without_nodes]).stdout;
    for once in ["cannot list nodes: ", "permissions rbac --read-only"] {
        assert_eq!(table.matches(once).count(), 1, "{table}");
    }
    assert!(!table.contains("inside the VPC") && !table.contains("--here=inside"), "{table}");
    // Where the user says where the machine is, nodes are only needed for the region.
    preflight(&lab, 0, &[&without_nodes, "--here=inside", "--region=us-east-1"]);

    let without_rights = kubeconfig_flag(&lab, "nobody");
    let report = preflight(&lab, 1, &[&without_rights]);
    assert_eq!(with_result(&report, &["Fail"]), Vec::<String>::new());
    assert!(with_result(&report, &["Skipped"]).iter().any(|finding| finding.starts_with("CPL102")));
}

#[test]
fn an_unreachable_or_unconfigured_cluster_cannot_be_checked() {
    let lab = shared_lab();
    let server = format!("https://{REFUSING}");
    let output = plugin(lab, 2, &["preflight", "--server", &server]);
    assert!(output.stdout.contains("Unknown CPL101 "), "{}", output.stdout);
    let refused = "The connection to the server 10.0.251.1 was refused";
    assert!(output.stdout.contains(refused), "{}", output.stdout);
    assert!(output.stderr.contains(refused), "{}", output.stderr);

    let output = plugin(lab, 2, &["preflight", "--kubeconfig", "/nowhere/config"]);
    assert_eq!(output.stdout, "");
    assert!(output.stderr.contains("/nowhere/config"), "{}", output.stderr);
}

#[test]
fn regions_and_hosts_without_a_service_are_reported() {
    let lab = complete_lab();
    let report = preflight(&lab, 1, &["--region", "eu-west-1"]);
    let region = finding(&report, "CPL105", "eu-west-1");
    assert_eq!(text(region, "result"), "Unknown");
    assert!(text(region, "reason").contains("us-east-1, us-east-2, ap-south-1, ap-south-2"), "{region:#}");
    // Configured hosts are checked nevertheless; hosts that only the table names are not.
    assert_eq!(text(finding(&report, "CPL240", API), "result"), "Pass");
    assert!(findings(&report).iter().all(|finding| finding["subject"]["name"] != UNUSED));
    // The lab has no ECR there.
    assert!(with_result(&report, &["Fail"]).iter().all(|finding| finding.contains(".eu-west-1.")));

    let report = preflight(&lab, 1, &["--https", address::OCI_REGISTRY.0, "--https", "gone.example:8443"]);
    assert_eq!(text(finding(&report, "CPL240", address::OCI_REGISTRY.0), "result"), "Pass");
    assert_eq!(with_result(&report, &["Fail"]), ["CPL210 gone.example:8443"]);

    let set = [
        "set",
        "env",
        "deployment/castai-agent",
        "-n",
        "castai-agent",
        "API_URL=https://registry.corp.example",
    ];
    assert_eq!(lab.kubectl(&set).unwrap().code, Some(0));
    let report = preflight(&lab, 0, &[]);
    let covered = finding(&report, "CPL201", address::OCI_REGISTRY.0);
    assert_eq!(text(covered, "result"), "Warn");
    assert_eq!(covered["subject"]["neededBy"], json!(["castai-agent"]));
    assert!(covered["fixes"].to_string().contains("api.cast.ai"), "{covered:#}");
}
