//! The documents that the plugin and a pod exchange: the request in a `ConfigMap`, and the report in the log and in the
//! termination message.

use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::dns::NameServers;
use crate::facts::{HostFacts, Target};
use crate::gather::Request;

/// The version of both documents.
pub const VERSION: u32 = 1;
/// What the kubelet keeps of a container's termination message, in bytes (Kubernetes, "Customizing the termination
/// message").
pub const MESSAGE_BYTES: usize = 4096;
/// The first characters of a termination message.
const PREFIX: &str = "deflate:";
const MAX_TARGETS: usize = 1000;
const MAX_TIMEOUT: Duration = Duration::from_mins(5);

/// What a pod gathers. The name servers are those of the pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodRequest {
    pub version: u32,
    pub targets: Vec<Target>,
    /// Ranges that are private in addition to the well-known ones.
    pub private: Vec<IpNet>,
    /// Timeout of each lookup, connection, handshake and response.
    pub timeout_milliseconds: u64,
    pub user_agent: String,
}

/// Why a request is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    #[error("{0}")]
    Json(String),
    #[error("version {0} is not supported; this probe reads version {VERSION}")]
    Version(u32),
    #[error("{0} targets, at most {MAX_TARGETS} are supported")]
    TooManyTargets(usize),
    #[error("the timeout must be between 1 ms and {} s", MAX_TIMEOUT.as_secs())]
    Timeout,
    #[error("the user agent is not printable ASCII")]
    UserAgent,
}

impl PodRequest {
    /// The request of a run on this machine, for a pod.
    pub fn new(request: &Request) -> Self {
        Self {
            version: VERSION,
            targets: request.targets.clone(),
            private: request.private.clone(),
            timeout_milliseconds: u64::try_from(request.timeout.as_millis()).unwrap_or(u64::MAX),
            user_agent: request.user_agent.clone(),
        }
    }

    /// # Errors
    /// The text is not a request of this version, or a value is out of its range.
    pub fn parse(text: &[u8]) -> Result<Self, InvalidRequest> {
        let json = |error: serde_json::Error| InvalidRequest::Json(error.to_string());
        let Versioned { version } = serde_json::from_slice(text).map_err(json)?;
        if version != VERSION {
            return Err(InvalidRequest::Version(version));
        }
        let request: Self = serde_json::from_slice(text).map_err(json)?;
        if request.targets.len() > MAX_TARGETS {
            return Err(InvalidRequest::TooManyTargets(request.targets.len()));
        }
        if request.timeout().is_zero() || request.timeout() > MAX_TIMEOUT {
            return Err(InvalidRequest::Timeout);
        }
        // It becomes a line of a request in HTTP/1.1.
        if !request.user_agent.chars().all(|letter| letter == ' ' || letter.is_ascii_graphic()) {
            return Err(InvalidRequest::UserAgent);
        }
        Ok(request)
    }

    fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_milliseconds)
    }
}

impl From<PodRequest> for Request {
    fn from(request: PodRequest) -> Self {
        Self {
            name_servers: NameServers::System,
            timeout: request.timeout(),
            targets: request.targets,
            private: request.private,
            user_agent: request.user_agent,
        }
    }
}

/// What a pod gathered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodReport {
    pub version: u32,
    /// The version of the probe, which is that of the plugin that built its image.
    pub probe: String,
    /// The name servers of the pod, from its `/etc/resolv.conf`.
    pub name_servers: Vec<IpAddr>,
    /// In the order of the request's targets.
    pub hosts: Vec<HostFacts>,
    /// How many of the last targets are missing in `hosts`, because the document had to be short.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub omitted: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// The field that every version has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// Why a text is not a report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReport {
    #[error("no report")]
    Missing,
    #[error("the report cannot be decoded: {0}")]
    Encoding(String),
    #[error("the report is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the report is invalid: {0}")]
    Json(String),
    #[error("version {0} of the report is not supported; this plugin reads version {VERSION}")]
    Version(u32),
}

/// The report as one line of JSON, for the log.
pub fn encode_log(report: &PodReport) -> String {
    // Reports have no maps with other keys than strings, and serialising them does not fail.
    serde_json::to_string(report).unwrap_or_default()
}

/// Reads the report in a container's log: its last line. The caller limits the log's size.
///
/// # Errors
/// The last line is not a report.
pub fn decode_log(log: &str) -> Result<PodReport, InvalidReport> {
    let line = log.lines().map(str::trim).rfind(|line| !line.is_empty()).ok_or(InvalidReport::Missing)?;
    parse(line.as_bytes())
}

/// The report as a termination message of at most `limit` bytes, or the shortest one if that is longer. If the report
/// does not fit, its last hosts are omitted and counted.
pub fn encode_message(report: &PodReport, limit: usize) -> String {
    let shortened = |hosts: usize| {
        let omitted = report.omitted + report.hosts.len() - hosts;
        compress(&PodReport { hosts: report.hosts[..hosts].to_vec(), omitted, ..report.clone() })
    };
    let mut message = shortened(report.hosts.len());
    if message.len() <= limit {
        return message;
    }
    // `fitting` hosts fit, `too_many` do not.
    let (mut fitting, mut too_many) = (0, report.hosts.len());
    message = shortened(fitting);
    while too_many - fitting > 1 {
        let middle = fitting.midpoint(too_many);
        let candidate = shortened(middle);
        if candidate.len() <= limit {
            (fitting, message) = (middle, candidate);
        } else {
            too_many = middle;
        }
    }
    message
}

fn compress(report: &PodReport) -> String {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    // Writing to a vector does not fail.
    let _ = encoder.write_all(encode_log(report).as_bytes());
    format!("{PREFIX}{}", STANDARD.encode(encoder.finish().unwrap_or_default()))
}

/// Reads the report in a termination message, decompressed to at most `limit` bytes.
///
/// # Errors
/// The message is not a report, or a larger one.
pub fn decode_message(message: &str, limit: usize) -> Result<PodReport, InvalidReport> {
    let encoded = message.trim().strip_prefix(PREFIX).ok_or(InvalidReport::Missing)?;
    // Base64 and deflate both make a report longer only by a small constant.
    if encoded.len() / 2 > limit {
        return Err(InvalidReport::TooLarge(limit));
    }
    let encoding = |error: &dyn std::fmt::Display| InvalidReport::Encoding(error.to_string());
    let compressed = STANDARD.decode(encoded).map_err(|error| encoding(&error))?;
    let mut text = Vec::new();
    let above_limit = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    DeflateDecoder::new(compressed.as_slice())
        .take(above_limit)
        .read_to_end(&mut text)
        .map_err(|error| encoding(&error))?;
    if text.len() > limit {
        return Err(InvalidReport::TooLarge(limit));
    }
    parse(&text)
}

fn parse(text: &[u8]) -> Result<PodReport, InvalidReport> {
    let json = |error: serde_json::Error| InvalidReport::Json(error.to_string());
    let Versioned { version } = serde_json::from_slice(text).map_err(json)?;
    if version != VERSION {
        return Err(InvalidReport::Version(version));
    }
    serde_json::from_slice(text).map_err(json)
}

#[cfg(test)]
mod tests;
