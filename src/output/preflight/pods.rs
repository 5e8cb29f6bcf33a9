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
    use super::*;
    use crate::preflight::subject::{DnsPolicy, PodLocation};
    use crate::preflight::vantage::pod::placement::Placement;

    #[test]
    fn the_prompt_says_what_is_created_and_where() {
        let pod = |node: &str, dns_policy| PodLocation {
            subnet: None,
            zone: Some("us-east-1a".to_owned()),
            architecture: "amd64".to_owned(),
            node_group: None,
            node: node.to_owned(),
            dns_policy,
        };
        let pods = vec![
            pod("a", DnsPolicy::ClusterFirst),
            pod("a", DnsPolicy::Default),
            pod("b", DnsPolicy::ClusterFirst),
            pod("b", DnsPolicy::Default),
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
