//! `CreateTags` and `DeleteTags` of VPC endpoints.

use super::{Endpoint, Endpoints};
use crate::aws::error::Refusal;
use crate::aws::form::Form;

/// The resources of a request: VPC endpoints, and those of which moto knows.
pub(in crate::aws) fn resources(form: &Form) -> (Vec<String>, Vec<String>) {
    form.list("ResourceId").into_iter().partition(|id| id.starts_with("vpce-"))
}

impl Endpoints {
    /// Whether all of `ids` exist.
    pub(in crate::aws) fn check_exist(&self, ids: &[String]) -> Result<(), Refusal> {
        ids.iter().try_for_each(|id| self.find(id).map(drop))
    }

    pub(in crate::aws) fn create_tags(&mut self, ids: &[String], form: &Form) {
        let tags = form.tags("Tag");
        for endpoint in self.named(ids) {
            let new = tags.iter().map(|(key, value)| (key.clone(), value.clone().unwrap_or_default()));
            endpoint.tags.extend(new);
        }
    }

    /// Without tags, all are deleted; with a value, only a tag that has it.
    pub(in crate::aws) fn delete_tags(&mut self, ids: &[String], form: &Form) {
        let tags = form.tags("Tag");
        for endpoint in self.named(ids) {
            endpoint.tags.retain(|key, value| match tags.get(key) {
                Some(Some(wanted)) => wanted != value,
                Some(None) => false,
                None => !tags.is_empty(),
            });
        }
    }

    fn named(&mut self, ids: &[String]) -> impl Iterator<Item = &mut Endpoint> {
        self.list.iter_mut().filter(|endpoint| ids.contains(&endpoint.id))
    }
}
