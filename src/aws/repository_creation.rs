//! Creates repositories of ECR with the user's settings and those of the account's creation templates.

use aws_sdk_ecr::types::{
    EncryptionConfiguration, EncryptionType, ImageScanningConfiguration, ImageTagMutability,
    RepositoryCreationTemplate, Tag,
};

use super::ecr::{Ecr, has_code};
use super::error::Error;
use super::templates::Templates;
use crate::model::repository_settings::RepositorySettings;

impl Ecr {
    /// Creates `repository`; one that exists is left as it is.
    ///
    /// # Errors
    /// ECR refuses the repository, or its policy.
    pub async fn create_repository(
        &self,
        repository: &str,
        settings: &RepositorySettings,
    ) -> Result<(), Error> {
        let templates = self.templates.get_or_init(|| Box::pin(self.read_templates())).await;
        let template = templates.of_repository(repository);
        let account = &self.registry().account;
        let request = self.client.create_repository().registry_id(account).repository_name(repository);
        let request = request
            .set_tags(tags(settings, template))
            .set_encryption_configuration(encryption(settings, template))
            .set_image_scanning_configuration(
                settings
                    .scan_on_push
                    .map(|scan| ImageScanningConfiguration::builder().scan_on_push(scan).build()),
            );
        let request = match (settings.immutable_tags, template) {
            (Some(true), _) => request.image_tag_mutability(ImageTagMutability::Immutable),
            (Some(false), _) => request.image_tag_mutability(ImageTagMutability::Mutable),
            (None, Some(template)) => {
                let exclusions = template.image_tag_mutability_exclusion_filters().to_vec();
                request
                    .set_image_tag_mutability(template.image_tag_mutability().cloned())
                    .set_image_tag_mutability_exclusion_filters(
                        Some(exclusions).filter(|all| !all.is_empty()),
                    )
            }
            (None, None) => request,
        };
        match request.send().await {
            Ok(_) => {}
            Err(error) if has_code(&error, "RepositoryAlreadyExistsException") => return Ok(()),
            Err(error) => return Err(self.error("ecr:CreateRepository", repository, &error)),
        }
        let of_template = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        let policy = settings.policy_text(&self.registry().region);
        let policy = policy.or_else(|| of_template(template?.repository_policy()));
        if let Some(policy) = policy {
            let request =
                self.client.set_repository_policy().registry_id(account).repository_name(repository);
            let sent = request.policy_text(policy).send().await;
            sent.map_err(|error| self.error("ecr:SetRepositoryPolicy", repository, &error))?;
        }
        if let Some(policy) = template.and_then(|template| of_template(template.lifecycle_policy())) {
            let request = self.client.put_lifecycle_policy().registry_id(account).repository_name(repository);
            let sent = request.lifecycle_policy_text(policy).send().await;
            sent.map_err(|error| self.error("ecr:PutLifecyclePolicy", repository, &error))?;
        }
        Ok(())
    }

    /// What the user should know about the repositories that were created.
    pub fn creation_note(&self) -> Option<&str> {
        self.templates.get()?.note.as_deref()
    }

    /// One request: an account has few templates.
    async fn read_templates(&self) -> Templates {
        let answer = self.client.describe_repository_creation_templates().max_results(1000).send().await;
        match answer {
            Ok(answer) => Templates::for_push(answer.repository_creation_templates.unwrap_or_default()),
            Err(error) => {
                let error = Error::from_sdk("ecr:DescribeRepositoryCreationTemplates", &error);
                let note =
                    format!("note: repositories are created without ECR's creation templates: {error}");
                Templates::unknown(note)
            }
        }
    }
}

/// The user's tags, and those of the template with other keys.
fn tags(settings: &RepositorySettings, template: Option<&RepositoryCreationTemplate>) -> Option<Vec<Tag>> {
    let own =
        settings.tags.iter().filter_map(|(key, value)| Tag::builder().key(key).value(value).build().ok());
    let of_template = template.map(RepositoryCreationTemplate::resource_tags).unwrap_or_default().iter();
    let others = of_template.filter(|tag| !settings.tags.contains_key(tag.key())).cloned();
    Some(own.chain(others).collect::<Vec<_>>()).filter(|tags| !tags.is_empty())
}

fn encryption(
    settings: &RepositorySettings,
    template: Option<&RepositoryCreationTemplate>,
) -> Option<EncryptionConfiguration> {
    let builder = EncryptionConfiguration::builder();
    let builder = match (&settings.kms_key, template.and_then(|template| template.encryption_configuration()))
    {
        (Some(key), _) => builder.encryption_type(EncryptionType::Kms).kms_key(key),
        (None, Some(encryption)) => builder
            .encryption_type(encryption.encryption_type().clone())
            .set_kms_key(encryption.kms_key().map(str::to_owned)),
        (None, None) => return None,
    };
    builder.build().ok()
}
