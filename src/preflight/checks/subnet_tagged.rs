//! CPL410: the subnet has the tag cast.ai/routable=true.

use crate::endpoints::plan::{PlannedSubnet, ROUTABLE, TagState};
use crate::preflight::check::{Category, Check, FactSource, Judge, Requires, Severity};
use crate::preflight::judgement::{Fix, Judgement};
use crate::preflight::vpc::VpcView;

pub static CHECK: Check = Check {
    code: "CPL410",
    title: "the subnet has the tag cast.ai/routable=true",
    category: Category::Aws,
    severity: Severity::Error,
    requires: &[Requires::Vpc("CPL402")],
    explains: &[],
    source: FactSource::AwsApi,
    permissions: &["ec2:DescribeSubnets"],
    explanation: "Cast AI adds nodes only to subnets with this tag (step 1 of its guide).",
    remediation: "tag the subnets of nodes",
    judge: Judge::Subnet(judge),
};

fn judge(vpc: &VpcView, subnet: &PlannedSubnet) -> Judgement {
    let PlannedSubnet { zone, reasons, tag, .. } = subnet;
    let about = format!("{zone}, {}", reasons.join(", "));
    match tag {
        TagState::Present => Judgement::pass(about),
        TagState::OtherValue => {
            let tags = vpc.facts.subnets.iter().find(|known| known.id == subnet.id).map(|known| &known.tags);
            let value = tags.and_then(|tags| tags.get(ROUTABLE)).map_or("", String::as_str);
            Judgement::warn(format!("{about}: {ROUTABLE}={value}"))
                .fix(Fix::text("if Cast AI shall add nodes to it, set the tag to true"))
        }
        _ => Judgement::fail(format!("{about}: no tag")).fix(Fix::command(
            "show what is missing, and add it after a confirmation prompt",
            "kubectl castai-privatelink endpoints create",
        )),
    }
}
