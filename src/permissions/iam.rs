//! An IAM policy.

use serde_json::{Value, json};

use super::aws::actions;
use super::{AwsAction, Purpose, Resource};
use crate::model::image::ecr::{EcrRegistry, PATH};

/// The ECR registry that the policy is for; a missing part matches any.
#[derive(Clone, Debug, Default)]
pub struct Registry<'a> {
    pub account: Option<&'a str>,
    pub region: Option<&'a str>,
}

/// The policy document, with one statement per purpose. The statement's id names the purpose: JSON has no comments.
pub fn policy(purpose: Option<Purpose>, read_only: bool, registry: &Registry<'_>) -> Value {
    let region = registry.region.unwrap_or("*");
    let account = registry.account.unwrap_or("*");
    let ecr = EcrRegistry { account: account.to_owned(), region: region.to_owned() };
    let repositories = ecr.arn(&format!("{PATH}/*"));
    let mut statements: Vec<(&AwsAction, Vec<&str>)> = Vec::new();
    // Rights to change a VPC are for those who need them, by name.
    let is_wanted =
        |action: &&AwsAction| purpose.is_some() || action.purposes != [Purpose::Endpoints].as_slice();
    for action in actions(purpose, read_only).filter(is_wanted) {
        match statements.iter_mut().find(|(first, _)| first.statement == action.statement) {
            Some((_, actions)) => actions.push(action.action),
            None => statements.push((action, vec![action.action])),
        }
    }
    let statements: Vec<_> = statements
        .into_iter()
        .map(|(first, actions)| {
            let resource = match first.resource {
                Resource::Any => "*",
                Resource::Repositories => &repositories,
            };
            json!({"Sid": first.statement, "Effect": "Allow", "Action": actions, "Resource": resource})
        })
        .collect();
    json!({"Version": "2012-10-17", "Statement": statements})
}
