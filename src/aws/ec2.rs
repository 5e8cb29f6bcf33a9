//! Amazon EC2's query API.

use http::Method;

use crate::aws::error::Error;
use crate::aws::signed::{Client, Request};
use crate::aws::xml::Element;
use crate::model::aws_partition::Partition;
use crate::printable::one_line;

/// The only version of the API.
const VERSION: &str = "2016-11-15";

/// Items on a page: the most that a list allows (EC2 API reference, `MaxResults`).
fn page_size(action: &str) -> &'static str {
    if action == "DescribeRouteTables" { "100" } else { "1000" }
}

/// More pages than any VPC fills; a list that goes on is cut off with an error.
const PAGES: usize = 100;

/// Maximum length of a name in an error, in characters.
const NAME: usize = 40;

/// EC2 in one region.
#[derive(Clone, Debug)]
pub struct Ec2 {
    client: Client,
    url: String,
}

/// Parameters in EC2's form: `Filter.1.Name`.
pub type Parameters = Vec<(String, String)>;

impl Ec2 {
    pub fn new(client: &Client) -> Self {
        let region = client.region();
        let name = if client.use_fips() { "ec2-fips" } else { "ec2" };
        let host = format!("{name}.{region}.{}", Partition::of_region(region).dns_suffix);
        Self { url: client.url("AWS_ENDPOINT_URL_EC2", &host), client: client.clone() }
    }

    /// Calls an action once. `on` is what the error names besides the action, if there is something.
    ///
    /// # Errors
    /// EC2 refuses, or cannot be reached.
    pub async fn call(
        &self,
        action: &str,
        on: Option<&str>,
        parameters: &Parameters,
    ) -> Result<Element, Error> {
        let mut form =
            vec![("Action".to_owned(), action.to_owned()), ("Version".to_owned(), VERSION.to_owned())];
        form.extend_from_slice(parameters);
        let name = match on {
            Some(object) => format!("ec2:{action} on {object}"),
            None => format!("ec2:{action}"),
        };
        let request = Request {
            action: &name,
            service: "ec2",
            region: self.client.region(),
            method: Method::POST,
            url: &format!("{}/", self.url),
            content_type: Some("application/x-www-form-urlencoded"),
            body: encoded(&form),
        };
        let body = self.client.send(&request, error).await?;
        response(action, &body).map_err(|reason| Error::Unusable { call: name, reason })
    }

    /// All items of a list, page by page.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn list(
        &self,
        action: &str,
        list: &str,
        parameters: Parameters,
    ) -> Result<Vec<Element>, Error> {
        let mut parameters = parameters;
        // Requests for named objects are not paged.
        if !parameters.iter().any(|(name, _)| name.contains("Id.") || name.starts_with("ServiceName.")) {
            parameters.push(("MaxResults".to_owned(), page_size(action).to_owned()));
        }
        let mut items = Vec::new();
        for _ in 0..PAGES {
            let mut page = self.call(action, None, &parameters).await?;
            let next = page.text("nextToken").map(str::to_owned);
            // An empty list is an empty element.
            let found = page.children.iter_mut().find(|child| child.name == list);
            let found = found.ok_or_else(|| Error::Unusable {
                call: format!("ec2:{action}"),
                reason: format!("it has no {list}"),
            })?;
            items.append(&mut found.children);
            let Some(next) = next else { return Ok(items) };
            parameters.retain(|(name, _)| name != "NextToken");
            parameters.push(("NextToken".to_owned(), next));
        }
        Err(Error::Service {
            call: format!("ec2:{action}"),
            code: String::new(),
            message: format!("more than {PAGES} pages"),
        })
    }
}

/// `Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-1`.
pub fn filter(name: &str, values: &[&str]) -> Parameters {
    let mut parameters = vec![("Filter.1.Name".to_owned(), name.to_owned())];
    parameters.extend(indexed("Filter.1.Value", values));
    parameters
}

/// `SubnetId.1=subnet-1&SubnetId.2=subnet-2`.
pub fn indexed(name: &str, values: &[impl AsRef<str>]) -> Parameters {
    let numbered = values.iter().zip(1..);
    numbered.map(|(value, number)| (format!("{name}.{number}"), value.as_ref().to_owned())).collect()
}

/// The response to `action`, whose element has its name: a proxy's page is no success.
fn response(action: &str, body: &str) -> Result<Element, String> {
    let root = Element::parse(body).map_err(|why| format!("it is not valid XML: {why}"))?;
    let expected = format!("{action}Response");
    if root.name == expected {
        return Ok(root);
    }
    Err(format!("it is <{}> instead of <{expected}>", one_line(&root.name, NAME)))
}

fn error(body: &str) -> Option<(String, String)> {
    let root = Element::parse(body).ok()?;
    let error = root.items("Errors").next()?;
    Some((error.string("Code"), error.string("Message")))
}

