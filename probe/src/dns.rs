//! DNS: the responses of name servers for A and for AAAA.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use hickory_resolver::{Resolver, TokioResolver};
use serde::{Deserialize, Serialize};

/// The name servers that get the queries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NameServers {
    /// Those of `/etc/resolv.conf`, or of the system's settings on other systems.
    #[default]
    System,
    These(Vec<SocketAddr>),
}

/// The result of a lookup of one record type of a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    pub reply: Reply,
    /// The CNAME chain of the name, in order.
    pub aliases: Vec<String>,
    /// Shortest time to live of the records, in seconds.
    pub ttl: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reply {
    Addresses(Vec<IpAddr>),
    /// The name exists but has no record of this type.
    NoRecords,
    /// An error code such as `NXDOMAIN` or `SERVFAIL`.
    Code(String),
    TimedOut,
    /// No query could be sent.
    Error(String),
}

/// Both record types of a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// A resolver that queries the name servers directly, because pods do not use `/etc/hosts` of this machine. A query takes
/// at most `timeout`, including one retry.
///
/// # Errors
/// The system has no name server.
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

/// The name servers of `/etc/resolv.conf`, or of the system's settings on other systems; none if it cannot be read.
pub fn system_name_servers() -> Vec<IpAddr> {
    let config = read_system_conf().map(|(config, _)| config);
    config.map(|config| config.name_servers().iter().map(|server| server.ip).collect()).unwrap_or_default()
}

/// Queries A and AAAA concurrently.
pub async fn look_up(resolver: &TokioResolver, host: &str, timeout: Duration) -> Answers {
    let (a, aaaa) = tokio::join!(
        look_up_type(resolver, host, RecordType::A, timeout),
        look_up_type(resolver, host, RecordType::AAAA, timeout),
    );
    Answers { a, aaaa }
}

async fn look_up_type(
    resolver: &TokioResolver,
    host: &str,
    record_type: RecordType,
    timeout: Duration,
) -> Answer {
    let failed = |reply| Answer { reply, aliases: Vec::new(), ttl: None };
    let mut name = match Name::from_ascii(host) {
        Ok(name) => name,
        Err(error) => return failed(Reply::Error(format!("invalid host name {host:?}: {error}"))),
    };
    // With search domains, another name would be looked up.
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

#[cfg(test)]
mod tests;
