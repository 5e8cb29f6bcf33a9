//! Amazon ECR's own API: what the distribution API cannot say, or says only with many requests.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as StdError;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_ecr::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ecr::types::LayerAvailability;

use crate::image::Digest;
use crate::registry::plain;

/// An ECR registry: one account in one region.
#[derive(Clone, Debug)]
pub struct Ecr {
    client: aws_sdk_ecr::Client,
    account: String,
    region: String,
}

/// What a repository holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub tags: BTreeMap<String, Digest>,
    /// All manifests, children of indexes and untagged ones too.
    pub digests: BTreeSet<Digest>,
}

/// A password for the registry's distribution API.
#[derive(Clone)]
pub struct Authorization {
    /// `user:password` in base 64, as the `Authorization` header wants it.
    pub basic: String,
    /// How long it is valid from now on, by this machine's clock.
    pub valid_for: Duration,
}

/// What an ECR token lasts (Amazon ECR, `GetAuthorizationToken`).
const TOKEN_LIFETIME: Duration = Duration::from_hours(12);

/// Most layers that one `BatchCheckLayerAvailability` answers for.
const LAYERS_PER_CHECK: usize = 100;

impl Ecr {
    pub fn new(config: &aws_config::SdkConfig, account: String, region: String) -> Self {
        Self { client: aws_sdk_ecr::Client::new(config), account, region }
    }

    pub fn account(&self) -> &str {
        &self.account
    }

    pub fn region(&self) -> &str {
        &self.region
    }

    /// The host of the distribution API.
    pub fn host(&self) -> String {
        let suffix = if self.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        format!("{}.dkr.ecr.{}.{suffix}", self.account, self.region)
    }

    pub async fn authorization(&self) -> Result<Authorization, Error> {
        let action = "ecr:GetAuthorizationToken";
        let answer = self.client.get_authorization_token().send().await;
        let answer = answer.map_err(|error| self.error(action, None, &error))?;
        let data = answer.authorization_data().first();
        let basic = data.and_then(|data| data.authorization_token());
        let expires =
            data.and_then(|data| data.expires_at()).map_or(0, aws_sdk_ecr::primitives::DateTime::secs);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let left = u64::try_from(expires).unwrap_or(0).saturating_sub(now.as_secs());
        // A remaining time that cannot be comes from a wrong clock.
        let valid_for = match Duration::from_secs(left) {
            Duration::ZERO => TOKEN_LIFETIME,
            left => left.min(TOKEN_LIFETIME),
        };
        let basic = basic
            .ok_or_else(|| Error::Service { action, message: "the answer holds no token".to_owned() })?;
        Ok(Authorization { basic: basic.to_owned(), valid_for })
    }

