//! The paths of the OCI distribution API, and its errors.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::{Method, StatusCode};
use serde_json::json;

/// The meaning of a path under `/v2/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    Ping,
    Manifest { repository: String, reference: String },
    Blob { repository: String, digest: String },
    Uploads { repository: String },
    Upload { repository: String, session: String },
    Tags { repository: String },
    Referrers { repository: String, digest: String },
}

impl Route {
    /// Parses a path without its query. Repository names contain slashes, so the path is parsed from its end.
    pub fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/v2")?;
        if rest.trim_matches('/').is_empty() {
            return Some(Self::Ping);
        }
        let rest = rest.strip_prefix('/')?;
        if let Some(repository) = rest.strip_suffix("/tags/list") {
            return Some(Self::Tags { repository: repository.into() });
        }
        if let Some(repository) = rest.strip_suffix("/blobs/uploads/").or(rest.strip_suffix("/blobs/uploads"))
        {
            return Some(Self::Uploads { repository: repository.into() });
        }
        let (head, last) = rest.rsplit_once('/')?;
        let named = |kind: &str| head.strip_suffix(kind).filter(|name| !name.is_empty()).map(str::to_owned);
        if let Some(repository) = named("/manifests") {
            Some(Self::Manifest { repository, reference: last.into() })
        } else if let Some(repository) = named("/blobs/uploads") {
            Some(Self::Upload { repository, session: last.into() })
        } else if let Some(repository) = named("/blobs") {
            Some(Self::Blob { repository, digest: last.into() })
        } else {
            named("/referrers").map(|repository| Self::Referrers { repository, digest: last.into() })
        }
    }

    pub fn repository(&self) -> Option<&str> {
        match self {
            Self::Ping => None,
            Self::Manifest { repository, .. }
            | Self::Blob { repository, .. }
            | Self::Uploads { repository }
            | Self::Upload { repository, .. }
            | Self::Tags { repository }
            | Self::Referrers { repository, .. } => Some(repository),
        }
    }

    /// The ECR API call of a request, with its name in `CloudTrail` and IAM.
    pub fn ecr_action(&self, method: &Method) -> Option<&'static str> {
        match (self, method) {
            (Self::Uploads { .. }, &Method::POST) => Some("InitiateLayerUpload"),
            (Self::Upload { .. }, &Method::PATCH) => Some("UploadLayerPart"),
            (Self::Upload { .. }, &Method::PUT) => Some("CompleteLayerUpload"),
            (Self::Blob { .. }, &Method::HEAD) => Some("BatchCheckLayerAvailability"),
            (Self::Blob { .. }, &Method::GET) => Some("GetDownloadUrlForLayer"),
            (Self::Manifest { .. }, &Method::HEAD | &Method::GET) => Some("BatchGetImage"),
            (Self::Manifest { .. }, &Method::PUT) => Some("PutImage"),
            (Self::Tags { .. }, &Method::GET) => Some("ListImages"),
            (Self::Referrers { .. }, &Method::GET) => Some("ListImageReferrers"),
            _ => None,
        }
    }
}

/// True for a manifest reference that is a digest and not a tag.
pub fn is_digest(reference: &str) -> bool {
    reference.contains(':')
}

/// The value of one parameter of a query, decoded.
pub fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let query = query.unwrap_or_default();
    url_pairs(query).find(|(key, _)| key == name).map(|(_, value)| value)
}

/// All `name=value` pairs of a query, decoded.
pub fn url_pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (percent_decode(key), percent_decode(value))
    })
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hexadecimal = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match (first, hexadecimal.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = tail;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An error of the OCI distribution API.
pub fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({"errors": [{"code": code, "message": message}]}))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_from_their_end() {
        let cases = [
            ("/v2/", Some(Route::Ping)),
            ("/v2", Some(Route::Ping)),
            (
                "/v2/a/b/manifests/v1",
                Some(Route::Manifest { repository: "a/b".into(), reference: "v1".into() }),
            ),
            (
                "/v2/manifests/manifests/v1",
                Some(Route::Manifest { repository: "manifests".into(), reference: "v1".into() }),
            ),
            (
                "/v2/ghcr.io/a/blobs/sha256:0",
                Some(Route::Blob { repository: "ghcr.io/a".into(), digest: "sha256:0".into() }),
            ),
            ("/v2/a/blobs/uploads/", Some(Route::Uploads { repository: "a".into() })),
            (
                "/v2/a/blobs/uploads/7-8",
                Some(Route::Upload { repository: "a".into(), session: "7-8".into() }),
            ),
            ("/v2/a/b/tags/list", Some(Route::Tags { repository: "a/b".into() })),
            (
                "/v2/a/referrers/sha256:1",
                Some(Route::Referrers { repository: "a".into(), digest: "sha256:1".into() }),
            ),
            ("/v2//manifests/v1", None),
            ("/token", None),
        ];
        for (path, expected) in cases {
            assert_eq!(Route::parse(path), expected, "{path}");
        }
    }

    #[test]
    fn parameters_are_decoded() {
        let query = Some("mount=sha256%3Aab&from=a%2Fb&state=x");
        assert_eq!(parameter(query, "mount").as_deref(), Some("sha256:ab"));
        assert_eq!(parameter(query, "from").as_deref(), Some("a/b"));
        assert_eq!(parameter(query, "digest"), None);
    }
}
