use xmlparser::Tokenizer;

use super::*;
use crate::error::CommandError;
use crate::preflight::checks;
use crate::preflight::finding::Finding;
use crate::preflight::judgement::{Fix, Judgement};
use crate::preflight::path::{Path, PathStep};
use crate::preflight::subject::{Subject, SubjectKind, VantagePoint};

fn host(code: &str, name: &str, judgement: Judgement) -> Finding {
    let check = checks::find(code).unwrap();
    let subject = Subject::new(SubjectKind::Host, name);
    Finding::new(check, check.severity, subject, VantagePoint::Here, judgement)
}

#[test]
fn a_page_has_its_parts_in_order_and_needs_nothing_else() {
    let fix = || Fix::command("enable private DNS", "aws ec2 modify-vpc-endpoint");
    let public = |name: &str| host("CPL211", name, Judgement::fail("104.16.81.56: public").fix(fix()));
    let findings = vec![
        host("CPL210", "a", Judgement::pass("104.16.81.56")),
        public("a"),
        public("b"),
        host("CPL220", "a", Judgement::skipped("CPL211")),
        host("CPL210", "c", Judgement::unknown("no route")),
        Finding { ignored: true, ..host("CPL220", "d", Judgement::fail("refused")) },
    ];
    let report = Report::new(Some("prod".to_owned()), None, findings);
    let page = page(&Report { not_covered: vec!["pods".to_owned()], ..report }, true);
    let parts = [
        "<h1>",
        "class=\"verdict fail\"",
        "2 causes, with fixes",
        "<span>2 hosts</span>",
        "<dd>a, b</dd>",
        "1 more check is skipped until this passes",
        "<pre>aws ec2 modify-vpc-endpoint</pre>",
        "<h2>Ignored</h2>",
        "CPL220 d: Fail: refused",
        "Paths to Cast AI and AWS",
        "0 of 4 paths work",
        "All findings",
        "What was not looked at",
        "<li>c: no route (CPL210)</li>",
        "<li>pods: not looked at in this run</li>",
    ];
    let mut rest = page.as_str();
    for part in parts {
        let (_, after) =
            rest.split_once(part).unwrap_or_else(|| panic!("no {part} after the former: {page}"));
        rest = after;
    }
    for outside in ["<script", "src=", "href=", "url(", "@import", "http:", "https:", "<link", "javascript:"]
    {
        assert!(!page.contains(outside), "{outside}");
    }
    let good = super::page(&Report::new(None, None, vec![host("CPL210", "a", Judgement::pass("x"))]), false);
    assert!(good.contains("class=\"verdict pass\"") && !good.contains("id=\"causes\""), "{good}");
    assert!(good.contains("Nothing is redacted"));
}

#[test]
fn text_from_outside_stays_text() {
    let hostile = "<img src=x onerror=alert(1)>\"'&\u{1b}[2J";
    let judgement = Judgement::fail(hostile).expected(hostile).fix(Fix::command(hostile, hostile));
    let mut finding = host("CPL210", hostile, judgement);
    finding.subject.needed_by = [hostile.to_owned()].into();
    let unknown = host("CPL211", hostile, Judgement::unknown(hostile));
    let ignored = Finding { ignored: true, ..host("CPL220", hostile, Judgement::fail(hostile)) };
    let mut report =
        Report::new(Some(hostile.to_owned()), Some(hostile.to_owned()), vec![finding, unknown, ignored]);
    let pages = [page(&report, true), {
        report.error = Some(CommandError::with_hint(hostile, hostile));
        page(&report, true)
    }];
    for page in pages {
        assert!(!page.contains("<img") && !page.contains('\u{1b}'), "{page}");
        assert!(page.matches("&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;").count() > 10, "{page}");
        assert_drawings_are_xml(&page);
    }
}

#[track_caller]
fn assert_drawings_are_xml(page: &str) {
    let drawings: Vec<_> = page.split("<svg ").skip(1).collect();
    assert!(!drawings.is_empty());
    for drawing in drawings {
        let drawing = drawing.split_once("</svg>").unwrap().0;
        let xml = format!("<svg {drawing}</svg>");
        for token in Tokenizer::from(xml.as_str()) {
            assert!(token.is_ok(), "{token:?}: {xml}");
        }
    }
}

fn path(from: &str, to: &str, through: Option<&str>, results: [&'static str; 5]) -> Path {
    let names = ["DNS", "private", "TCP", "TLS", "response"];
    let steps = names.iter().zip(results).map(|(name, result)| PathStep {
        name,
        result,
        observed: format!("seen by {name}"),
        milliseconds: 1,
    });
    Path {
        from: from.to_owned(),
        through: through.map(str::to_owned),
        to: to.to_owned(),
        needed_by: ["agent".to_owned()].into(),
        steps: steps.collect(),
    }
}

#[test]
fn paths_are_drawn_by_start_and_broken_ones_come_first() {
    let mut paths: Vec<_> =
        (0..14).map(|index| path("subnet-1", &format!("host-{index}"), None, ["Pass"; 5])).collect();
    let broken = ["Pass", "Pass", "Fail", "Skipped", "Skipped"];
    paths.push(path("subnet-1", "broken", Some("vpce-1"), broken));
    paths.push(path("subnet-2", "other", Some("vpce-2"), ["Pass", "Warn", "Pass", "Unknown", "Pass"]));
    let section = drawing::section(&paths);
    assert_drawings_are_xml(&section);
    let order = [
        "From subnet-1",
        "14 of 15 paths work",
        "<h4>broken</h4>",
        "<p class=\"soft\">through vpce-1</p>",
        "<p>TCP: seen by TCP</p>",
        "<h4>host-0</h4>",
        "2 more paths work",
        "<h4>host-13</h4>",
        "From subnet-2",
        "0 of 1 paths work",
        "<p>TLS: seen by TLS</p>",
    ];
    let mut rest = section.as_str();
    for part in order {
        rest = rest.split_once(part).unwrap_or_else(|| panic!("no {part}: {section}")).1;
    }
    assert_eq!(section.matches(">endpoint</text>").count(), 2);
    assert_eq!(section.matches("<svg ").count(), paths.len());
    let label = "aria-label=\"From subnet-1 to broken: DNS Pass, private Pass, TCP Fail, TLS Skipped, response Skipped\"";
    assert!(section.contains(label), "{section}");
    assert_eq!(drawing::section(&[]), "");
}
