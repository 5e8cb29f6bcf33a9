//! What a run of probe pods would do, and what was removed.

use std::io;

use crate::output::say;
use crate::output::table::{bytes, count};
use crate::preflight::vantage::pod::leftovers::Leftover;
use crate::preflight::vantage::pod::plan::{ImageSource, PodPlan};
use crate::printable::one_line;

/// Maximum number of pods and nodes that are listed.
const LISTED: usize = 10;
/// Maximum length of a text of the cluster, in characters.
const LIMIT: usize = 1000;

/// The work that is confirmed: `push the probe image (1.2 MB) to … and create 6 pods …`.
pub fn work(plan: &PodPlan) -> String {
    let push = match &plan.image {
        ImageSource::Given(_) => String::new(),
        source @ ImageSource::Pushed { .. } => {
            format!("push the probe image ({}, unless it is there) and ", bytes(source.size()))
        }
    };
    let (pods, nodes) = (count(plan.placement.pods.len(), "pod"), count(plan.placement.nodes(), "node"));
    format!("{push}create {pods} on {nodes} in namespace {} for less than a minute", plan.namespace)
}

/// Lists the pods and the image on stderr.
pub fn show_planned(plan: &PodPlan) {
    say(&format!("image {}", plan.image.reference()));
    let pods: Vec<_> = plan.placement.pods.iter().map(|pod| format!("{pod} on {}", pod.node)).collect();
    list(&pods, "pod");
    let left_out = plan.placement.left_out.iter();
    let left_out: Vec<_> =
        left_out.map(|node| format!("not looked from: node {} ({})", node.node, node.why)).collect();
    list(&left_out, "node");
}

fn list(lines: &[String], noun: &str) {
    lines.iter().take(LISTED).for_each(|line| say(line));
    if let Some(more) = lines.len().checked_sub(LISTED).filter(|more| *more > 0) {
        say(&format!("and {} more", count(more, noun)));
    }
}

/// A line for each object, in kubectl's words; `suffix` names a dry run.
///
/// # Errors
/// Writing to standard output failed.
pub fn removed(leftovers: &[Leftover], suffix: &str) -> io::Result<()> {
    let mut lines = Vec::new();
    for Leftover { namespace, object, failure } in leftovers {
        match failure {
            None => lines.push(format!("{object} deleted from {namespace} namespace{suffix}")),
            Some(why) => say(&one_line(
                &format!("error: cannot delete {object} in namespace {namespace}: {why}"),
                LIMIT,
            )),
        }
    }
    if leftovers.is_empty() {
        say("No probe pods found");
    }
    super::super::lines(lines.into_iter())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::preflight::checks;
    use crate::preflight::finding::Finding;
    use crate::preflight::judgement::{Fix, Judgement};
    use crate::preflight::report::Report;
    use crate::preflight::subject::{DnsPolicy, PodLocation, Subject, SubjectKind, VantagePoint};
    use crate::preflight::vantage::pod::placement::Placement;

    fn location(node: &str, dns_policy: DnsPolicy) -> PodLocation {
        PodLocation {
            subnet: None,
            zone: Some("us-east-1a".to_owned()),
            architecture: "amd64".to_owned(),
            node_group: None,
            node: node.to_owned(),
            dns_policy,
        }
    }

    #[test]
    fn a_problem_says_from_where_it_was_seen_and_what_it_hides() {
        let find = |code: &str, kind, name: &str, dns_policy, judgement: Judgement| {
            let check = checks::find(code).unwrap();
            let vantage_point = VantagePoint::Pod(Arc::new(location("a", dns_policy)));
            Finding::new(check, check.severity, Subject::new(kind, name), vantage_point, judgement)
        };
        let (host, node) = (SubjectKind::Host, SubjectKind::Node);
        let (cluster, default) = (DnsPolicy::ClusterFirst, DnsPolicy::Default);
        let public = || Judgement::fail("104.16.81.56: public").fix(Fix::text("enable private DNS"));
        let pull = || Judgement::fail("ErrImagePull: i/o timeout").fix(Fix::text("create the endpoints"));
        let report = Report::new(
            None,
            None,
            vec![
                find("CPL211", host, "api.cast.ai", cluster, public()),
                find("CPL220", host, "api.cast.ai", cluster, Judgement::skipped("CPL211")),
                find("CPL211", host, "api.cast.ai", default, Judgement::skipped("CPL502")),
                find("CPL502", node, "a", default, pull()),
            ],
        );
        let text = super::super::text(&report, false, None);
        let text = anstream::adapter::strip_str(&text).to_string();
        let blocks: Vec<_> = text.split("\n\n").skip(2).take(2).collect();
        assert_eq!(
            blocks,
            [
                "\
Fail CPL211 api.cast.ai
  seen from  pod in us-east-1a (amd64, cluster DNS)
  check      the host resolves to private addresses only
  observed   104.16.81.56: public
  skipped    CPL220 until this passes
  fix        enable private DNS",
                "\
Fail CPL502 a
  seen from  pod in us-east-1a (amd64, node DNS)
  check      nodes pull the probe image
  observed   ErrImagePull: i/o timeout
  skipped    CPL211 until this passes
  fix        create the endpoints",
            ]
        );
    }

    #[test]
    fn the_prompt_says_what_is_created_and_where() {
        let pods = vec![
            location("a", DnsPolicy::ClusterFirst),
            location("a", DnsPolicy::Default),
            location("b", DnsPolicy::ClusterFirst),
            location("b", DnsPolicy::Default),
        ];
        let plan = PodPlan {
            placement: Placement { pods, left_out: Vec::new() },
            namespace: "castai-agent".to_owned(),
            component: None,
            service_account: None,
            image: ImageSource::Given("registry.example/probe:v1".to_owned()),
        };
        assert_eq!(work(&plan), "create 4 pods on 2 nodes in namespace castai-agent for less than a minute");
    }
}
