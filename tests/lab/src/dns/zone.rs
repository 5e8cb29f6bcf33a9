//! The resolver's responses for each name: plain values, without sockets.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_proto::ProtoError;
use hickory_proto::op::{Edns, Message, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, SOA};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use serde::{Deserialize, Serialize};

use crate::aws::FILES_HOST;
use crate::{address, castai};

/// Time to live of private DNS records, in seconds: that of Route 53 for interface endpoints.
pub const TTL: u32 = 60;
/// Means every name without a record that control has set.
pub const EVERY_NAME: &str = "*";

/// How the resolver responds to queries for a name; behaviours nest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Behaviour {
    /// The addresses of the queried type; none gives an empty NOERROR.
    Addresses {
        #[serde(default)]
        v4: Vec<Ipv4Addr>,
        #[serde(default)]
        v6: Vec<Ipv6Addr>,
        /// Seconds.
        #[serde(default = "default_ttl")]
        ttl: u32,
    },
    /// A chain of CNAME records through `names`; the last of them behaves like `target`.
    Alias { names: Vec<String>, target: Box<Self> },
    /// NXDOMAIN.
    NameError,
    /// SERVFAIL.
    ServerFailure,
    /// REFUSED.
    Refused,
    /// No response.
    Silent,
    /// One behaviour for AAAA, another for all other types.
    ByType { a: Box<Self>, aaaa: Box<Self> },
    /// Each query of a type gets the next one of `answers`: a split or half-configured zone.
    Rotating { answers: Vec<Self> },
    /// Truncated and empty over UDP, so that the client has to retry over TCP.
    TruncatedOverUdp { then: Box<Self> },
}

impl Behaviour {
    pub fn addresses(v4: &[Ipv4Addr]) -> Self {
        Self::Addresses { v4: v4.to_vec(), v6: Vec::new(), ttl: TTL }
    }

    /// The content of public DNS for a Cast AI name.
    pub fn public() -> Self {
        Self::Addresses { v4: vec![address::CASTAI_PUBLIC], v6: Vec::new(), ttl: 300 }
    }
}

const fn default_ttl() -> u32 {
    TTL
}

/// How a query arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    Udp,
    Tcp,
}

/// The names of the lab, and the behaviours that control has set.
pub struct Zone {
    standing: BTreeMap<String, Behaviour>,
    /// Instead of `standing`: Cast AI's names if they follow the endpoints of the VPC.
    following: BTreeMap<String, Behaviour>,
    overrides: BTreeMap<String, Behaviour>,
    /// Queries already answered per name and type, for rotating answers.
    turns: HashMap<(String, RecordType), usize>,
}

impl Default for Zone {
    fn default() -> Self {
        let api_server = (address::API_SERVER_HOST, address::API_SERVER);
        let castai = castai::hosts().into_iter().zip(0..).filter(|(host, _)| host.name != FILES_HOST);
        let standing = [api_server]
            .iter()
            .chain(address::SERVERS)
            .chain(address::SOURCES)
            .map(|(name, address)| (key(name), Behaviour::addresses(&[*address])))
            .chain(castai.map(|(host, index)| {
                (key(&host.name), Behaviour::addresses(&[address::castai_endpoint(index)]))
            }))
            .collect();
        Self { standing, following: BTreeMap::new(), overrides: BTreeMap::new(), turns: HashMap::new() }
    }
}

impl Zone {
    /// Sets `behaviour` for `name` ([`EVERY_NAME`] for all names).
    ///
    /// # Errors
    /// A name of an alias, or `name` itself, is not a valid DNS name; or a rotation is empty.
    pub fn set(&mut self, name: &str, behaviour: Behaviour) -> Result<(), ProtoError> {
        check(&behaviour)?;
        Name::from_ascii(name)?;
        self.turns.clear();
        self.overrides.insert(key(name), behaviour);
        Ok(())
    }

    /// Resets `name` to its initial behaviour.
    pub fn restore(&mut self, name: &str) {
        self.overrides.remove(&key(name));
    }

    /// Resets every name to its initial behaviour.
    pub fn reset(&mut self) {
        self.overrides.clear();
        self.turns.clear();
    }

