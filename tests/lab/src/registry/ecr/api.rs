//! The ECR API: JSON 1.1 over HTTPS, one action per request.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::access::Principal;
use super::state::{arn, now};
use super::{Service, images, repositories};
use crate::address::{ACCOUNT, ECR};

const VERSION: &str = "AmazonEC2ContainerRegistry_V20150921.";
const BODY_LIMIT: usize = 5 * 1024 * 1024;
const PAGE: usize = 100;
const PAGE_LIMIT: usize = 1000;

/// An error of the API; the SDKs identify it by its type's name.
#[derive(Clone, Debug)]
pub struct ApiError {
    name: &'static str,
    message: String,
    status: StatusCode,
}

impl ApiError {
    pub fn new(name: &'static str, message: &str) -> Self {
        Self { name, message: message.into(), status: StatusCode::BAD_REQUEST }
    }

    pub fn invalid(message: &str) -> Self {
        Self::new("InvalidParameterException", message)
    }

    pub fn no_repository(name: &str) -> Self {
        Self::new("RepositoryNotFoundException", &no_repository(name))
    }

    fn respond(&self) -> Response {
        respond(self.status, &json!({"__type": self.name, "message": self.message}))
    }
}

impl From<anyhow::Error> for ApiError {
    fn from(error: anyhow::Error) -> Self {
        Self {
            name: "ServerException",
            message: format!("{error:#}"),
            status: StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// ECR's message about a repository that does not exist, the same on both hosts.
pub fn no_repository(name: &str) -> String {
    format!("The repository with name '{name}' does not exist in the registry with id '{ACCOUNT}'")
}

/// The action that a request names.
pub fn action(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-amz-target")?.to_str().ok()?.strip_prefix(VERSION)
}

/// Handles requests to the API host.
pub async fn answer(State(service): State<Service>, request: Request) -> Response {
    match call(&service, request).await {
        Ok(value) => respond(StatusCode::OK, &value),
        Err(error) => error.respond(),
    }
}

async fn call(service: &Service, request: Request) -> Result<Value, ApiError> {
    let (parts, body) = request.into_parts();
    let action = action(&parts.headers)
        .ok_or_else(|| ApiError::new("UnknownOperationException", "the request names no ECR action"))?;
    service.access.signed(&parts.headers)?;
    let body = axum::body::to_bytes(body, BODY_LIMIT)
        .await
        .map_err(|_| ApiError::new("SerializationException", "the request body could not be read"))?;
    let input: Value = if body.is_empty() { json!({}) } else { parse(&body)? };
    for resource in resources(action, &input) {
        service
            .access
            .allow(Principal::Caller, action, &resource)
            .map_err(|message| ApiError::new("AccessDeniedException", &message))?;
    }
    match action {
        "GetAuthorizationToken" => Ok(authorization_token(service)),
        "GetAccountSetting" => account_setting(service, &input, false),
        "PutAccountSetting" => account_setting(service, &input, true),
        "DescribeRegistry" => Ok(json!({"registryId": ACCOUNT, "replicationConfiguration": {"rules": []}})),
        "CreateRepository" => repositories::create(service, input),
        "DescribeRepositories" => repositories::describe(service, input),
        "DeleteRepository" => repositories::delete(service, input),
        "SetRepositoryPolicy" => repositories::put_policy(service, input, false),
        "PutLifecyclePolicy" => repositories::put_policy(service, input, true),
        "DescribeRepositoryCreationTemplates" => Ok(repositories::describe_templates(service)),
        "PutImageTagMutability" => repositories::put_mutability(service, input),
        "ListImages" => images::list(service, input),
        "DescribeImages" => images::describe(service, input),
        "BatchGetImage" => images::batch_get(service, input).await,
        "BatchDeleteImage" => images::batch_delete(service, input),
        "BatchCheckLayerAvailability" => images::batch_check_layers(service, input),
        _ => {
            Err(ApiError::new("UnknownOperationException", &format!("the lab's ECR does not know {action}")))
        }
    }
}

/// The resource of an action in IAM: if no repository is named, all of them.
fn resources(action: &str, input: &Value) -> Vec<String> {
    if [
        "GetAuthorizationToken",
        "GetAccountSetting",
        "PutAccountSetting",
        "DescribeRegistry",
        "DescribeRepositoryCreationTemplates",
    ]
    .contains(&action)
    {
        return vec!["*".to_owned()];
    }
    let several = input["repositoryNames"].as_array().into_iter().flatten();
    let named: Vec<_> =
        several.chain([&input["repositoryName"]]).filter_map(Value::as_str).map(arn).collect();
    if named.is_empty() { vec![arn("*")] } else { named }
}

fn authorization_token(service: &Service) -> Value {
    let (password, lifetime) = service.access.issue();
    json!({"authorizationData": [{
        "authorizationToken": STANDARD.encode(format!("AWS:{password}")),
        "expiresAt": now() + lifetime.as_secs_f64(),
        "proxyEndpoint": format!("https://{}", ECR.0),
    }]})
}

fn account_setting(service: &Service, input: &Value, put: bool) -> Result<Value, ApiError> {
    let name = input["name"].as_str().unwrap_or_default();
    if name != "BLOB_MOUNTING" {
        return Err(ApiError::new(
            "ValidationException",
            &format!("the account setting '{name}' is unknown"),
        ));
    }
    if put {
        let enabled = match input["value"].as_str() {
            Some("ENABLED") => true,
            Some("DISABLED") => false,
            _ => {
                return Err(ApiError::new("ValidationException", "the value must be ENABLED or DISABLED"));
            }
        };
        service.store.change(|state| state.blob_mounting = enabled)?;
    }
    let enabled = service.store.read(|state| state.blob_mounting);
    Ok(json!({"name": name, "value": if enabled { "ENABLED" } else { "DISABLED" }}))
}

/// The input of an action.
pub fn read<T: DeserializeOwned>(input: Value) -> Result<T, ApiError> {
    serde_json::from_value(input).map_err(|error| ApiError::new("SerializationException", &error.to_string()))
}

fn parse(body: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::new("SerializationException", &error.to_string()))
}

/// One page of a listing under `name`, with the token of the next.
pub fn page(
    name: &str,
    items: &[Value],
    token: Option<&str>,
    size: Option<usize>,
) -> Result<Value, ApiError> {
    let size = size.unwrap_or(PAGE);
    if !(1..=PAGE_LIMIT).contains(&size) {
        return Err(ApiError::invalid(
            "Invalid parameter at 'maxResults' failed to satisfy constraint: 'must be between 1 and 1000'",
        ));
    }
    let start = token.map_or(Some(0), |token| {
        let decoded = STANDARD.decode(token).ok()?;
        String::from_utf8(decoded).ok()?.strip_prefix("lab:")?.parse().ok()
    });
    let Some(start) = start else {
        return Err(ApiError::invalid("Invalid parameter at 'nextToken': the token is not one of ours"));
    };
    let end = items.len().min(start + size);
    let mut answer = json!({});
    answer[name] = Value::from(items.get(start..end).unwrap_or_default().to_vec());
    if end < items.len() {
        answer["nextToken"] = Value::from(STANDARD.encode(format!("lab:{end}")));
    }
    Ok(answer)
}

fn respond(status: StatusCode, value: &Value) -> Response {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/x-amz-json-1.1"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_contiguous() {
        let items: Vec<Value> = (0..250).map(Value::from).collect();
        let (mut seen, mut token, mut sizes) = (Vec::new(), None, Vec::new());
        loop {
            let answer = page("items", &items, token.as_deref(), None).unwrap();
            let found = answer["items"].as_array().unwrap().clone();
            sizes.push(found.len());
            seen.extend(found);
            token = answer["nextToken"].as_str().map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        assert_eq!((seen, sizes), (items, vec![100, 100, 50]));
        assert!(page("items", &[], Some("nonsense"), None).is_err());
        assert!(page("items", &[], None, Some(1001)).is_err());
    }
}
