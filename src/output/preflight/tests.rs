mod formats;
mod ignored;

use super::*;
use crate::preflight::check::Severity;
use crate::preflight::checks;
use crate::preflight::judgement::{Fix, Judgement};
use crate::preflight::subject::{Subject, SubjectKind, VantagePoint};

fn finding(code: &str, kind: SubjectKind, name: &str, judgement: Judgement) -> Finding {
    let check = checks::find(code).unwrap();
    let mut subject = Subject::new(kind, name);
    if kind == SubjectKind::Host {
        subject.needed_by = ["castai-agent".to_owned(), "hibernate".to_owned()].into();
    }
    Finding::new(check, check.severity, subject, VantagePoint::Here, judgement.took(7))
}

fn host(code: &str, name: &str, judgement: Judgement) -> Finding {
    finding(code, SubjectKind::Host, name, judgement)
}

fn skipped(code: &str, name: &str, blocked_by: &'static str) -> Finding {
    host(code, name, Judgement::skipped(blocked_by))
}

fn inside() -> Finding {
    finding("CPL110", SubjectKind::Machine, "this machine", Judgement::pass("2 of 2 nodes"))
}

fn report(findings: Vec<Finding>) -> Report {
    let not_covered = vec!["pods".to_owned(), "endpoint service files".to_owned()];
    let report = Report::new(Some("prod".to_owned()), Some("us-east-1".to_owned()), findings);
    Report { not_covered, ..report }
}

/// Without colour.
fn plain(report: &Report, wide: bool, width: Option<usize>) -> String {
    anstream::adapter::strip_str(&text(report, wide, width)).to_string()
}

/// The text below the tables.
fn problems_of(report: &Report) -> String {
    let whole = plain(report, true, None);
    whole.split_once("\n\n").map(|(_, rest)| rest.to_owned()).unwrap()
}

#[test]
fn a_failure_shows_its_consequences_and_its_fix() {
    let report = report(vec![
        inside(),
        host("CPL210", "api.cast.ai", Judgement::pass("A: 104.16.81.56; AAAA: no records")),
        host(
            "CPL211",
            "api.cast.ai",
            Judgement::fail("104.16.81.56: public")
                .expected("private addresses")
                .fix(Fix::command("enable private DNS", "aws ec2 modify-vpc-endpoint"))
                .fix(Fix::text("or create the endpoint")),
        ),
        skipped("CPL220", "api.cast.ai", "CPL211"),
        skipped("CPL230", "api.cast.ai", "CPL211"),
    ]);
    assert_eq!(
        plain(&report, false, None),
        "\
RESULT   CODE     CHECK                                      OBSERVED
Pass     CPL110   this machine is inside the cluster's VPC   2 of 2 nodes

HOST          DNS    PRIVATE   TCP   TLS   RESPONSE   NEEDED BY
api.cast.ai   Pass   Fail      -     -     -          castai-agent +1

Fail CPL211 api.cast.ai
  check      the host resolves to private addresses only
  observed   104.16.81.56: public
  expected   private addresses
  needed by  castai-agent, hibernate
  skipped    CPL220, CPL230 until this passes
  fix        enable private DNS
             aws ec2 modify-vpc-endpoint
             or create the endpoint

2 passed, 1 failed, 2 skipped
Not ready for PrivateLink: api.cast.ai (CPL211)
"
    );
}

#[test]
fn one_cause_on_many_hosts_is_reported_once() {
    let silence = || Judgement::fail("timed out").fix(Fix::text("ask the name server"));
    let hosts = ["a.cast.ai", "b.cast.ai", "c.cast.ai"];
    let report = report(hosts.iter().map(|name| host("CPL210", name, silence())).collect());
    let problems = problems_of(&report);
    assert!(problems.starts_with("Fail CPL210 3 hosts\n  subjects   a.cast.ai, b.cast.ai, c.cast.ai\n"));
    assert_eq!(problems.matches("  fix  ").count(), 1, "{problems}");
    assert!(problems.ends_with("\nNot ready for PrivateLink: 3 hosts (CPL210)\n"));
}

