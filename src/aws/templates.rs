//! ECR's repository creation templates.

use aws_sdk_ecr::types::{RctAppliedFor, RepositoryCreationTemplate};

/// The account's templates for repositories that a push creates, or why they are unknown.
#[derive(Debug, Default)]
pub(super) struct Templates {
    found: Vec<RepositoryCreationTemplate>,
    /// What the user should know.
    pub(super) note: Option<String>,
}

/// The prefix of the template for all other repositories (Amazon ECR API, `RepositoryCreationTemplate`).
const ROOT: &str = "ROOT";

impl Templates {
    /// Those that apply to repositories that a push creates, among all of an account.
    pub(super) fn for_push(all: Vec<RepositoryCreationTemplate>) -> Self {
        let is_for_push = |template: &RepositoryCreationTemplate| {
            template.applied_for().contains(&RctAppliedFor::CreateOnPush)
        };
        Self { found: all.into_iter().filter(is_for_push).collect(), note: None }
    }

    pub(super) const fn unknown(note: String) -> Self {
        Self { found: Vec::new(), note: Some(note) }
    }

    /// The template with the longest prefix of a repository's path.
    pub(super) fn of_repository(&self, repository: &str) -> Option<&RepositoryCreationTemplate> {
        let length = |template: &&RepositoryCreationTemplate| match template.prefix()? {
            ROOT => Some(0),
            prefix => repository.strip_prefix(prefix)?.starts_with('/').then_some(prefix.len()),
        };
        let matching = self.found.iter().filter_map(|template| Some((length(&template)?, template)));
        matching.max_by_key(|(length, _)| *length).map(|(_, template)| template)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_decides() {
        let template = |prefix: &str| RepositoryCreationTemplate::builder().prefix(prefix).build();
        let templates =
            Templates { found: ["castai", "ROOT", "castai/agents"].map(template).into(), note: None };
        for (repository, prefix) in [
            ("castai/agents/x", "castai/agents"),
            ("castai/x", "castai"),
            ("castaix/y", "ROOT"),
            ("castai", "ROOT"),
        ] {
            let found = templates.of_repository(repository).and_then(RepositoryCreationTemplate::prefix);
            assert_eq!(found, Some(prefix), "{repository}");
        }
        assert!(Templates::default().of_repository("castai/x").is_none());
    }
}
