//! Runs of preflight: ignored problems, formats for CI, errors, the time limit and waiting.

use std::process::Command;
use std::time::{Duration, Instant};

use lab::address::{REFUSING, SILENT};
use lab::dns::Behaviour;
use lab::host::Output;
use serde_json::{Value, json};

use super::{API, GRPC, KVISOR, dns, finding, findings, preflight, text, with_result};
use crate::harness::{
    assert_stderr_contains, complete_lab, eventually, kubeconfig_flag, parse_json, plugin, run_with_input,
    shared_lab,
};

/// What `python3 -c` prints for this input.
fn python(program: &str, input: &str) -> String {
    let mut command = Command::new("python3");
    command.args(["-c", program]);
    let output = run_with_input(command, input);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    output.stdout
}

/// `name tests failures errors skipped` of each suite, by another parser than ours.
fn suites(xml: &str) -> Vec<String> {
    let program = "import sys, xml.etree.ElementTree as tree\n\
                   for suite in tree.fromstring(sys.stdin.buffer.read()):\n\
                   \x20   cases = suite.findall('testcase')\n\
                   \x20   counts = [len(cases)] + [sum(1 for case in cases if case.find(kind) is not None) for kind in \
                   ('failure', 'error', 'skipped')]\n\
                   \x20   assert counts == [int(suite.get(name)) for name in ('tests', 'failures', 'errors', 'skipped')]\n\
                   \x20   print(suite.get('name'), *counts)";
    python(program, xml).lines().map(str::to_owned).collect()
}

#[test]
fn ignored_problems_do_not_count_and_what_matches_nothing_is_noted() {
    let lab = complete_lab();
    dns(&lab, API, &Behaviour::public());
    dns(&lab, GRPC, &Behaviour::NameError);
    let report = preflight(&lab, 1, &["--ignore=cpl211=API.cast.ai,CPL105"]);
    assert_eq!(with_result(&report, &["Fail"]), [format!("CPL210 {GRPC}"), format!("CPL211 {API}")]);
    assert_eq!((&report["counts"]["fail"], &report["counts"]["ignored"]), (&json!(1), &json!(5)));
    assert_eq!(report["unmatchedIgnores"], json!(["CPL105"]));
    // It was not connected to, so the rest of its chain is the consequence.
    let rest = finding(&report, "CPL240", API);
    assert_eq!((text(rest, "blockedBy"), &rest["ignored"]), ("CPL211", &json!(true)));

    let flags = ["preflight", "--ignore=CPL211=api.cast.ai", "--ignore", "CPL210"];
    let output = plugin(&lab, 0, &flags);
    let end = "All checks passed except those ignored: grpc.cast.ai (CPL210), api.cast.ai (CPL211); not checked: \
               pods\n";
    assert!(output.stdout.ends_with(end), "{}", output.stdout);
    assert!(
        output.stdout.contains("\nIgnored CPL211 api.cast.ai: Fail: 104.16.81.56: public"),
        "{}",
        output.stdout
    );
    assert_eq!(output.stderr, "");
    let output = plugin(&lab, 1, &["preflight", "--ignore=CPL240=nowhere"]);
    assert_eq!(output.stderr, "note: --ignore=CPL240=nowhere matches no problem\n");
    assert_stderr_contains(
        &plugin(&lab, 2, &["preflight", "--ignore=CPL999"]),
        &["CPL999", "preflight list"],
    );
}