    /// See [`super::PrivateNames::set`]. The others resolve as on the internet.
    pub fn set_private_names(&mut self, hosts: Option<&BTreeSet<String>>) {
        let Some(private) = hosts else {
            self.following.clear();
            return;
        };
        let behaviour = |name: &str, index| match name {
            name if private.contains(name) => Behaviour::addresses(&[address::castai_endpoint(index)]),
            FILES_HOST => Behaviour::NameError,
            _ => Behaviour::public(),
        };
        let hosts = castai::hosts().into_iter().zip(0..);
        self.following = hosts.map(|(host, index)| (key(&host.name), behaviour(&host.name, index))).collect();
        if !private.contains(address::S3_LAYERS.0) {
            let silent = Behaviour::addresses(&[address::S3_SILENT]);
            self.following.insert(key(address::S3_LAYERS.0), silent);
        }
    }

    /// Every name that has a behaviour, with its current one.
    pub fn records(&self) -> BTreeMap<String, Behaviour> {
        let mut records = self.standing.clone();
        records.extend(self.following.clone());
        records.extend(self.overrides.clone());
        records
    }

    /// The response to `query`, for which `viewed` comes before the behaviour of its name; `None` means no response.
    pub fn answer(
        &mut self,
        query: &Message,
        transport: Transport,
        viewed: Option<Behaviour>,
    ) -> Option<Message> {
        let mut message = Message::response(query.metadata.id, query.metadata.op_code);
        message.metadata = Metadata::response_from_request(&query.metadata);
        message.metadata.recursion_available = true;
        message.add_queries(query.queries.iter().cloned());
        if query.edns.is_some() {
            message.set_edns(Edns::new());
        }
        if query.metadata.op_code != OpCode::Query {
            message.metadata.response_code = ResponseCode::NotImp;
            return Some(message);
        }
        let [question] = query.queries.as_slice() else {
            message.metadata.response_code = ResponseCode::FormErr;
            return Some(message);
        };
        if question.query_class() != DNSClass::IN {
            message.metadata.response_code = ResponseCode::Refused;
            return Some(message);
        }
        let behaviour = viewed.unwrap_or_else(|| self.behaviour(question.name()));
        let name = key(&question.name().to_ascii());
        let turn = self.turns.entry((name, question.query_type())).or_default();
        let asked = Asked { query_type: question.query_type(), transport, turn: *turn };
        *turn += 1;
        match said(&behaviour, question.name(), &asked) {
            Ok(Said::Nothing) => return None,
            Ok(Said::Truncated) => message.metadata.truncation = true,
            Ok(Said::Records(records, code)) => {
                message.metadata.response_code = code;
                let owner = records.last().map_or(question.name(), |record| &record.name).clone();
                let negative = !records.iter().any(|record| record.record_type() == question.query_type());
                message.add_answers(records);
                if negative && matches!(code, ResponseCode::NXDomain | ResponseCode::NoError) {
                    message.add_authority(start_of_authority(&owner));
                }
            }
            Err(_) => message.metadata.response_code = ResponseCode::ServFail,
        }
        Some(message)
    }

    fn behaviour(&self, name: &Name) -> Behaviour {
        let name = key(&name.to_ascii());
        if let Some(behaviour) = self.overrides.get(&name) {
            return behaviour.clone();
        }
        // A client may resolve the chain itself, so the names in an alias chain resolve too.
        let inside = self.overrides.values().find_map(|behaviour| rest_of_chain(behaviour, &name));
        inside
            .or_else(|| self.overrides.get(EVERY_NAME).cloned())
            .or_else(|| self.following.get(&name).cloned())
            .or_else(|| self.standing.get(&name).cloned())
            .unwrap_or(Behaviour::NameError)
    }
}

/// The properties of the query to which a behaviour is applied.
struct Asked {
    query_type: RecordType,
    transport: Transport,
    turn: usize,
}

enum Said {
    Nothing,
    Truncated,
    Records(Vec<Record>, ResponseCode),
}

