//! The way to one host: name, address, connection, handshake, answer. Each step uses what the one before it found,
//! so that the connection that is judged is one connection.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use jiff::Timestamp;
use probe::Endpoint;
use probe::dns::TokioResolver;
use rustls::ClientConfig;

use super::checks::{
    endpoint_certificate, endpoint_grpc, endpoint_https, endpoint_private, endpoint_resolves, endpoint_tcp,
    endpoint_tls,
};
use super::engine::Trail;
use super::finding::Finding;
use super::judgement::{Judgement, Outcome, Remedy};
use crate::castai::endpoints::Protocol;
use crate::transport::USER_AGENT;

/// What probing needs.
pub struct Network {
    /// Why there is no resolver, where there is none.
    pub resolver: Result<TokioResolver, String>,
    pub tls: Arc<ClientConfig>,
    pub timeout: Duration,
    /// The VPC's ranges, where they are known.
    pub vpc: Vec<IpNet>,
}

/// A host, the checks on the way to it, and how to make its name private.
pub struct Way {
    pub endpoint: Endpoint,
    pub checks: Checks,
    pub private_dns: Vec<Remedy>,
}

/// Codes of the checks on a way, in their order.
pub struct Checks {
    resolves: &'static str,
    private: &'static str,
    tcp: &'static str,
    tls: &'static str,
    certificate: Option<&'static str>,
    answers: Option<(Protocol, &'static str)>,
}

impl Checks {
    /// To Cast AI.
    pub const fn cast_ai(protocol: Protocol) -> Self {
        let answers = match protocol {
            Protocol::Https => "CPL240",
            Protocol::Grpc => "CPL241",
        };
        Self {
            resolves: "CPL210",
            private: "CPL211",
            tcp: "CPL220",
            tls: "CPL230",
            certificate: Some("CPL231"),
            answers: Some((protocol, answers)),
        }
    }

    /// To ECR, whose API is asked elsewhere.
    pub const ECR: Self = Self {
        resolves: "CPL310",
        private: "CPL311",
        tcp: "CPL320",
        tls: "CPL330",
        certificate: None,
        answers: None,
    };

    fn codes(&self) -> Vec<&'static str> {
        [self.resolves, self.private, self.tcp, self.tls]
            .into_iter()
            .chain(self.certificate)
            .chain(self.answers.map(|(_, code)| code))
            .collect()
    }
}

/// Goes the way as far as it leads.
pub async fn probe(mut trail: Trail, way: &Way, network: &Network) -> Vec<Finding> {
    follow(&mut trail, way, network).await;
    trail.finish(&way.checks.codes())
}

/// Does not go, because it would prove nothing.
pub fn unknown(trail: Trail, way: &Way, why: &str, remedies: &[Remedy]) -> Vec<Finding> {
    trail.unknown(&way.checks.codes(), why, remedies)
}

/// Gives `None` where the way ends early.
async fn follow(trail: &mut Trail, way: &Way, network: &Network) -> Option<()> {
    let (host, timeout) = (way.endpoint.host.as_str(), network.timeout);
    let checks = &way.checks;
    let resolver = match &network.resolver {
        Ok(resolver) => resolver,
        Err(why) => {
            let why = format!("this machine's name servers are not known: {why}");
            trail.judge(checks.resolves, Judgement::unknown(why));
            return None;
        }
    };
    let addresses = trail
        .check(checks.resolves, async {
            let answers = probe::dns::look_up(resolver, host, timeout).await;
            let mut judgement = endpoint_resolves::judge(&answers);
            if judgement.outcome == Outcome::Fail && judgement.remedies.is_empty() {
                judgement.remedies.clone_from(&way.private_dns);
            }
            (judgement, answers.addresses())
        })
        .await?;

    let mut judgement = endpoint_private::judge(&addresses, &network.vpc);
    if judgement.outcome != Outcome::Pass {
        judgement.remedies.clone_from(&way.private_dns);
    }
    // A connection to a public address waits for the same remedy.
    let is_private = judgement.outcome == Outcome::Pass;
    trail.judge(checks.private, judgement);
    if !trail.allows(checks.tcp) {
        return None;
    }

    let (address, stream) = trail
        .check(checks.tcp, async {
            let attempts = probe::tcp::open(&addresses, way.endpoint.port, timeout).await;
            let seen: Vec<_> = attempts
                .iter()
                .map(|attempt| (attempt.address, attempt.result.as_ref().err().cloned()))
                .collect();
            let opened =
                attempts.into_iter().find_map(|attempt| Some((attempt.address, attempt.result.ok()?)));
            let mut judgement = endpoint_tcp::judge(&seen);
            if judgement.outcome == Outcome::Fail && !is_private {
                judgement.remedies.clone_from(&way.private_dns);
            }
            (judgement, opened)
        })
        .await??;

    let (stream, session) = trail
        .check(checks.tls, async {
            let result = probe::tls::shake_hands(stream, address, host, &network.tls, timeout).await;
            let judgement = endpoint_tls::judge(host, result.as_ref().map(|(_, session)| session));
            (judgement, result.ok())
        })
        .await??;

    if let Some(certificate) = checks.certificate {
        trail.judge(certificate, endpoint_certificate::judge(&session, Timestamp::now()));
    }
    let (protocol, answers) = checks.answers?;
    trail
        .check(answers, async {
            let judgement = match protocol {
                Protocol::Https => {
                    endpoint_https::judge(&probe::http::ask(stream, host, USER_AGENT, timeout).await)
                }
                Protocol::Grpc => {
                    endpoint_grpc::judge(&probe::grpc::call(stream, host, USER_AGENT, timeout).await)
                }
            };
            (judgement, ())
        })
        .await
}