#[test]
fn ci_gets_a_line_for_each_problem_and_test_results() {
    let lab = complete_lab();
    dns(&lab, API, &Behaviour::public());
    dns(&lab, KVISOR, &Behaviour::NameError);
    let short = plugin(&lab, 1, &["preflight", "-o", "short"]);
    let lines: Vec<_> = short.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(
        lines[0].starts_with("Fail CPL210 kvisor.prod-master.cast.ai: A and AAAA: NXDOMAIN; "),
        "{}",
        lines[0]
    );
    assert!(lines[1].contains("another DNS record answers"), "{}", lines[1]);
    assert_eq!(lines[2], format!("Not ready for PrivateLink: {KVISOR} (CPL210), {API} (CPL211)"));
    assert_eq!(short.stderr, "");

    let output = plugin(&lab, 1, &["preflight", "--in-cluster=off", "-o", "junit"]);
    let report = preflight(&lab, 1, &[]);
    let number = |suites: &[String], index: usize| -> usize {
        suites.iter().map(|suite| suite.split(' ').nth(index).unwrap().parse::<usize>().unwrap()).sum()
    };
    let found = suites(&output.stdout);
    assert_eq!(found.len(), 4, "{found:?}");
    assert_eq!(number(&found, 1), findings(&report).len());
    assert_eq!((number(&found, 2), number(&found, 3)), (2, 0));
    assert_eq!(number(&found, 4), with_result(&report, &["Skipped"]).len());
    assert!(output.stdout.contains("CPL211 the host resolves to private addresses only [api.cast.ai]"));
    assert!(output.stderr.starts_with("Not ready for PrivateLink: "), "{}", output.stderr);
}

#[test]
fn an_error_is_in_the_document_too() {
    let lab = complete_lab();
    let server = format!("--server=https://{REFUSING}");
    let cases: [(&[&str], &str, bool); 4] = [
        (&["--kubeconfig=/nowhere/config"], "/nowhere/config", false),
        (&["--kubeconfig=/nowhere/config", "-n", ""], "/nowhere/config", false),
        (&["--context=absent"], "context \"absent\" does not exist", false),
        (&[&server], "was refused", true),
    ];
    for (flags, message, has_findings) in cases {
        let run = |format: &str| plugin(&lab, 2, &[&["preflight", "-o", format], flags].concat());
        let output = run("json");
        assert_stderr_contains(&output, &[message]);
        let report = parse_json(&output);
        assert_eq!(
            (text(&report, "kind"), text(&report, "apiVersion")),
            ("PreflightReport", "privatelink.cast.ai/v1alpha1")
        );
        assert!(text(&report["error"], "message").contains(message), "{report:#}");
        assert!(!text(&report["error"], "message").starts_with("error: "), "{report:#}");
        assert_eq!(!findings(&report).is_empty(), has_findings, "{report:#}");
        let yaml: Value = serde_saphyr::from_str(&run("yaml").stdout).unwrap();
        assert_eq!(yaml["error"], report["error"]);
        assert_eq!(suites(&run("junit").stdout)[0], "Run 1 0 1 0");
        for format in ["table", "short", "name"] {
            assert_eq!(!run(format).stdout.is_empty(), has_findings, "{format}");
        }
    }
    // AWS's configuration.
    let mut command = lab.plugin_command().unwrap();
    command.args(["preflight", "-o", "json"]).env_remove("AWS_SECRET_ACCESS_KEY");
    let output = Output::from(command.output().unwrap());
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(
        text(&parse_json(&output)["error"], "message").contains("AWS_SECRET_ACCESS_KEY"),
        "{}",
        output.stdout
    );
}

#[test]
fn what_is_not_checked_within_the_time_limit_is_unknown() {
    let lab = complete_lab();
    dns(&lab, API, &Behaviour::Silent);
    let limited = |flags: &[&str]| {
        let start = Instant::now();
        let report = preflight(&lab, 1, flags);
        assert!(start.elapsed() < Duration::from_secs(20), "{flags:?} took {:?}", start.elapsed());
        report
    };
    let report = limited(&["--timeout=4s", "--probe-timeout=1m"]);
    let late = finding(&report, "CPL210", API);
    assert_eq!((text(late, "result"), text(late, "reason")), ("Unknown", "not checked within --timeout=4s"));
    // What was known by then is not lost.
    assert_eq!(text(&findings(&report)[0], "result"), "Pass", "{:#}", findings(&report)[0]);
    let output = plugin(&lab, 1, &["preflight", "--timeout=4s", "--probe-timeout=1m"]);
    assert_eq!(output.stdout.matches("not checked within --timeout=4s").count(), 1, "{}", output.stdout);

    // Not even the cluster responds.
    let server = format!("--server=https://{SILENT}");
    let report = limited(&["--timeout=2s", &server]);
    assert!(findings(&report).iter().all(|finding| text(finding, "result") == "Unknown"), "{report:#}");
    let only = limited(&["--timeout=2s", &server, "--only=CPL240"]);
    assert_eq!(findings(&only).len(), 1);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "tests are blocking, and this is the time of the first checks")]
