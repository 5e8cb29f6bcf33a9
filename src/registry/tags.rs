//! Lists the tags of a repository, in pages (OCI distribution specification, "Listing Tags").

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use serde::Deserialize;

use super::manifest::{address, scope};
use super::request::{BodyMode, Request};
use super::{Client, Error, Repository};

/// Maximum size of a page. Artifact Registry adds details of every manifest to its list.
const MAX_PAGE_BYTES: usize = 32 * 1024 * 1024;

/// Maximum number of pages.
const MAX_PAGES: usize = 100;

#[derive(Deserialize)]
struct Page {
    /// Some registries send null for none.
    tags: Option<Vec<String>>,
}

impl Client<'_> {
    /// All tags of `repository`, in the registry's order.
    pub async fn tags(&self, repository: &Repository) -> Result<Vec<String>, Error> {
        let invalid =
            |what: &str| Error::InvalidAnswer { repository: repository.clone(), what: what.to_owned() };
        let first = address(repository, "tags/list")?;
        let (mut url, mut all) = (first.clone(), Vec::new());
        for _ in 0..MAX_PAGES {
            let request = Request {
                method: Method::GET,
                url: url.clone(),
                repository,
                object: "list of tags".to_owned(),
                tag: None,
                scopes: vec![scope(&repository.path, "pull")],
                headers: HeaderMap::new(),
                body: Bytes::new(),
                body_mode: BodyMode::Whole(MAX_PAGE_BYTES),
            };
            let response = self.send(&request).await?;
            let page: Page =
                serde_json::from_slice(&response.body).map_err(|_| invalid("an invalid list of tags"))?;
            all.extend(page.tags.unwrap_or_default());
            let link = response.headers.get(header::LINK).and_then(|link| link.to_str().ok());
            let Some(query) = link.and_then(next_query) else { return Ok(all) };
            // Only the query: a page of another repository or host is never requested.
            url.set_query(Some(query));
        }
        Err(invalid("an endless list of tags"))
    }
}

/// The query of the next page: `</v2/a/tags/list?n=100&last=v9>; rel="next"`.
fn next_query(link: &str) -> Option<&str> {
    let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    parameters.contains("next").then(|| target.split_once('?').map(|(_, query)| query))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_without_tags_is_empty() {
        for text in [r#"{"tags":null}"#, r#"{"name":null,"tags":[]}"#, "{}"] {
            let page: Page = serde_json::from_str(text).unwrap();
            assert_eq!(page.tags.unwrap_or_default(), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn the_next_page_is_found_in_the_link() {
        let cases = [
            ("</v2/a/tags/list?n=1&last=v1>; rel=\"next\"", Some("n=1&last=v1")),
            ("<https://r.example/v2/a/tags/list?last=v1>; rel=next", Some("last=v1")),
            ("</v2/a/tags/list?n=1>; rel=\"prev\"", None),
            ("</v2/a/tags/list>; rel=\"next\"", None),
            ("", None),
        ];
        for (link, expected) in cases {
            assert_eq!(next_query(link), expected, "{link}");
        }
    }
}
