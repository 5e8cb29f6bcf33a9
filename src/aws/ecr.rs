//! Amazon ECR's own API, for what the distribution API cannot do or needs many requests for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_ecr::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ecr::types::{ImageStatusFilter, LayerAvailability, ListImagesFilter};
use tokio::sync::OnceCell;

use crate::aws::client;
use crate::aws::error::Error;
use crate::aws::templates::Templates;
use crate::model::image::Digest;
use crate::model::image::ecr::EcrRegistry;

/// An ECR registry's own API.
#[derive(Clone, Debug)]
pub struct Ecr {
    pub(super) client: aws_sdk_ecr::Client,
    registry: EcrRegistry,
    /// Read once, before the first repository is created.
    pub(super) templates: Arc<OnceCell<Templates>>,
}

/// A password for the registry's distribution API.
#[derive(Clone)]
pub struct Authorization {
    /// `user:password` in base64, as in the `Authorization` header.
    pub basic: String,
    /// Remaining lifetime, by this machine's clock.
    pub valid_for: Duration,
}

/// A manifest of a repository with one of its tags, or without a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageId {
    pub tag: Option<String>,
    pub digest: Digest,
}

/// Lifetime of an ECR token (Amazon ECR, `GetAuthorizationToken`).
const TOKEN_LIFETIME: Duration = Duration::from_hours(12);

/// Maximum layers in one `BatchCheckLayerAvailability` request.
const LAYERS_PER_CHECK: usize = 100;

impl Ecr {
    pub fn new(config: &aws_config::SdkConfig, registry: EcrRegistry) -> Self {
        Self { client: client::ecr(config), registry, templates: Arc::default() }
    }

    pub const fn registry(&self) -> &EcrRegistry {
        &self.registry
    }

    pub async fn authorization(&self) -> Result<Authorization, Error> {
        let action = "ecr:GetAuthorizationToken";
        let answer = self.client.get_authorization_token().send().await;
        let answer = answer.map_err(|error| Error::from_sdk(action, &error))?;
        let data = answer.authorization_data().first();
        let basic = data.and_then(|data| data.authorization_token());
        let expires =
            data.and_then(|data| data.expires_at()).map_or(0, aws_sdk_ecr::primitives::DateTime::secs);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let left = u64::try_from(expires).unwrap_or(0).saturating_sub(now.as_secs());
        // An impossible remaining lifetime comes from a wrong clock.
        let valid_for = match Duration::from_secs(left) {
            Duration::ZERO => TOKEN_LIFETIME,
            left => left.min(TOKEN_LIFETIME),
        };
        let basic = basic.ok_or_else(|| Error::Service {
            code: String::new(),
            call: action.to_owned(),
            message: "the response has no token".to_owned(),
        })?;
        Ok(Authorization { basic: basic.to_owned(), valid_for })
    }

    /// All manifests of `repository` that can be pulled, once per tag, or `None` if the repository does not exist.
    pub async fn list(&self, repository: &str) -> Result<Option<Vec<ImageId>>, Error> {
        // Without a filter, ECR lists these only.
        self.list_filtered(repository, None).await
    }

    /// As [`Self::list`], but those that were moved to the archive and cannot be pulled (Amazon ECR user guide,
    /// "Archiving an image").
    pub async fn list_archived(&self, repository: &str) -> Result<Option<Vec<ImageId>>, Error> {
        let filter = ListImagesFilter::builder().image_status(ImageStatusFilter::Archived).build();
        self.list_filtered(repository, Some(filter)).await
    }

    async fn list_filtered(
        &self,
        repository: &str,
        filter: Option<ListImagesFilter>,
    ) -> Result<Option<Vec<ImageId>>, Error> {
        let mut images = Vec::new();
        let mut pages = self
            .client
            .list_images()
            .registry_id(&self.registry.account)
            .repository_name(repository)
            .set_filter(filter)
            .max_results(1000)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page,
                Err(error) if has_code(&error, "RepositoryNotFoundException") => return Ok(None),
                Err(error) => return Err(self.error("ecr:ListImages", repository, &error)),
            };
            for id in page.image_ids() {
                if let Some(digest) = id.image_digest().and_then(|digest| digest.parse().ok()) {
                    images.push(ImageId { tag: id.image_tag().map(str::to_owned), digest });
                }
            }
        }
        Ok(Some(images))
    }

    /// The subset of `layers` that `repository` has, with one request per 100 layers.
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
                .registry_id(&self.registry.account)
                .repository_name(repository)
                .set_layer_digests(Some(some.iter().map(ToString::to_string).collect()))
                .send()
                .await
                .map_err(|error| self.error("ecr:BatchCheckLayerAvailability", repository, &error))?;
            let available = answer
                .layers()
                .iter()
                .filter(|layer| layer.layer_availability() == Some(&LayerAvailability::Available));
            present.extend(available.filter_map(|layer| layer.layer_digest()?.parse::<Digest>().ok()));
        }
        Ok(present)
    }

    /// Whether a repository exists.
    pub async fn has_repository(&self, name: &str) -> Result<bool, Error> {
        let call = self.client.list_images().registry_id(&self.registry.account).repository_name(name);
        match call.max_results(1).send().await {
            Ok(_) => Ok(true),
            Err(error) if has_code(&error, "RepositoryNotFoundException") => Ok(false),
            Err(error) => Err(self.error("ecr:ListImages", name, &error)),
        }
    }

    /// Whether the account allows mounting blobs from one repository into another (Amazon ECR user guide, "Blob
    /// mounting").
    pub async fn blob_mounting(&self) -> Result<bool, Error> {
        let request = self.client.get_account_setting().name("BLOB_MOUNTING");
        match request.send().await {
            Ok(answer) => Ok(answer.value() == Some("ENABLED")),
            Err(error) => Err(Error::from_sdk("ecr:GetAccountSetting", &error)),
        }
    }

    pub(super) fn error<E, R>(&self, action: &str, repository: &str, error: &SdkError<E, R>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        Error::from_sdk(&format!("{action} on {}", self.registry.arn(repository)), error)
    }
}

pub(super) fn has_code<E, R>(error: &SdkError<E, R>, code: &str) -> bool
where
    E: ProvideErrorMetadata,
{
    error.code() == Some(code)
}

#[cfg(test)]
impl Ecr {
    /// The API of a test registry on loopback.
    pub(crate) fn for_test(host: &str) -> Self {
        use aws_sdk_ecr::config::{Credentials, SharedCredentialsProvider};

        let credentials = Credentials::new("id", "secret", None, None, "test");
        let config = aws_config::SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(aws_config::Region::new("us-east-1"))
            .endpoint_url(format!("http://{host}"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        let registry = EcrRegistry { account: "123456789012".to_owned(), region: "us-east-1".to_owned() };
        Self::new(&config, registry)
    }
}
