//! The formats for logs and CI.

use xmlparser::{ElementEnd, Token, Tokenizer};

use super::*;
use crate::error::CommandError;

/// A report with every result, and hostile text.
fn mixed() -> Report {
    let public = |name: &str| {
        let fix = Fix::command("enable private DNS", "aws ec2 modify-vpc-endpoint");
        host("CPL211", name, Judgement::fail("104.16.81.56: public").expected("private addresses").fix(fix))
    };
    report(vec![
        inside(),
        public("api.cast.ai"),
        public("grpc.cast.ai"),
        skipped("CPL220", "api.cast.ai", "CPL211"),
        host("CPL231", "a", Judgement::warn("valid until <tomorrow> & \u{1b}[2J\0\u{ffff}\"'")),
        Finding { ignored: true, ..host("CPL220", "b", Judgement::fail("refused")) },
        finding("CPL303", SubjectKind::Registry, "ECR", Judgement::unknown("no permission")),
    ])
}

#[test]
fn short_has_a_line_for_each_problem_and_the_verdict() {
    assert_eq!(
        short::text(&mixed()),
        "\
Fail CPL211 2 hosts (api.cast.ai, grpc.cast.ai): 104.16.81.56: public; enable private DNS: aws ec2 modify-vpc-endpoint
Warn CPL231 a: valid until <tomorrow> &  [2J \u{ffff}\"'; have this certificate renewed by the operator of the server
Unknown CPL303 ECR: no permission
Ignored CPL220 b: Fail: refused
Not ready for PrivateLink: 2 hosts (CPL211); not checked: ECR (CPL303); ignored: b (CPL220)
"
    );
    let good = short::text(&report(vec![inside()]));
    assert!(good.starts_with("Cast AI is privately reachable") && good.lines().count() == 1, "{good}");
}

/// The depth of an element, its name and its attributes.
type Element = (usize, String, Vec<(String, String)>);

/// The elements in their order, by a parser that is strict about XML.
fn elements(xml: &str) -> Vec<Element> {
    let (mut elements, mut depth) = (Vec::new(), 0);
    for token in Tokenizer::from(xml) {
        match token.unwrap() {
            Token::ElementStart { local, .. } => {
                elements.push((depth, local.to_string(), Vec::new()));
                depth += 1;
            }
            Token::Attribute { local, value, .. } => {
                let attributes: &mut Vec<_> = &mut elements.last_mut().unwrap().2;
                attributes.push((local.to_string(), value.to_string()));
            }
            Token::ElementEnd { end: ElementEnd::Empty | ElementEnd::Close(..), .. } => depth -= 1,
            _ => {}
        }
    }
    assert_eq!(depth, 0);
    elements
}

#[test]
fn junit_has_a_test_case_for_each_finding() {
    let xml = junit::text(&mixed());
    let elements = elements(&xml);
    let value = |attributes: &[(String, String)], name: &str| {
        attributes.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let named = |name: &str| -> Vec<_> {
        elements.iter().filter(|(_, other, _)| other == name).map(|(_, _, attributes)| attributes).collect()
    };
    let counts = |attributes: &[(String, String)]| {
        ["tests", "failures", "errors", "skipped"].map(|name| value(attributes, name)).join(" ")
    };
    assert_eq!(counts(named("testsuites")[0]), "7 2 1 2");
    let suites: Vec<_> =
        named("testsuite").iter().map(|one| format!("{} {}", value(one, "name"), counts(one))).collect();
    assert_eq!(suites, ["Cluster 1 0 0 0", "Endpoints 5 2 0 2", "ECR 1 0 1 0"]);
    let cases = named("testcase");
    assert_eq!(value(cases[1], "name"), "CPL211 the host resolves to private addresses only [api.cast.ai]");
    assert_eq!(
        (value(cases[1], "classname"), value(cases[1], "time")),
        ("preflight.Endpoints".into(), "0.007".into())
    );
    assert_eq!(value(named("failure")[0], "message"), "104.16.81.56: public");
    assert_eq!(value(named("error")[0], "message"), "no permission");
    let skipped: Vec<_> = named("skipped").iter().map(|one| value(one, "message")).collect();
    assert!(skipped.contains(&"ignored: Fail: refused".to_owned()), "{skipped:?}");
    assert!(xml.contains(
        "expected: private addresses\nfix: enable private DNS\nrun: aws ec2 modify-vpc-endpoint</failure>"
    ));
    assert!(xml.contains("Warn: valid until &lt;tomorrow&gt; &amp;  [2J \u{fffd}&quot;&#39;"), "{xml}");
    assert!(!xml.chars().any(|character| character.is_control() && character != '\n'));
}

#[test]
fn an_error_that_stops_the_run_is_a_test_error() {
    let error = CommandError::with_hint("error: context \"x\" does not exist", "use another");
    let xml = junit::text(&Report::stopped(error));
    let names: Vec<_> =
        elements(&xml).into_iter().map(|(depth, name, _)| format!("{depth} {name}")).collect();
    assert_eq!(names, ["0 testsuites", "1 testsuite", "2 testcase", "3 error"]);
    assert!(xml.contains("message=\"error: context &quot;x&quot; does not exist\""), "{xml}");
    assert!(xml.contains(">hint: use another</error>"), "{xml}");
}

#[test]
fn what_is_missing_is_named_with_the_number_of_causes() {
    let good = |findings| missing(&report(findings));
    assert_eq!(good(mixed().findings), "2 causes: 2 hosts (CPL211), ECR (CPL303)");
    let error = CommandError::new("The connection to the server was refused");
    assert_eq!(missing(&Report::stopped(error)), "The connection to the server was refused");
    let narrowed = Report { narrowed: true, ..report(vec![skipped("CPL220", "a", "CPL211")]) };
    assert!(
        missing(&narrowed).starts_with("Private connectivity not verified: 1 check"),
        "{}",
        missing(&narrowed)
    );
}
