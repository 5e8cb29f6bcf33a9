//! Names: what the system's name servers answer for A and for AAAA, and whether that is private.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Resolver, TokioResolver};
use ipnet::IpNet;
use serde::Serialize;
use serde_json::json;

use super::check::{Judgement, Remedy};

/// Which name servers are asked.
#[derive(Clone, Debug, Default)]
pub enum NameServers {
    /// Those of `/etc/resolv.conf`, or of the system's settings elsewhere.
    #[default]
    System,
    These(Vec<SocketAddr>),
}

/// What the name servers say about one record type of a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    pub reply: Reply,
    /// Names that the name is an alias of, in order.
    pub aliases: Vec<String>,
    /// Shortest time to live of the records, in seconds.
    pub ttl: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Reply {
    Addresses(Vec<IpAddr>),
    /// The name exists but has no record of this type.
    NoRecords,
    /// An error code such as `NXDOMAIN` or `SERVFAIL`.
    Code(String),
    TimedOut,
    /// No question could be asked.
    Error(String),
}

/// Both record types of a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answers {
    pub a: Answer,
    pub aaaa: Answer,
}

impl Answers {
    /// All addresses, IPv4 first.
    pub fn addresses(&self) -> Vec<IpAddr> {
        [&self.a, &self.aaaa]
            .into_iter()
            .filter_map(|answer| match &answer.reply {
                Reply::Addresses(addresses) => Some(addresses),
                _ => None,
            })
            .flatten()
            .copied()
            .collect()
    }
}

/// A resolver that asks the name servers themselves: `/etc/hosts` of this machine is not the pods'. A question takes
/// `timeout` at most, with one repetition within it.
///
/// # Errors
/// The system names no name server.
pub fn resolver(servers: &NameServers, timeout: Duration) -> Result<TokioResolver, NetError> {
    let provider = TokioRuntimeProvider::default();
    let mut builder = match servers {
        NameServers::System => Resolver::builder(provider)?,
        NameServers::These(addresses) => {
            let servers = addresses.iter().map(|address| {
                let mut server = NameServerConfig::udp_and_tcp(address.ip());
                for connection in &mut server.connections {
                    connection.port = address.port();
                }
                server
            });
            Resolver::builder_with_config(ResolverConfig::from_name_servers(servers.collect()), provider)
        }
    };
    let options = builder.options_mut();
    options.use_hosts_file = ResolveHosts::Never;
    options.timeout = timeout / 2;
    options.attempts = 1;
    options.cache_size = 0;
    options.preserve_intermediates = true;
    builder.build()
}

/// Asks for A and AAAA side by side.
pub async fn look_up(resolver: &TokioResolver, host: &str, timeout: Duration) -> Answers {
    let (a, aaaa) = tokio::join!(
        ask(resolver, host, RecordType::A, timeout),
        ask(resolver, host, RecordType::AAAA, timeout),
    );
    Answers { a, aaaa }
}

async fn ask(resolver: &TokioResolver, host: &str, record_type: RecordType, timeout: Duration) -> Answer {
    let failed = |reply| Answer { reply, aliases: Vec::new(), ttl: None };
    let mut name = match Name::from_ascii(host) {
        Ok(name) => name,
        Err(error) => return failed(Reply::Error(format!("{host:?} is no host name: {error}"))),
    };
    // Search domains would make another name of it.
    name.set_fqdn(true);
    let lookup = match tokio::time::timeout(timeout, resolver.lookup(name, record_type)).await {
        Err(_) => return failed(Reply::TimedOut),
        Ok(Err(error)) => return failed(reply_of(&error)),
        Ok(Ok(lookup)) => lookup,
    };
    let mut addresses = Vec::new();
    let mut aliases = Vec::new();
    for record in lookup.answers() {
        match &record.data {
            RData::A(address) => addresses.push(IpAddr::V4(address.0)),
            RData::AAAA(address) => addresses.push(IpAddr::V6(address.0)),
            RData::CNAME(target) => aliases.push(target.to_ascii().trim_end_matches('.').to_owned()),
            _ => {}
        }
    }
    addresses.sort_unstable();
    addresses.dedup();
    Answer {
        reply: if addresses.is_empty() { Reply::NoRecords } else { Reply::Addresses(addresses) },
        aliases,
        ttl: lookup.answers().iter().map(|record| record.ttl).min(),
    }
}

fn reply_of(error: &NetError) -> Reply {
    match error {
        NetError::Timeout => Reply::TimedOut,
        NetError::Dns(DnsError::NoRecordsFound(none)) if none.response_code == ResponseCode::NoError => {
            Reply::NoRecords
        }
        NetError::Dns(DnsError::NoRecordsFound(none)) => Reply::Code(code_name(none.response_code)),
        NetError::Dns(DnsError::ResponseCode(code)) => Reply::Code(code_name(*code)),
        other => Reply::Error(other.to_string()),
    }
}