#[test]
fn different_failures_stay_separate_worst_first() {
    let report = report(vec![
        finding("CPL105", SubjectKind::Region, "eu-west-1", Judgement::unknown("no known service")),
        host("CPL211", "x.amazonaws.com", Judgement::warn("203.0.113.1: public")),
        host("CPL220", "a.cast.ai", Judgement::fail("10.0.0.1:443 timed out").fix(Fix::text("allow it"))),
        host("CPL220", "b.cast.ai", Judgement::fail("10.0.0.2:443 refused").fix(Fix::text("start it"))),
    ]);
    let problems = problems_of(&report);
    let order: Vec<_> =
        problems.lines().filter(|line| line.contains(" CPL") && !line.starts_with(' ')).collect();
    assert_eq!(
        order[..4],
        [
            "Fail CPL220 a.cast.ai",
            "Fail CPL220 b.cast.ai",
            "Warn CPL211 x.amazonaws.com",
            "Unknown CPL105 eu-west-1"
        ]
    );
}

#[test]
fn findings_with_the_same_fix_are_one_problem() {
    let fix = || Fix::text("look from inside");
    let mut findings = vec![finding(
        "CPL110",
        SubjectKind::Machine,
        "this machine",
        Judgement::unknown("assumed to be outside").fix(fix()),
    )];
    for code in ["CPL210", "CPL211"] {
        findings.push(host(code, "api.cast.ai", Judgement::unknown("it proves nothing").fix(fix())));
    }
    let problems = problems_of(&report(findings));
    assert_eq!(
        problems,
        "\
Unknown CPL110 and 2 more: 2 subjects
  subjects   this machine, api.cast.ai
  reason     assumed to be outside
             it proves nothing
  fix        look from inside

0 passed, 3 unknown
Private connectivity not verified; not checked: 2 subjects (CPL110 and 2 more)
"
    );
}

#[test]
fn an_unused_endpoint_only_warns_and_explains_why() {
    let mut unused = host("CPL210", "grpc.cast.ai", Judgement::fail("NXDOMAIN"));
    unused.subject.needed_by.clear();
    unused.subject.usually_needed_by = ["kentroller".to_owned(), "pod-pinner".to_owned()].into();
    unused = Finding::new(
        unused.check,
        Severity::Warning,
        unused.subject,
        VantagePoint::Here,
        Judgement::fail("NXDOMAIN"),
    );
    let problems = problems_of(&report(vec![inside(), unused]));
    assert!(problems.starts_with("Warn CPL210 grpc.cast.ai\n"), "{problems}");
    let severity = "  severity   warning: no installed component needs it\n  usually    needed by kentroller, pod-pinner\n";
    assert!(problems.contains(severity), "{problems}");
    assert!(problems.ends_with(
        "\nCast AI is privately reachable from this machine; see the warnings above; not checked: pods, \
         endpoint service files\n"
    ));
}

#[test]
fn terminal_tables_wrap_and_pipes_do_not() {
    let long = "word ".repeat(60);
    let report = report(vec![finding("CPL101", SubjectKind::Cluster, "prod", Judgement::pass(long.trim()))]);
    let table = plain(&report, false, Some(120));
    let longest = table.lines().take_while(|line| !line.is_empty()).map(|line| line.chars().count()).max();
    assert_eq!(longest, Some(120), "{table}");
    assert_eq!(table.split("\n\n").next().unwrap().matches("word").count(), 60, "{table}");
    let piped = plain(&report, false, None);
    assert!(piped.contains(&format!("  {}\n", long.trim())), "{piped}");
}

