//! Permissions as tables.

use super::table;
use crate::permissions::kubernetes::resources;
use crate::permissions::{AwsAction, KubernetesRule};

pub fn kubernetes(rules: &[KubernetesRule]) -> String {
    let rows: Vec<_> = rules
        .iter()
        .map(|rule| {
            [
                resources(rule),
                rule.verbs.join(","),
                rule.scope.as_str().to_owned(),
                rule.need.as_str().to_owned(),
                rule.reason.clone(),
            ]
        })
        .collect();
    table::render(["RESOURCES", "VERBS", "WHERE", "NEED", "FOR"], &rows)
}

pub fn aws(actions: &[&AwsAction]) -> String {
    let rows: Vec<_> = actions
        .iter()
        .map(|action| [action.action.to_owned(), action.need.as_str().to_owned(), action.reason.to_owned()])
        .collect();
    table::render(["ACTION", "NEED", "FOR"], &rows)
}