    /// Tags and digests of `repository`, or nothing if it does not exist.
    pub async fn list(&self, repository: &str) -> Result<Option<Listing>, Error> {
        let mut listing = Listing::default();
        let mut pages = self
            .client
            .list_images()
            .registry_id(&self.account)
            .repository_name(repository)
            .max_results(1000)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page,
                Err(error) if has_code(&error, "RepositoryNotFoundException") => return Ok(None),
                Err(error) => return Err(self.error("ecr:ListImages", Some(repository), &error)),
            };
            for id in page.image_ids() {
                let Some(digest) = id.image_digest().and_then(|digest| digest.parse::<Digest>().ok()) else {
                    continue;
                };
                if let Some(tag) = id.image_tag() {
                    listing.tags.insert(tag.to_owned(), digest.clone());
                }
                listing.digests.insert(digest);
            }
        }
        Ok(Some(listing))
    }

    /// Creates `repository`; one that exists is fine.
    pub async fn create_repository(&self, repository: &str) -> Result<(), Error> {
        let request = self.client.create_repository().registry_id(&self.account).repository_name(repository);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if has_code(&error, "RepositoryAlreadyExistsException") => Ok(()),
            Err(error) => Err(self.error("ecr:CreateRepository", Some(repository), &error)),
        }
    }

    /// Those of `layers` that `repository` holds. One request per hundred.
    pub async fn present_layers(
        &self,
        repository: &str,
        layers: &[Digest],
    ) -> Result<BTreeSet<Digest>, Error> {
        let mut present = BTreeSet::new();
        for some in layers.chunks(LAYERS_PER_CHECK) {
            let answer = self
                .client
                .batch_check_layer_availability()
                .registry_id(&self.account)
                .repository_name(repository)
                .set_layer_digests(Some(some.iter().map(ToString::to_string).collect()))
                .send()
                .await
                .map_err(|error| self.error("ecr:BatchCheckLayerAvailability", Some(repository), &error))?;
            let available = answer
                .layers()
                .iter()
                .filter(|layer| layer.layer_availability() == Some(&LayerAvailability::Available));
            present.extend(available.filter_map(|layer| layer.layer_digest()?.parse::<Digest>().ok()));
        }
        Ok(present)
    }

    /// Whether the account lets a blob be mounted from one repository into another
    /// (Amazon ECR user guide, "Blob mounting").
    pub async fn blob_mounting(&self) -> Result<bool, Error> {
        let request = self.client.get_account_setting().name("BLOB_MOUNTING");
        match request.send().await {
            Ok(answer) => Ok(answer.value() == Some("ENABLED")),
            Err(error) => Err(self.error("ecr:GetAccountSetting", None, &error)),
        }
    }

    fn error<E, R>(&self, action: &'static str, repository: Option<&str>, error: &SdkError<E, R>) -> Error
    where
        E: ProvideErrorMetadata + StdError + 'static,
        R: std::fmt::Debug,
    {
        let code = error.code().unwrap_or_default();
        // Our own words follow it.
        let message = plain(error.message().unwrap_or_default()).trim_end_matches('.').to_owned();
        match code {
            "ExpiredToken" | "ExpiredTokenException" => return Error::Expired,
            "UnrecognizedClientException" | "InvalidClientTokenId" | "InvalidSignatureException" => {
                return Error::Invalid { message };
            }
            "AccessDenied" | "AccessDeniedException" => {
                let resource = repository.map_or_else(
                    || "*".to_owned(),
                    |path| format!("arn:aws:ecr:{}:{}:repository/{path}", self.region, self.account),
                );
                return Error::Denied { action, resource, message };
            }
            "" => {}
            code => {
                let message = format!("{} {code} {message}", repository.unwrap_or_default());
                return Error::Service { action, message: message.trim().to_owned() };
            }
        }
        let reason = match innermost(error) {
            // The chain lists each place that it looked at, with nothing in any.
            chain if chain.starts_with("no credentials found in chain") => "none were found".to_owned(),
            reason => plain(&reason),
        };
        match error {
            // The signer fails here, where no credentials can be had.
            SdkError::DispatchFailure(failure) if failure.is_other() => Error::NoCredentials { reason },
            SdkError::ConstructionFailure(_) => Error::NoCredentials { reason },
            SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) => {
                Error::Unreachable { host: format!("api.ecr.{}.amazonaws.com", self.region), reason }
            }
            _ => Error::Service { action, message: reason },
        }
    }
}

fn has_code<E, R>(error: &SdkError<E, R>, code: &str) -> bool
where
    E: ProvideErrorMetadata,
{
    error.code() == Some(code)
}

fn innermost(error: &dyn StdError) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error("AWS credentials have expired: renew them (aws sso login) and run again")]
    Expired,
    #[error("AWS does not accept the credentials: {message}: check AWS_PROFILE and the AWS_* variables")]
    Invalid { message: String },
    #[error("no AWS credentials: {reason}: log in (aws sso login), or set AWS_PROFILE")]
    NoCredentials { reason: String },
    #[error("AWS denies {action} on {resource}: {message}: allow it in the caller's IAM policy")]
    Denied {
        action: &'static str,
        resource: String,
        /// AWS' own words, which name the caller.
        message: String,
    },
    #[error("{host} cannot be reached: {reason}: check the way to AWS from here, and --region")]
    Unreachable { host: String, reason: String },
    #[error("{action} failed: {message}")]
    Service { action: &'static str, message: String },
}

/// Why ECR does not accept `name` for a repository, if so (Amazon ECR API, `CreateRepository`).
pub fn repository_name_fault(name: &str) -> Option<String> {
    let starts_or_ends = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if !(2..=256).contains(&name.len()) {
        return Some("ECR's repository names have 2 to 256 characters".to_owned());
    }
    for segment in name.split('/') {
        let bytes = segment.as_bytes();
        let ends = [bytes.first(), bytes.last()];
        let legal_ends = ends.iter().all(|byte| byte.is_some_and(|&byte| starts_or_ends(byte)));
        let legal = bytes.iter().all(|&byte| starts_or_ends(byte) || b"._-".contains(&byte));
        let separated = bytes.windows(2).all(|pair| pair.iter().any(|&byte| starts_or_ends(byte)));
        if !(legal_ends && legal && separated) {
            return Some(format!(
                "ECR does not accept `{segment}` in a repository name (a-z and 0-9, single `.`, `_` or `-` between): \
                 give it another name with --map"
            ));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_names_are_checked_as_ecr_does() {
        for name in ["castai/agent", "us-docker.pkg.dev/castai-hub/library/agent", "a0/b_c", "ab"] {
            assert_eq!(repository_name_fault(name), None, "{name}");
        }
        for name in ["a", "a__b", "a--b", "A/b", "a//b", "-ab", "ab-", "a/b.", &"x".repeat(257)] {
            assert!(repository_name_fault(name).is_some(), "{name}");
        }
    }
}