fn waiting_ends_when_nothing_is_missing_any_more() {
    let lab = complete_lab();
    dns(&lab, API, &Behaviour::NameError);
    dns(&lab, GRPC, &Behaviour::public());
    let mut running = lab.spawn_plugin(&["preflight", "-o", "json", "--wait=500ms", "--timeout=5m"]).unwrap();
    let questions = || lab.control().get::<Vec<Value>>("/dns/queries").unwrap().len();
    let queried = |what: &str, number: usize| {
        let before = questions();
        eventually(what, || questions() > before + number);
    };
    // More queries than one run sends.
    queried("the checks are repeated", 40);
    lab.control().delete(&format!("/dns/records/{API}")).unwrap();
    queried("the checks are repeated with one cause", 40);
    assert!(running.try_wait().unwrap().is_none());
    lab.control().delete(&format!("/dns/records/{GRPC}")).unwrap();
    let output = running.wait().unwrap();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!(parse_json(&output)["counts"]["fail"], 0, "one report: the last one");
    let lines: Vec<_> = output.stderr.lines().collect();
    let waiting = "waiting for 2 causes: api.cast.ai (CPL210), grpc.cast.ai (CPL211)";
    assert_eq!(lines[0], waiting, "{lines:#?}");
    assert_eq!(lines[1], "waiting for 1 cause: grpc.cast.ai (CPL211)", "a line for each change: {lines:#?}");
    assert!(lines[2].starts_with("Cast AI is privately reachable"), "{lines:#?}");
    assert_eq!(lines.len(), 3, "{lines:#?}");

    // The time is over.
    dns(&lab, API, &Behaviour::NameError);
    let output = plugin(&lab, 1, &["preflight", "--wait=1s", "--timeout=8s", "-o", "short"]);
    assert!(output.stdout.starts_with("Fail CPL210 api.cast.ai: "), "{}", output.stdout);
    assert_eq!(output.stdout.lines().count(), 2, "{}", output.stdout);
    assert_eq!(output.stderr, "waiting for 1 cause: api.cast.ai (CPL210)\n");

    // On a terminal it is one line, which is gone in the end.
    let command = "stty cols 100; kubectl castai-privatelink preflight --in-cluster=off --wait=1s --timeout=8s -o short";
    let script = ["--quiet", "--return", "--command", command, "/dev/null"];
    let written = lab.run("script", &script).unwrap().stdout;
    assert!(written.contains("waiting for 1 cause: api.cast.ai (CPL210)"), "{written:?}");
    let mut screen = vt100::Parser::new(60.try_into().unwrap(), 100.try_into().unwrap(), 0);
    screen.process(written.as_bytes());
    let shown = screen.screen().contents();
    assert!(shown.starts_with("Fail CPL210 api.cast.ai: ") && !shown.contains("waiting"), "{shown}");

    // Ctrl-C says what was missing, and ends at once.
    let mut running = lab.spawn_plugin(&["preflight", "--wait=1h", "--timeout=2h"]).unwrap();
    queried("the first checks begin", 5);
    std::thread::sleep(Duration::from_secs(3));
    let start = Instant::now();
    let sent = Command::new("kill").args(["-INT", &running.process().to_string()]).output().unwrap();
    assert!(sent.status.success());
    eventually("it exits", || running.try_wait().unwrap().is_some());
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    let output = running.wait().unwrap();
    assert_eq!((output.code, output.stdout.as_str()), (Some(130), ""));
    let missing = "Interrupted. Nothing was changed. Still missing: 1 cause: api.cast.ai (CPL210)\n";
    assert!(output.stderr.ends_with(missing), "{}", output.stderr);
}

#[test]
fn invalid_values_of_the_flags_are_refused() {
    let lab = shared_lab();
    let user = kubeconfig_flag(lab, "nobody");
    for (flag, words) in [
        ("--wait=0", "expected a duration above 0"),
        ("--wait=soon", "expected a duration such as 30s"),
        ("--ignore=CPL211=", "expected a subject after"),
        ("--output=text", "junit"),
    ] {
        assert_stderr_contains(&plugin(lab, 2, &["preflight", &user, flag]), &[words]);
    }
}