fn said(behaviour: &Behaviour, owner: &Name, asked: &Asked) -> Result<Said, ProtoError> {
    let code = |code| Ok(Said::Records(Vec::new(), code));
    match behaviour {
        Behaviour::Addresses { v4, v6, ttl } => {
            let record = |data| Record::from_rdata(owner.clone(), *ttl, data);
            let records = match asked.query_type {
                RecordType::A => v4.iter().map(|address| record(RData::A(A(*address)))).collect(),
                RecordType::AAAA => v6.iter().map(|address| record(RData::AAAA(AAAA(*address)))).collect(),
                _ => Vec::new(),
            };
            Ok(Said::Records(records, ResponseCode::NoError))
        }
        Behaviour::Alias { names, target } => {
            let (mut chain, mut owner) = (Vec::new(), owner.clone());
            for name in names {
                let name = absolute(name)?;
                chain.push(Record::from_rdata(owner, TTL, RData::CNAME(CNAME(name.clone()))));
                owner = name;
            }
            if asked.query_type == RecordType::CNAME {
                chain.truncate(1);
                return Ok(Said::Records(chain, ResponseCode::NoError));
            }
            Ok(match said(target, &owner, asked)? {
                Said::Records(records, code) => {
                    chain.extend(records);
                    Said::Records(chain, code)
                }
                other => other,
            })
        }
        Behaviour::NameError => code(ResponseCode::NXDomain),
        Behaviour::ServerFailure => code(ResponseCode::ServFail),
        Behaviour::Refused => code(ResponseCode::Refused),
        Behaviour::Silent => Ok(Said::Nothing),
        Behaviour::ByType { a, aaaa } => {
            said(if asked.query_type == RecordType::AAAA { aaaa } else { a }, owner, asked)
        }
        Behaviour::Rotating { answers } => match answers.iter().cycle().nth(asked.turn) {
            Some(behaviour) => said(behaviour, owner, asked),
            None => code(ResponseCode::ServFail),
        },
        Behaviour::TruncatedOverUdp { then } => match asked.transport {
            Transport::Udp => Ok(Said::Truncated),
            Transport::Tcp => said(then, owner, asked),
        },
    }
}

pub(super) fn check(behaviour: &Behaviour) -> Result<(), ProtoError> {
    match behaviour {
        Behaviour::Alias { names, target } => {
            names.iter().try_for_each(|name| absolute(name).map(drop))?;
            check(target)
        }
        Behaviour::ByType { a, aaaa } => check(a).and_then(|()| check(aaaa)),
        Behaviour::Rotating { answers } if answers.is_empty() => {
            Err("a rotation needs at least one answer".into())
        }
        Behaviour::Rotating { answers } => answers.iter().try_for_each(check),
        Behaviour::TruncatedOverUdp { then } => check(then),
        Behaviour::Addresses { .. }
        | Behaviour::NameError
        | Behaviour::ServerFailure
        | Behaviour::Refused
        | Behaviour::Silent => Ok(()),
    }
}

fn rest_of_chain(behaviour: &Behaviour, name: &str) -> Option<Behaviour> {
    match behaviour {
        Behaviour::Alias { names, target } => {
            let position = names.iter().position(|link| key(link) == name)?;
            let rest = names.get(position + 1..).unwrap_or_default();
            if rest.is_empty() {
                return Some((**target).clone());
            }
            Some(Behaviour::Alias { names: rest.to_vec(), target: target.clone() })
        }
        Behaviour::ByType { a, aaaa } => rest_of_chain(a, name).or_else(|| rest_of_chain(aaaa, name)),
        Behaviour::Rotating { answers } => answers.iter().find_map(|answer| rest_of_chain(answer, name)),
        Behaviour::TruncatedOverUdp { then } => rest_of_chain(then, name),
        Behaviour::Addresses { .. }
        | Behaviour::NameError
        | Behaviour::ServerFailure
        | Behaviour::Refused
        | Behaviour::Silent => None,
    }
}

/// Names are compared without regard to case or to a final dot (RFC 4343).
pub(super) fn key(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn absolute(name: &str) -> Result<Name, ProtoError> {
    let mut name = Name::from_ascii(name)?;
    name.set_fqdn(true);
    Ok(name)
}

/// Negative answers carry the zone's SOA (RFC 2308); every second-level domain is a zone here.
fn start_of_authority(name: &Name) -> Record {
    let zone = name.trim_to(2);
    let data = SOA::new(zone.clone(), zone.clone(), 1, 7200, 900, 1_209_600, TTL);
    Record::from_rdata(zone, TTL, RData::SOA(data))
}

#[cfg(test)]
mod tests;
