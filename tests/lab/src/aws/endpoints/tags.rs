//! `CreateTags` and `DeleteTags` of VPC endpoints.

use std::collections::BTreeMap;

use super::Endpoints;
use crate::aws::error::Refusal;
use crate::aws::form::Form;

/// Carries out the action on the tags of one object. Without tags, `DeleteTags` deletes all; with a value, only a tag that
/// has it.
pub(in crate::aws) fn change_tags(action: &str, tags: &mut BTreeMap<String, String>, form: &Form) {
    let named = form.tags("Tag");
    if action == "CreateTags" {
        tags.extend(named.into_iter().map(|(key, value)| (key, value.unwrap_or_default())));
        return;
    }
    tags.retain(|key, value| match named.get(key) {
        Some(Some(wanted)) => wanted != value,
        Some(None) => false,
        None => !named.is_empty(),
    });
}

impl Endpoints {
    /// Whether those of `ids` that name endpoints exist.
    pub(in crate::aws) fn check_exist(&self, ids: &[String]) -> Result<(), Refusal> {
        let mut endpoints = ids.iter().filter(|id| id.starts_with("vpce-"));
        endpoints.try_for_each(|id| self.find(id).map(drop))
    }

    pub(in crate::aws) fn change_tags(&mut self, action: &str, ids: &[String], form: &Form) {
        for endpoint in self.list.iter_mut().filter(|endpoint| ids.contains(&endpoint.id)) {
            change_tags(action, &mut endpoint.tags, form);
        }
    }
}
