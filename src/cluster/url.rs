//! URLs of the API server and of proxies. Errors never quote them, because they may contain passwords.

use http::Uri;
use secrecy::SecretString;

use super::error::Error;
use super::value_source::ValueSource;

/// The server's URL without credentials, because messages show it. As in kubectl, a server without a scheme speaks
/// HTTP, as `kubectl proxy` does, whatever certificates there are: client-go reads these afterwards, and only if the
/// server speaks TLS (`clientcmd/client_config.go`, `ClientConfig`).
pub(super) fn server_url(text: &str, value_source: &ValueSource) -> Result<Uri, Error> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let authority = authority.rsplit_once('@').map_or(authority, |(_, address)| address);
    let url = format!("{}://{authority}{path}", scheme.to_ascii_lowercase()).parse::<Uri>().ok();
    let url = url.filter(|url| matches!(url.scheme_str(), Some("https" | "http")) && has_address(url));
    // The text is not repeated: it may contain a password.
    url.ok_or_else(|| {
        Error::config(
            format!("{value_source} is not a valid URL"),
            Some("expected https://HOST[:PORT], as `kubectl config view` shows it"),
        )
    })
}

/// The login in the server's URL. Go's HTTP client sends it (`net/http`, `send`), and client-go keeps a header that is
/// set, so that it precedes the credentials of the kubeconfig.
pub(super) fn server_login(text: &str) -> Option<(String, SecretString)> {
    let (_, rest) = text.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (login, _) = authority.rsplit_once('@')?;
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    Some((decoded(user)?, decoded(password)?.into()))
}

/// Without percent-encoding.
fn decoded(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, others)) = rest.split_first() {
        let code =
            (*first == b'%').then(|| others.get(..2).and_then(|code| str::from_utf8(code).ok())).flatten();
        let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &others[2..] } else { others };
    }
    String::from_utf8(bytes).ok()
}

/// A proxy's URL; kube requires the scheme in lower case.
pub(super) fn proxy_url(text: &str, value_source: &ValueSource) -> Result<Uri, Error> {
    let url = text
        .split_once("://")
        .and_then(|(scheme, rest)| format!("{}://{rest}", scheme.to_ascii_lowercase()).parse::<Uri>().ok());
    let url =
        url.filter(|url| matches!(url.scheme_str(), Some("http" | "https" | "socks5")) && has_address(url));
    // The text is not repeated: it may contain a password.
    url.ok_or_else(|| {
        Error::config(
            format!("{value_source} is not a valid proxy URL"),
            Some("expected http://, https:// or socks5:// with HOST[:PORT]"),
        )
    })
}

/// Whether it has a host and a valid port.
fn has_address(url: &Uri) -> bool {
    let authority = url.authority().map_or("", http::uri::Authority::as_str);
    let address = authority.rsplit_once('@').map_or(authority, |(_, address)| address);
    let has_port = !address.ends_with(']') && address.contains(':');
    url.host().is_some_and(|host| !host.is_empty()) && (!has_port || url.port_u16().is_some())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn the_login_of_a_url_is_decoded() {
        for (text, expected) in [
            ("https://user:pw@host", Some(("user", "pw"))),
            ("https://us%40er:p%3aw%@host:6443/path", Some(("us@er", "p:w%"))),
            ("https://user@host", Some(("user", ""))),
            ("https://host/path@x", None),
            ("host", None),
        ] {
            let login = server_login(text);
            let login = login.as_ref().map(|(user, password)| (user.as_str(), password.expose_secret()));
            assert_eq!(login, expected, "{text}");
        }
    }

    #[test]
    fn invalid_urls_are_named_but_not_shown() {
        let value_source = ValueSource::cluster("server", "c");
        let cases = [
            ("https://host", Some("https://host/")),
            ("HTTPS://host:6443/path/", Some("https://host:6443/path/")),
            ("host:6443", Some("http://host:6443/")),
            ("HTTP://127.0.0.1:80", Some("http://127.0.0.1:80/")),
            ("https://[::1]", Some("https://[::1]/")),
            ("https://[::1]:1", Some("https://[::1]:1/")),
            ("https://user:s3cret@host", Some("https://host/")),
            ("user:s3cret@host", Some("http://host/")),
            ("http://user:s3cr@et@host/x", Some("http://host/x")),
            ("ftp://user:s3cret@host", None),
            ("https://user:s3cret@", None),
            ("https://user:s3cret@host:port", None),
            ("https://user:s3cret@host:99999", None),
            ("https://:s3cret", None),
            ("https://ho st:s3cret", None),
            ("https:///s3cret", None),
            ("s3cret\n", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let url = server_url(text, &value_source);
            let url = url.map(|url| url.to_string()).map_err(|error| error.to_string());
            let invalid = "error: server of cluster \"c\" is not a valid URL".to_owned();
            assert_eq!(url, expected.map(str::to_owned).ok_or(invalid), "{text}");
        }
        let value_source = ValueSource::cluster("proxy-url", "c");
        for text in ["http://user:s3cret@proxy:3128", "HTTPS://proxy", "socks5://proxy:1080"] {
            assert!(proxy_url(text, &value_source).is_ok(), "{text}");
        }
        for text in [
            "user:s3cret@proxy:3128",
            "ftp://user:s3cret@proxy",
            "http://user:s3 cret@proxy",
            "http://user:s3cret@proxy:port",
            "http://",
        ] {
            let error = proxy_url(text, &value_source).unwrap_err();
            assert_eq!(
                error.to_string(),
                "error: proxy-url of cluster \"c\" is not a valid proxy URL",
                "{text}"
            );
        }
    }
}
