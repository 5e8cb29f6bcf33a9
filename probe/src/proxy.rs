//! Chooses the proxy of a connection, by the variables that curl, Go and the AWS CLI read too.

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use serde::{Deserialize, Serialize};

/// `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, each also in lower case, as they were at the start.
///
/// Our libraries read them too, but each differently: kube-client 5.0.0 matches `NO_PROXY` against the proxy, and none
/// supports entries with a port or with `*.`, as kubectl does (Go's golang.org/x/net/http/httpproxy).
#[derive(Clone, Default)]
pub struct Proxies {
    all: Option<String>,
    http: Option<String>,
    https: Option<String>,
    exceptions: Vec<Exception>,
}

/// An entry of `NO_PROXY`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Exception {
    /// A name and its subdomains, an address, a range of addresses, or `*`.
    hosts: String,
    /// If set, the entry applies to this port only.
    port: Option<u16>,
}

impl Proxies {
    pub fn from_environment() -> Self {
        Self::read(|name| std::env::var(name).ok())
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let either = |name: &str| {
            let given = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
            given(name).or_else(|| given(&name.to_lowercase()))
        };
        let exceptions = either("NO_PROXY").unwrap_or_default();
        Self {
            all: either("ALL_PROXY"),
            http: either("HTTP_PROXY"),
            https: either("HTTPS_PROXY"),
            exceptions: exceptions.split(',').filter_map(Exception::read).collect(),
        }
    }

    /// The proxy for connections to `url`, if any. Loopback is never proxied, as in kubectl: a tunnel ends there.
    pub fn intercept(&self, url: &Uri) -> Option<Proxy> {
        if is_loopback(url.host()?) {
            return None;
        }
        let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("http") { 80 } else { 443 });
        let mut matcher = Matcher::builder().no(self.exceptions(port));
        if let Some(all) = &self.all {
            matcher = matcher.all(all.clone());
        }
        if let Some(http) = &self.http {
            matcher = matcher.http(http.clone());
        }
        if let Some(https) = &self.https {
            matcher = matcher.https(https.clone());
        }
        matcher.build().intercept(url).map(Proxy)
    }

    /// The proxy for HTTPS, ignoring `NO_PROXY`.
    pub fn https(&self) -> Option<Uri> {
        let all = Self { exceptions: Vec::new(), ..self.clone() };
        all.intercept(&Uri::from_static("https://amazonaws.com")).as_ref().map(Proxy::url_with_login)
    }

    /// The entries of `NO_PROXY` for connections to `port`, without syntax that only some libraries understand.
    pub fn exceptions(&self, port: u16) -> String {
        let counts = |exception: &&Exception| exception.port.is_none_or(|only| only == port);
        let hosts = self.exceptions.iter().filter(counts).map(|exception| exception.hosts.as_str());
        hosts.collect::<Vec<_>>().join(",")
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

impl Exception {
    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let (hosts, port) = match text.rsplit_once(':').map(|(hosts, port)| (hosts, port.parse())) {
            // Several colons belong to an IPv6 address, unless it is in brackets.
            Some((hosts, Ok(port))) if !hosts.contains(':') || hosts.ends_with(']') => (hosts, Some(port)),
            _ => (text, None),
        };
        let hosts = hosts.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(hosts);
        let hosts = hosts.trim_start_matches('[').trim_end_matches(']');
        (!hosts.is_empty()).then(|| Self { hosts: hosts.to_owned(), port })
    }
}

/// The proxy that a connection goes through, with its login.
pub struct Proxy(Intercept);

impl Proxy {
    /// The proxy's URL with its login, which the matcher keeps apart.
    pub fn url_with_login(&self) -> Uri {
        let uri = self.0.uri();
        let login = self.0.basic_auth().and_then(|header| {
            let encoded = header.to_str().ok()?.strip_prefix("Basic ")?;
            let login = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
            Some(percent_encoded(&login))
        });
        let scheme = uri.scheme_str().unwrap_or("http");
        let Address(address) = Address::from_url(uri).unwrap_or_default();
        let authority = login.map_or_else(|| address.clone(), |login| format!("{login}@{address}"));
        format!("{scheme}://{authority}/").parse().unwrap_or_else(|_| uri.clone())
    }

    pub fn address(&self) -> Option<Address> {
        Address::from_url(self.0.uri())
    }
}

/// A proxy's host and port, which may be shown: the login is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address(String);

impl Address {
    /// Nothing if the URL names no host.
    pub fn from_url(proxy: &Uri) -> Option<Self> {
        let text = proxy.authority()?.as_str();
        let address = text.rsplit_once('@').map_or(text, |(_, address)| address);
        Some(Self(address.to_owned()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// `user:password`, percent-encoded for a URL except for the colon between them.
fn percent_encoded(login: &[u8]) -> String {
    use std::fmt::Write as _;
    login.iter().fold(String::new(), |mut text, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                text.push(char::from(*byte));
            }
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(text, "%{byte:02X}");
            }
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(https: &str, exceptions: &str) -> Proxies {
        Proxies::read(|name| match name {
            "HTTPS_PROXY" => Some(https.to_owned()),
            "no_proxy" => Some(exceptions.to_owned()),
            _ => None,
        })
    }

    #[test]
    fn no_proxy_is_parsed_like_kubectl() {
        let cases = [
            ("", "https://api.example", true),
            ("api.example", "https://api.example", false),
            ("example", "https://api.example", false),
            (".example", "https://api.example", false),
            ("*.example", "https://api.example", false),
            ("*.example", "https://other.test", true),
            ("ple", "https://api.example", true),
            ("api.example:443", "https://api.example", false),
            ("api.example:6443", "https://api.example", true),
            ("api.example:6443", "https://api.example:6443", false),
            (" api.example , ,", "https://api.example", false),
            (",", "https://api.example", true),
            ("*", "https://api.example", false),
            ("10.0.0.0/8", "https://10.1.2.3", false),
            ("10.0.0.0/8", "https://192.168.0.1", true),
            ("10.0.0.0/8,", "https://10.1.2.3:6443", false),
            ("10.1.2.3:443", "https://10.1.2.3", false),
            ("[fd00::1]:443", "https://[fd00::1]", false),
            ("fd00::1", "https://[fd00::1]", false),
            ("", "https://[::1]:6443", false),
            ("", "https://127.0.0.1:6443", false),
            ("", "http://localhost:5000", false),
            ("", "https://localhost.example", true),
        ];
        for (exceptions, url, proxied) in cases {
            let intercept = proxies("http://proxy:3128", exceptions).intercept(&url.parse().unwrap());
            assert_eq!(intercept.is_some(), proxied, "NO_PROXY={exceptions:?} {url}");
        }
    }

    #[test]
    fn a_proxys_credentials_are_used_but_not_shown() {
        let cases = [
            ("http://user:p%40ss@proxy:3128", "http://user:p%40ss@proxy:3128/"),
            ("http://proxy:3128", "http://proxy:3128/"),
            ("proxy:3128", "http://proxy:3128/"),
        ];
        for (proxy, expected) in cases {
            let proxy = proxies(proxy, "").intercept(&Uri::from_static("https://cluster")).unwrap();
            assert_eq!(proxy.url_with_login().to_string(), expected);
            assert_eq!(proxy.address().unwrap().to_string(), "proxy:3128");
        }
    }
}