#[test]
fn tables_fit_the_terminal() {
    let mut findings = vec![
        finding("CPL104", SubjectKind::Region, "us-east-1", Judgement::pass("us-east-1")),
        finding("CPL105", SubjectKind::Region, "us-east-1", Judgement::pass("a long sight ".repeat(5))),
    ];
    for code in ["CPL310", "CPL311", "CPL320", "CPL330"] {
        findings.push(host(code, "123456789012.dkr.ecr.us-east-1.amazonaws.com", Judgement::unknown("x")));
    }
    let report = report(findings);
    for width in [60, 80, 100, 160] {
        let text = plain(&report, false, Some(width));
        let tables = text.split_once("\nUnknown").unwrap().0;
        assert!(tables.lines().all(|line| line.chars().count() <= width), "{width}:\n{tables}");
        assert!(tables.contains("\n123456789012.dkr.ecr."), "{tables}");
    }
    // If not even one row fits, each host becomes a paragraph.
    let text = plain(&report, false, Some(40));
    let tables = text.split_once("\nUnknown").unwrap().0;
    assert!(tables.lines().all(|line| line.chars().count() <= 40), "{tables}");
    assert!(
        tables.contains(
            "\n123456789012.dkr.ecr.us-east-1.\n  amazonaws.com\n  DNS Unknown, PRIVATE Unknown, TCP"
        ),
        "{tables}"
    );
    assert!(plain(&report, false, None).contains("a long sight a long sight"));
}

#[test]
fn sentences_are_wrapped_for_a_terminal_and_commands_are_not() {
    let command = "aws ec2 ".repeat(20);
    let judgement = Judgement::fail("seen ".repeat(30)).fix(Fix::command("do this", command.trim()));
    let report = report(vec![host("CPL210", "api.cast.ai", judgement)]);
    let text = plain(&report, false, Some(80));
    let problems = text.split_once("\nFail CPL210").unwrap().1;
    for line in problems.lines().filter(|line| line.contains("seen")) {
        assert!(line.chars().count() <= 80, "{line}");
        assert!(line.starts_with("  observed   seen") || line.starts_with("             seen"), "{line}");
    }
    assert!(problems.contains(command.trim()), "{problems}");
}

#[test]
fn external_text_cannot_control_the_terminal() {
    let hostile = "x\u{1b}[2Jy\nFail CPL999 z";
    let report = report(vec![host("CPL210", hostile, Judgement::fail(hostile))]);
    for wide in [false, true] {
        let text = text(&report, wide, Some(80));
        assert!(!text.contains("\u{1b}[2J"), "{text:?}");
        assert!(!text.lines().any(|line| line.starts_with("Fail CPL999")), "{text:?}");
    }
    assert_eq!(names(&report), "CPL210/x-[2Jy-Fail-CPL999-z\n");
}

#[test]
fn unreachable_hosts_are_one_problem_with_their_count() {
    let dns = |name: &str| {
        Judgement::fail(format!("{name}: NXDOMAIN"))
            .fix(Fix::command("find it", format!("aws find --filters Name=x,Values={name} --output text")))
            .fix(Fix::command("create it", format!("aws create --service-name {name}")))
    };
    let mut findings = Vec::new();
    for name in ["a", "b", "c"] {
        findings.push(host("CPL210", name, dns(name)));
        findings.push(skipped("CPL220", name, "CPL210"));
    }
    findings.push(host("CPL310", "ecr", dns("ecr")));
    assert_eq!(
        problems_of(&report(findings)),
        "\
Fail CPL210 and 1 more: 4 hosts
  subjects   a, b, c, ecr
  observed   a: a: NXDOMAIN
             b: b: NXDOMAIN
             c: c: NXDOMAIN
             ecr: ecr: NXDOMAIN
  needed by  castai-agent, hibernate
  skipped    CPL220 until this passes
  fix        find it
             aws find --filters Name=x,Values=a,b,c,ecr --output text
             create it
             aws create --service-name a
             aws create --service-name b
             aws create --service-name c
             aws create --service-name ecr

0 passed, 4 failed, 3 skipped
Not ready for PrivateLink: 4 hosts (CPL210 and 1 more)
"
    );
}

