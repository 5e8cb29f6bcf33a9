//! Endpoints of AWS that the user sets.

use http::Uri;

use crate::transport::Error;

/// The variables of the services that this program uses.
const VARIABLES: [&str; 8] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_ECR",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ENDPOINT_URL_EC2",
    "AWS_ENDPOINT_URL_EKS",
    "AWS_ENDPOINT_URL_ROUTE_53",
    "AWS_ENDPOINT_URL_SSO",
    "AWS_ENDPOINT_URL_SSO_OIDC",
];

/// # Errors
/// A variable is not a valid URL.
pub(super) fn check_variables() -> Result<(), Error> {
    let is_invalid = |name: &&str| {
        std::env::var_os(name).is_some_and(|url| !url.is_empty() && !url.to_str().is_some_and(is_valid))
    };
    match VARIABLES.iter().find(|name| is_invalid(name)) {
        Some(name) => Err(Error::Endpoint((*name).to_owned())),
        None => Ok(()),
    }
}

/// Whether it is a URL with a host. Messages do not repeat it, because it may contain a password.
pub(super) fn is_valid(url: &str) -> bool {
    url.parse::<Uri>().is_ok_and(|url| {
        matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some_and(|host| !host.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_url_with_a_host() {
        for (url, expected) in [
            ("https://ecr.us-east-1.amazonaws.com", true),
            ("http://127.0.0.1:4566/path", true),
            ("https://[::1]:4566", true),
            ("junk:x", false),
            ("ecr.us-east-1.amazonaws.com", false),
            ("http://", false),
            ("http:///path", false),
            ("ftp://host", false),
            ("http://host\n", false),
            (" ", false),
            ("", false),
        ] {
            assert_eq!(is_valid(url), expected, "{url:?}");
        }
    }
}
