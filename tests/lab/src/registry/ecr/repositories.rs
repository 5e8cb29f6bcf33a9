//! ECR's actions on repositories.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Service;
use super::api::{ApiError, page, read};
use super::state::Repository;
use crate::address::ACCOUNT;

const MUTABILITIES: [&str; 4] =
    ["MUTABLE", "IMMUTABLE", "MUTABLE_WITH_EXCLUSION", "IMMUTABLE_WITH_EXCLUSION"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    repository_name: String,
    image_tag_mutability: Option<String>,
    #[serde(default)]
    image_tag_mutability_exclusion_filters: Value,
    image_scanning_configuration: Option<Value>,
    encryption_configuration: Option<Value>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: String,
    value: String,
}

pub fn create(service: &Service, input: Value) -> Result<Value, ApiError> {
    let input: Create = read(input)?;
    let name = input.repository_name;
    if !is_name(&name) {
        return Err(ApiError::invalid(
            "Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy regular expression \
             '(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*''",
        ));
    }
    let mut repository = Repository::default();
    if let Some(mutability) = input.image_tag_mutability {
        repository.mutability = mutability;
    }
    check_mutability(&repository.mutability)?;
    repository.exclusions = input.image_tag_mutability_exclusion_filters;
    repository.scanning = input.image_scanning_configuration.unwrap_or(repository.scanning);
    repository.resource_tags = input.tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
    repository.encryption = input.encryption_configuration.unwrap_or(repository.encryption);
    service.store.change(|state| {
        if state.repositories.contains_key(&name) {
            return Err(ApiError::new(
                "RepositoryAlreadyExistsException",
                &format!(
                    "The repository with name '{name}' already exists in the registry with id '{ACCOUNT}'"
                ),
            ));
        }
        let description = repository.describe(&name);
        state.repositories.insert(name.clone(), repository);
        Ok(json!({"repository": description}))
    })?
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Describe {
    repository_names: Option<Vec<String>>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

pub fn describe(service: &Service, input: Value) -> Result<Value, ApiError> {
    let input: Describe = read(input)?;
    let all = service.store.read(|state| match &input.repository_names {
        None => Ok(state.repositories.iter().map(|(name, found)| found.describe(name)).collect()),
        Some(names) => names
            .iter()
            .map(|name| {
                let found = state.repositories.get(name);
                found.map(|found| found.describe(name)).ok_or_else(|| ApiError::no_repository(name))
            })
            .collect::<Result<Vec<_>, _>>(),
    })?;
    if input.repository_names.is_some() {
        return Ok(json!({"repositories": all}));
    }
    page("repositories", &all, input.next_token.as_deref(), input.max_results)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delete {
    repository_name: String,
    #[serde(default)]
    force: bool,
}

pub fn delete(service: &Service, input: Value) -> Result<Value, ApiError> {
    let Delete { repository_name: name, force } = read(input)?;
    service.store.change(|state| {
        let found = state.repositories.get(&name).ok_or_else(|| ApiError::no_repository(&name))?;
        if !found.images.is_empty() && !force {
            return Err(ApiError::new(
                "RepositoryNotEmptyException",
                &format!(
                    "The repository with name '{name}' in registry with id '{ACCOUNT}' cannot be deleted because \
                     it still contains images"
                ),
            ));
        }
        let description = found.describe(&name);
        state.repositories.remove(&name);
        Ok(json!({"repository": description}))
    })?
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PutPolicy {
    repository_name: String,
    #[serde(alias = "lifecyclePolicyText")]
    policy_text: String,
}

/// A repository's policy, or its lifecycle policy; both are JSON.
pub fn put_policy(service: &Service, input: Value, is_lifecycle: bool) -> Result<Value, ApiError> {
    let PutPolicy { repository_name: name, policy_text: text } = read(input)?;
    let invalid = || {
        ApiError::invalid(
            "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'",
        )
    };
    let policy: Value = serde_json::from_str(&text).map_err(|_| invalid())?;
    service.store.change(|state| {
        let found = state.repositories.get_mut(&name).ok_or_else(|| ApiError::no_repository(&name))?;
        *(if is_lifecycle { &mut found.lifecycle } else { &mut found.policy }) = policy;
        let member = if is_lifecycle { "lifecyclePolicyText" } else { "policyText" };
        Ok(json!({"registryId": ACCOUNT, "repositoryName": name, member: text}))
    })?
}

pub fn describe_templates(service: &Service) -> Value {
    let templates = service.store.read(|state| state.templates.clone());
    json!({"registryId": ACCOUNT, "repositoryCreationTemplates": templates})
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PutMutability {
    repository_name: String,
    #[serde(rename = "imageTagMutability")]
    mode: String,
    #[serde(default)]
    image_tag_mutability_exclusion_filters: Value,
}

pub fn put_mutability(service: &Service, input: Value) -> Result<Value, ApiError> {
    let input: PutMutability = read(input)?;
    check_mutability(&input.mode)?;
    let name = input.repository_name;
    service.store.change(|state| {
        let found = state.repositories.get_mut(&name).ok_or_else(|| ApiError::no_repository(&name))?;
        found.mutability.clone_from(&input.mode);
        found.exclusions = input.image_tag_mutability_exclusion_filters;
        let mut answer = json!({
            "registryId": ACCOUNT, "repositoryName": name, "imageTagMutability": found.mutability,
        });
        if !found.exclusions.is_null() {
            answer["imageTagMutabilityExclusionFilters"] = found.exclusions.clone();
        }
        Ok(answer)
    })?
}

fn check_mutability(mutability: &str) -> Result<(), ApiError> {
    if MUTABILITIES.contains(&mutability) {
        return Ok(());
    }
    Err(ApiError::invalid(&format!(
        "Invalid parameter at 'imageTagMutability' failed to satisfy constraint: 'must be one of {}'",
        MUTABILITIES.join(", ")
    )))
}

/// ECR's rule for names: 2 to 256 characters, segments of lower-case words with single separators.
fn is_name(name: &str) -> bool {
    (2..=256).contains(&name.len())
        && name.split('/').all(|segment| {
            segment.split(['.', '_', '-']).all(|word| {
                !word.is_empty()
                    && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_api_reference() {
        let good = ["us-docker.pkg.dev/castai-hub/library/agent", "ab", "a/b", "1_2-3.4"];
        let bad = ["a", "A/b", "a//b", "-ab", "ab-", "a__b", "a/b/", "a b", "a:b"];
        for name in good {
            assert!(is_name(name), "{name}");
        }
        for name in bad {
            assert!(!is_name(name), "{name}");
        }
    }
}
