//! Gathers the facts about hosts. Hosts are probed concurrently; the facts about one host follow each other, because
//! each needs the one before it (an address, a connection). If one is missing, gathering stops with its reason.

use std::time::Duration;

use futures::future::join_all;
use hickory_resolver::TokioResolver;
use ipnet::IpNet;
use jiff::Timestamp;
use rustls::ClientConfig;
use serde::{Deserialize, Serialize};

use crate::dns::{self, NameServers};
use crate::facts::{Connect, Fact, HostFacts, Layer, Reason, Target};
use crate::scope::Scope;
use crate::timing::timed;
use crate::{grpc, http, tcp, tls};

/// The targets and the settings of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    pub targets: Vec<Target>,
    pub name_servers: NameServers,
    /// Ranges that are private in addition to the well-known ones.
    pub private: Vec<IpNet>,
    /// Timeout of each lookup, connection, handshake and response.
    pub timeout: Duration,
    pub user_agent: String,
}

/// Gathers the facts about all targets, in their order.
pub async fn gather(request: &Request, tls: &ClientConfig) -> Vec<HostFacts> {
    let resolver = dns::resolver(&request.name_servers, request.timeout).map_err(|error| error.to_string());
    let hosts = request.targets.iter().map(|target| {
        let resolver = resolver.as_ref();
        async move {
            let mut facts = HostFacts::new(target.clone(), Timestamp::now());
            // Handshakes have large states, and many of these futures run concurrently.
            let chain = Box::pin(follow(&mut facts, target, request, resolver, tls));
            if let Err((layer, because)) = chain.await {
                facts.stop(layer, &because);
            }
            facts
        }
    });
    join_all(hosts).await
}

/// Gathers facts up to the requested one. If that fails, the error has the first missing fact and the reason.
async fn follow(
    facts: &mut HostFacts,
    target: &Target,
    request: &Request,
    resolver: Result<&TokioResolver, &String>,
    tls: &ClientConfig,
) -> Result<(), (Layer, Reason)> {
    let (host, timeout, user_agent) =
        (target.endpoint.host.as_str(), request.timeout, request.user_agent.as_str());
    let resolver = resolver.map_err(|why| (Layer::Dns, Reason::NoNameServers(why.clone())))?;
    let (milliseconds, answers) = timed(dns::look_up(resolver, host, timeout)).await;
    let addresses = answers.addresses();
    facts.scope = Scope::of(&addresses, &request.private);
    facts.dns = Fact::Gathered { milliseconds, value: answers };

    if !target.layer.includes(Layer::Tcp) {
        return Ok(());
    }
    if addresses.is_empty() {
        return Err((Layer::Tcp, Reason::NoAddress));
    }
    if target.connect == Connect::PrivateOnly && facts.scope.leads_outside() {
        return Err((Layer::Tcp, Reason::PublicAddress));
    }
    let (milliseconds, opened) = timed(tcp::open(&addresses, target.endpoint.port, timeout)).await;
    let (attempts, streams): (Vec<_>, Vec<_>) = opened.into_iter().unzip();
    let connection = attempts
        .iter()
        .zip(streams)
        .find_map(|(attempt, stream)| stream.map(|stream| (attempt.address, stream)));
    facts.tcp = Fact::Gathered { milliseconds, value: attempts };

    if !target.layer.includes(Layer::Tls) {
        return Ok(());
    }
    let (address, stream) = connection.ok_or((Layer::Tls, Reason::NoConnection))?;
    let (milliseconds, session) = timed(tls::shake_hands(stream, address, host, tls, timeout)).await;
    let (stream, value) = match session {
        Ok((stream, session)) => (Ok(stream), Ok(session)),
        Err(failure) => (Err((Layer::Https, Reason::NoSession)), Err(failure)),
    };
    facts.tls = Fact::Gathered { milliseconds, value };

    match target.layer {
        Layer::Https => facts.https = Fact::of(http::get(stream?, host, user_agent, timeout)).await,
        Layer::Grpc => facts.grpc = Fact::of(grpc::call(stream?, host, user_agent, timeout)).await,
        Layer::Dns | Layer::Tcp | Layer::Tls => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests;
