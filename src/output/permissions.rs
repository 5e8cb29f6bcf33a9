//! Permissions as tables.

use super::table::{self, Column};
use super::terminal_width;
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
    let columns = [
        Column::wrapped("RESOURCES", 24),
        Column::wrapped("VERBS", 7),
        Column::wrapped("WHERE", 12),
        Column::whole("NEED"),
        Column::wrapped("FOR", 17),
    ];
    table::fitted(columns, &rows, terminal_width())
}

pub fn aws(actions: &[&AwsAction]) -> String {
    let rows: Vec<_> = actions
        .iter()
        .map(|action| [action.action.to_owned(), action.need.as_str().to_owned(), action.reason.to_owned()])
        .collect();
    let columns = [Column::wrapped("ACTION", 20), Column::whole("NEED"), Column::wrapped("FOR", 17)];
    table::fitted(columns, &rows, terminal_width())
}