/// The code as `dig` prints it.
fn code_name(code: ResponseCode) -> String {
    match code {
        ResponseCode::NXDomain => "NXDOMAIN".to_owned(),
        ResponseCode::ServFail => "SERVFAIL".to_owned(),
        ResponseCode::Refused => "REFUSED".to_owned(),
        ResponseCode::FormErr => "FORMERR".to_owned(),
        ResponseCode::NotImp => "NOTIMP".to_owned(),
        other => format!("rcode {}", u16::from(other)),
    }
}

/// Whether the answers give clients an address to go to.
pub fn judge_resolution(answers: &Answers) -> Judgement {
    let (a, aaaa) = (describe(&answers.a), describe(&answers.aaaa));
    let seen = if a == aaaa { format!("A and AAAA: {a}") } else { format!("A: {a}; AAAA: {aaaa}") };
    let judgement = if !answers.addresses().is_empty() {
        let broken = [("A", &answers.a), ("AAAA", &answers.aaaa)]
            .into_iter()
            .find(|(_, answer)| !matches!(answer.reply, Reply::Addresses(_) | Reply::NoRecords));
        match broken {
            None => Judgement::pass(seen),
            Some((record, _)) => Judgement::warn(seen).remedy(Remedy::text(format!(
                "mend the name server's answer for {record}: clients ask for both record types, and some give up when one of them fails"
            ))),
        }
    } else if let Some(problem) =
        [&answers.a, &answers.aaaa].into_iter().find_map(|answer| match &answer.reply {
            Reply::Error(problem) => Some(problem),
            _ => None,
        })
    {
        Judgement::unknown(format!("no name server could be asked: {problem}"))
    } else {
        let judgement = Judgement::fail(seen);
        match &answers.a.reply {
            Reply::TimedOut => judgement.remedy(Remedy::text(
                "find out why the name server is silent: a security group or network ACL on port 53, or a DHCP option set that names a server that is gone",
            )),
            Reply::Code(code) if code == "SERVFAIL" || code == "REFUSED" => judgement.remedy(Remedy::text(format!(
                "the name server answers {code}: let it forward this name to the VPC's resolver (the VPC's base address plus two)"
            ))),
            _ => judgement,
        }
    };
    judgement.expected("an address for A or AAAA").evidence(json!(answers))
}

fn describe(answer: &Answer) -> String {
    let aliases = answer.aliases.iter().map(|alias| format!("{alias} → "));
    aliases.collect::<String>() + &describe_reply(&answer.reply)
}

fn describe_reply(reply: &Reply) -> String {
    match reply {
        Reply::Addresses(addresses) => list(addresses),
        Reply::NoRecords => "no records".to_owned(),
        Reply::Code(code) => code.clone(),
        Reply::TimedOut => "no answer in time".to_owned(),
        Reply::Error(problem) => problem.clone(),
    }
}

fn list(addresses: &[IpAddr]) -> String {
    let texts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

/// Whether all addresses are private. Private addresses beside public ones of the other family are a warning:
/// clients may take either.
pub fn judge_private(addresses: &[IpAddr], vpc: &[IpNet]) -> Judgement {
    let (private, public): (Vec<IpAddr>, Vec<IpAddr>) =
        addresses.iter().copied().partition(|address| is_private(*address, vpc));
    let evidence = json!({ "private": private, "public": public });
    let judgement = match (private.is_empty(), public.is_empty()) {
        (_, true) => Judgement::pass(list(&private)),
        (true, false) => Judgement::fail(format!("{}: public", list(&public))),
        (false, false) => {
            let seen = format!("{}: private; {}: public", list(&private), list(&public));
            let same_family =
                public.iter().any(|address| private.iter().any(|other| other.is_ipv4() == address.is_ipv4()));
            if same_family { Judgement::fail(seen) } else { Judgement::warn(seen) }
        }
    };
    judgement
        .expected("private addresses: RFC 1918, 100.64.0.0/10, fc00::/7 or the VPC's own")
        .evidence(evidence)
}

/// RFC 1918, RFC 6598 (EKS' secondary ranges), RFC 4193, and whatever the VPC calls its own.
fn is_private(address: IpAddr, vpc: &[IpNet]) -> bool {
    let known = match address {
        IpAddr::V4(address) => address.is_private() || (u32::from(address) >> 22) == 0b01_1001_0001,
        IpAddr::V6(address) => address.is_unique_local(),
    };
    known || vpc.iter().any(|range| range.contains(&address))
}

#[cfg(test)]
mod tests;
