//! CPL404: the VPC's machines use Amazon's DNS server.

use serde_json::json;

use crate::preflight::check::{Category, Check, FactSource, Judge, Requires, Severity};
use crate::preflight::judgement::{Fix, Judgement, Symptom};
use crate::preflight::vpc::VpcView;

pub static CHECK: Check = Check {
    code: "CPL404",
    title: "the VPC's machines use Amazon's DNS server",
    category: Category::Aws,
    severity: Severity::Warning,
    requires: &[Requires::Same("CPL402")],
    explains: &[Symptom::NoAddress, Symptom::NoDnsServer, Symptom::PublicAddress],
    source: FactSource::AwsApi,
    permissions: &["ec2:DescribeDhcpOptions"],
    explanation: "Only Amazon's DNS server knows the private names of endpoints. Other servers in the DHCP option set have to forward these names to it.",
    remediation: "let the servers forward Cast AI's and AWS' names to the VPC's base address plus two",
    judge: Judge::Vpc(judge),
};

/// The server that EC2 writes by name, and its addresses (Amazon VPC user guide, "DHCP option sets").
const AMAZON: &str = "AmazonProvidedDNS";

fn judge(vpc: &VpcView) -> Judgement {
    let options = match &vpc.dhcp {
        Ok(options) => options,
        Err(why) => {
            let fix = Fix::text("allow ec2:DescribeDhcpOptions");
            return Judgement::unknown(format!("could not read the DHCP options: {why}")).fix(fix);
        }
    };
    let servers = &options.name_servers;
    let id = &options.id;
    let judgement = if servers.is_empty() {
        Judgement::fail(format!("{} names no DNS server", if id.is_empty() { "the VPC" } else { id }))
            .fix(Fix::text(format!("associate a DHCP option set that names {AMAZON}")))
    } else if servers.iter().all(|server| is_amazons(vpc, server)) {
        Judgement::pass(servers.join(", "))
    } else {
        Judgement::fail(format!("{id} names {}", servers.join(", ")))
    };
    judgement.expected(AMAZON).evidence(json!({ "dhcpOptions": id, "nameServers": servers }))
}

/// By name, by its link-local address, or by the base address of one of the VPC's blocks plus two.
fn is_amazons(vpc: &VpcView, server: &str) -> bool {
    let is_plus_two = |cidr: &ipnet::IpNet| match cidr {
        ipnet::IpNet::V4(cidr) => {
            server.parse() == Ok(std::net::Ipv4Addr::from(u32::from(cidr.network()).saturating_add(2)))
        }
        ipnet::IpNet::V6(_) => false,
    };
    server == AMAZON
        || ["169.254.169.253", "fd00:ec2::253"].contains(&server)
        || vpc.facts.vpc.cidrs.iter().any(is_plus_two)
}
