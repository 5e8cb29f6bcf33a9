//! An endpoint as components write it: a URL, a host with a port, or a bare host.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// In lower case, without the root's dot.
    pub host: String,
    pub port: u16,
}

impl Endpoint {
    /// Whether the host is one of the cluster's own, which no endpoint service stands for.
    pub fn is_in_cluster(&self) -> bool {
        let host = self.host.as_str();
        !host.contains('.')
            || host.parse::<IpAddr>().is_ok()
            || [".svc", ".local", ".localhost"].iter().any(|ending| host.ends_with(ending))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.host)?;
        if self.port != 443 {
            write!(formatter, ":{}", self.port)?;
        }
        Ok(())
    }
}

/// The text names no endpoint. It is shown in part at most: a value may hold more than a host.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value is no host or URL")]
pub struct NotAnEndpoint;

impl FromStr for Endpoint {
    type Err = NotAnEndpoint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
        // gRPC's own names have an authority before the host: `dns:///host:port`.
        let rest = rest.trim_start_matches('/');
        let rest = rest.strip_prefix("dns:").unwrap_or(rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let authority = authority.rsplit('@').next().unwrap_or_default();
        let default_port = if scheme == "http" { 80 } else { 443 };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') => (host, port.parse().map_err(|_| NotAnEndpoint)?),
            _ => (authority, default_port),
        };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let is_name = !host.is_empty()
            && host.len() <= 253
            && host.split('.').all(|label| {
                !label.is_empty()
                    && label.len() <= 63
                    && !label.starts_with('-')
                    && label
                        .chars()
                        .all(|letter| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_')
            });
        if is_name && port != 0 { Ok(Self { host, port }) } else { Err(NotAnEndpoint) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_an_endpoint_are_read() {
        let cases = [
            ("https://api.cast.ai", "api.cast.ai", 443),
            ("https://api.cast.ai/", "api.cast.ai", 443),
            ("https://API.cast.ai./v1/x?y=1", "api.cast.ai", 443),
            ("api.cast.ai", "api.cast.ai", 443),
            ("grpc.cast.ai:443", "grpc.cast.ai", 443),
            ("dns:///grpc.cast.ai:8443", "grpc.cast.ai", 8443),
            ("http://proxy.example:8080", "proxy.example", 8080),
            ("http://proxy.example", "proxy.example", 80),
            (" api.cast.ai\n", "api.cast.ai", 443),
            ("https://user:secret@api.cast.ai", "api.cast.ai", 443),
        ];
        for (text, host, port) in cases {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!((endpoint.host.as_str(), endpoint.port), (host, port), "{text}");
        }
        for text in [
            "",
            "https://",
            "$(API_HOST)",
            "a b",
            "api..cast.ai",
            "api.cast.ai:x",
            "api.cast.ai:0",
            "[::1]:443",
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(NotAnEndpoint), "{text}");
        }
    }

    #[test]
    fn names_of_the_cluster_are_recognised() {
        let cases = [
            ("castai-api", true),
            ("castai-api.castai-agent.svc.cluster.local:8080", true),
            ("x.y.svc", true),
            ("10.0.0.1:50051", true),
            ("api.cast.ai", false),
            ("proxy.example.com", false),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Endpoint>().unwrap().is_in_cluster(), expected, "{text}");
        }
    }
}