fn encoded(form: &[(String, String)]) -> String {
    let pairs = form.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// Percent-encoded for a query or a form.
pub fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            escaped.push(byte.into());
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::StatusCode;

    use super::*;
    use crate::aws::testing::client;

    /// EC2 with a list of `total` subnets; the first answer to each page is that it is too busy.
    async fn server(total: usize, requests: Arc<AtomicUsize>) -> Ec2 {
        let answer = async move |form: String| {
            let count = requests.fetch_add(1, Ordering::Relaxed);
            if count.is_multiple_of(2) {
                let busy =
                    "<Response><Errors><Error><Code>RequestLimitExceeded</Code></Error></Errors></Response>";
                return (StatusCode::SERVICE_UNAVAILABLE, busy.to_owned());
            }
            let start = form.split('&').find_map(|field| field.strip_prefix("NextToken="));
            let start: usize = start.map_or(0, |start| start.parse().unwrap());
            assert!(form.contains("MaxResults=1000"), "{form}");
            let end = (start + 1000).min(total);
            let items: Vec<_> =
                (start..end).map(|n| format!("<item><subnetId>subnet-{n}</subnetId></item>")).collect();
            let items = items.concat();
            let next = if end < total { format!("<nextToken>{end}</nextToken>") } else { String::new() };
            (
                StatusCode::OK,
                format!(
                    "<DescribeSubnetsResponse><subnetSet>{items}</subnetSet>{next}</DescribeSubnetsResponse>"
                ),
            )
        };
        let router = axum::Router::new().fallback(axum::routing::post(answer));
        Ec2::new(&client(router).await)
    }

    #[tokio::test]
    async fn a_long_list_costs_one_request_per_page_and_throttling_is_retried() {
        let requests = Arc::new(AtomicUsize::new(0));
        let ec2 = server(2500, Arc::clone(&requests)).await;
        let subnets = ec2.list("DescribeSubnets", "subnetSet", filter("vpc-id", &["vpc-1"])).await.unwrap();
        assert_eq!(subnets.len(), 2500);
        assert_eq!(subnets[2499].text("subnetId"), Some("subnet-2499"));
        assert_eq!(requests.load(Ordering::Relaxed), 6, "three pages, each of them once more");
    }

    #[tokio::test]
    async fn an_endless_list_is_an_error() {
        let ec2 = server(usize::MAX, Arc::default()).await;
        let error = ec2.list("DescribeSubnets", "subnetSet", Vec::new()).await.unwrap_err();
        assert_eq!(error.to_string(), "ec2:DescribeSubnets failed: more than 100 pages");
    }

    #[tokio::test]
    async fn what_is_not_ec2s_response_is_no_empty_list() {
        let large: &str = "x".repeat((32 << 20) + 1).leak();
        let cases = [
            ("<DescribeSubnetsResponse><subnetSet/></DescribeSubnetsResponse>", None),
            ("<DescribeSubnetsResponse/>", Some("it has no subnetSet")),
            ("<html><body>Log in</body></html>", Some("it is <html> instead of <DescribeSubnetsResponse>")),
            ("Log in", Some("it is not valid XML")),
            ("", Some("it is not valid XML")),
            (large, Some("it has more than 32 MiB")),
        ];
        for (body, expected) in cases {
            let router = axum::Router::new().fallback(axum::routing::post(async move || body));
            let ec2 = Ec2::new(&client(router).await);
            let found = ec2.list("DescribeSubnets", "subnetSet", Vec::new()).await;
            let error = found.as_ref().err().map(ToString::to_string);
            let unusable = "ec2:DescribeSubnets got an unusable response";
            let is_right = match (&error, expected) {
                (Some(error), Some(reason)) => error.starts_with(unusable) && error.contains(reason),
                (error, reason) => error.is_none() && reason.is_none(),
            };
            assert!(is_right, "{expected:?}: {error:?}");
        }
    }

    #[test]
    fn parameters_have_the_form_of_ec2() {
        let parameters = filter("vpc-id", &["vpc-1", "vpc 2&"]);
        let form = encoded(&parameters);
        assert_eq!(form, "Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-1&Filter.1.Value.2=vpc%202%26");
        assert_eq!(encoded(&indexed("SubnetId", &["a", "b"])), "SubnetId.1=a&SubnetId.2=b");
    }

    #[test]
    fn an_error_has_code_and_message() {
        let body = "<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code><Message>The vpc ID &apos;vpc-1&apos; does \
                    not exist</Message></Error></Errors><RequestID>r</RequestID></Response>";
        let (code, message) = error(body).unwrap();
        assert_eq!(
            (code.as_str(), message.as_str()),
            ("InvalidVpcID.NotFound", "The vpc ID 'vpc-1' does not exist")
        );
        assert_eq!(error("<html>"), None);
    }
}
