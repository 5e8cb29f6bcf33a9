//! An endpoint in the formats of components: a URL, a host with a port, or only a host.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// In lower case, without the final dot.
    pub host: String,
    pub port: u16,
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

/// The text is not an endpoint. The error shows at most a part of it, because a value may contain more than a host.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value is not a host or URL")]
pub struct NotAnEndpoint;

impl FromStr for Endpoint {
    type Err = NotAnEndpoint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
        // gRPC's target names have an authority before the host: `dns:///host:port`.
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
}
