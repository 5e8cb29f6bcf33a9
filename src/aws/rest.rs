//! The two reads of EKS and Route 53 that a VPC's facts need.

use http::Method;
use serde_json::Value;

use crate::aws::ec2::escaped;
use crate::aws::error::Error;
use crate::aws::signed::{Client, Request};
use crate::aws::xml::Element;
use crate::model::aws_partition::Partition;
use crate::parse;

/// Reads a path of EKS' API.
///
/// # Errors
/// EKS refuses, or cannot be reached.
pub async fn eks(client: &Client, action: &str, path: &str) -> Result<Value, Error> {
    let region = client.region();
    let host = format!("eks.{region}.{}", Partition::of_region(region).dns_suffix);
    let url = format!("{}{path}", client.url("AWS_ENDPOINT_URL_EKS", &host));
    let request = get(action, "eks", region, &url);
    let body = client.send(&request, json_error).await?;
    parse::json::from_str(&body).map_err(|error| invalid(action, &error.to_string()))
}

/// A page of `ListHostedZonesByVPC`. Route 53 is one service for all regions of a partition, in its first one.
///
/// # Errors
/// Route 53 refuses, or cannot be reached.
pub async fn hosted_zones(client: &Client, vpc: &str, next: Option<&str>) -> Result<Element, Error> {
    let action = "route53:ListHostedZonesByVPC";
    let (home, host) = match Partition::of_region(client.region()).id {
        "aws-cn" => ("cn-northwest-1", "route53.amazonaws.com.cn"),
        "aws-us-gov" => ("us-gov-west-1", "route53.us-gov.amazonaws.com"),
        _ => ("us-east-1", "route53.amazonaws.com"),
    };
    let next = next.map(|next| format!("&nexttoken={}", escaped(next))).unwrap_or_default();
    let path = format!("/2013-04-01/hostedzonesbyvpc?vpcid={vpc}&vpcregion={}{next}", client.region());
    let url = format!("{}{path}", client.url("AWS_ENDPOINT_URL_ROUTE_53", host));
    let body = client.send(&get(action, "route53", home, &url), xml_error).await?;
    zones(&body).map_err(|why| invalid(action, &why))
}

/// A response to `ListHostedZonesByVPC`: a VPC without zones has an empty list.
fn zones(body: &str) -> Result<Element, String> {
    let root = Element::parse(body)?;
    if root.child("HostedZoneSummaries").is_some() {
        Ok(root)
    } else {
        Err("no HostedZoneSummaries".to_owned())
    }
}

fn get<'r>(action: &'r str, service: &'r str, region: &'r str, url: &'r str) -> Request<'r> {
    Request { action, service, region, method: Method::GET, url, content_type: None, body: String::new() }
}

fn invalid(action: &str, why: &str) -> Error {
    Error::Unusable { call: action.to_owned(), reason: format!("it cannot be parsed: {why}") }
}

fn json_error(body: &str) -> Option<(String, String)> {
    let error: Value = parse::json::from_str(body).ok()?;
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    Some((text("__type"), text("message"))).filter(|(code, message)| !code.is_empty() || !message.is_empty())
}

fn xml_error(body: &str) -> Option<(String, String)> {
    let root = Element::parse(body).ok()?;
    let error = root.child("Error")?;
    Some((error.string("Code"), error.string("Message")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_a_proxy_is_no_empty_list() {
        let empty = "<ListHostedZonesByVPCResponse><HostedZoneSummaries/></ListHostedZonesByVPCResponse>";
        assert!(zones(empty).is_ok());
        for body in ["<html/>", "Log in", "<ListHostedZonesByVPCResponse/>"] {
            assert!(zones(body).is_err(), "{body}");
        }
    }

    #[test]
    fn errors_have_codes_and_messages() {
        let eks = json_error(r#"{"__type": "ResourceNotFoundException", "message": "No cluster found"}"#);
        assert_eq!(eks, Some(("ResourceNotFoundException".to_owned(), "No cluster found".to_owned())));
        assert_eq!(json_error("<html>"), None);
        let body = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>m</Message></Error>\
                    </ErrorResponse>";
        assert_eq!(xml_error(body), Some(("AccessDenied".to_owned(), "m".to_owned())));
    }
}