#[test]
fn the_verdict_covers_only_what_was_checked() {
    let pass = || host("CPL210", "api.cast.ai", Judgement::pass("10.0.0.1"));
    let denied = || {
        let judgement = Judgement::unknown("no permission").fix(Fix::text("allow it"));
        finding("CPL303", SubjectKind::Registry, "ECR", judgement)
    };
    let hosts = |number: usize| -> Vec<Finding> {
        (0..number)
            .map(|index| {
                let fix = Fix::text(format!("fix {index}"));
                host("CPL210", &format!("{index}.cast.ai"), Judgement::fail("no").fix(fix))
            })
            .collect()
    };
    let narrowed = |findings| Report { narrowed: true, ..report(findings) };
    let cases = [
        (
            report(vec![inside(), pass()]),
            "Cast AI is privately reachable from this machine; not checked: pods, endpoint service files",
        ),
        (
            report(vec![inside(), pass(), denied()]),
            "Private connectivity not verified; not checked: ECR (CPL303)",
        ),
        (
            report(vec![
                denied(),
                finding("CPL101", SubjectKind::Cluster, "c", Judgement::unknown("no API")),
            ]),
            "Private connectivity not verified; not checked: c (CPL101), ECR (CPL303)",
        ),
        (
            report(hosts(6)),
            "Not ready for PrivateLink: 0.cast.ai (CPL210), 1.cast.ai (CPL210), 2.cast.ai (CPL210), 3.cast.ai (CPL210) and 2 more",
        ),
        (
            report([hosts(1), vec![denied()]].concat()),
            "Not ready for PrivateLink: 0.cast.ai (CPL210); not checked: ECR (CPL303)",
        ),
        (narrowed(vec![pass()]), "The selected checks passed"),
        (
            narrowed(vec![pass(), host("CPL211", "x", Judgement::warn("public"))]),
            "The selected checks passed; see the warnings above",
        ),
        (
            narrowed(vec![skipped("CPL240", "a", "CPL211"), skipped("CPL240", "b", "CPL211")]),
            "Private connectivity not verified: 2 checks could not run: CPL211 did not pass",
        ),
        (
            narrowed(Vec::new()),
            "Private connectivity not verified: none of the selected checks applies to this cluster",
        ),
    ];
    for (report, expected) in cases {
        let text = plain(&report, false, None);
        assert_eq!(text.lines().last(), Some(expected), "{text}");
        let is_good =
            !expected.starts_with("Not ready") && !expected.starts_with("Private connectivity not verified");
        assert_eq!(report.needs_attention(), !is_good, "{expected}");
    }
}

#[test]
fn each_fact_is_printed_once_unless_the_verdict_is_alone() {
    let fix = || Fix::command("allow it", "aws iam put-role-policy");
    let denied = || Judgement::unknown("no permission for ecr:X").fix(fix());
    let alone = report(vec![finding("CPL303", SubjectKind::Registry, "ECR", denied())]);
    for width in [None, Some(80), Some(120)] {
        let text = plain(&alone, false, width);
        for once in ["no permission for ecr:X", "allow it", "aws iam put-role-policy"] {
            assert_eq!(text.matches(once).count(), 1, "{text}");
        }
        assert!(
            text.starts_with("RESULT ") && text.lines().nth(1).unwrap().ends_with("  see below"),
            "{text}"
        );
    }
    let first = "Private connectivity not verified: 1 check could not run: no permission for ecr:X; allow it: aws iam \
                 put-role-policy";
    assert_eq!(verdict_alone(&alone), first);
    let unknown = |name: &str| {
        let judgement = Judgement::unknown(name).fix(Fix::text(format!("fix {name}")));
        finding("CPL105", SubjectKind::Region, name, judgement)
    };
    let three = report(vec![unknown("a"), unknown("b"), unknown("c")]);
    let text = verdict_alone(&three);
    assert!(
        text.starts_with("Private connectivity not verified: 3 checks could not run: a; fix a; "),
        "{text}"
    );
    assert!(text.ends_with("; and 2 other causes"), "{text}");
}
