//! What a run planned and did, and what that says about a later plan: whether an action was confirmed, and how it ended.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::endpoints::apply::{Outcome, Step};
use crate::endpoints::decide::{group_names, our_group};
use crate::endpoints::facts::VpcFacts;
use crate::endpoints::plan::{Action, EndpointPlan, GroupRef};
use crate::endpoints::settings::{Peer, Provider};
use crate::model::inventory::API_VERSION;

/// What a run did.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct EndpointReport {
    pub api_version: &'static str,
    pub kind: &'static str,
    /// What was planned, and confirmed.
    pub plan: EndpointPlan,
    /// In the order in which they were carried out.
    pub steps: Vec<Step>,
    /// The plan afterwards: what is left, and the state of each endpoint. Absent after a dry run, or if nothing was
    /// confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<EndpointPlan>,
    /// What is left and was not in the plan that was confirmed: another run will ask about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unconfirmed: Vec<Action>,
    /// Why the VPC could not be read after the changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
    pub is_declined: bool,
    /// The names of our security groups by identifier: a plan has the identifier once a group exists.
    #[serde(skip)]
    pub(super) our_groups: BTreeMap<String, &'static str>,
}

impl EndpointReport {
    pub(super) fn new(plan: EndpointPlan) -> Self {
        Self {
            api_version: API_VERSION,
            kind: "EndpointReport",
            plan,
            steps: Vec::new(),
            after: None,
            unconfirmed: Vec::new(),
            unread: None,
            is_declined: false,
            our_groups: BTreeMap::new(),
        }
    }

    /// The plan that says how the VPC is now.
    pub fn current(&self) -> &EndpointPlan {
        self.after.as_ref().unwrap_or(&self.plan)
    }

    /// The services whose endpoints still change their state.
    pub fn pending(&self) -> Vec<&str> {
        let pending =
            self.current().endpoints.iter().filter(|endpoint| is_pending(endpoint.state.as_deref()));
        pending.map(|endpoint| endpoint.name.as_str()).collect()
    }

    /// Whether something is not as it was planned.
    pub fn needs_attention(&self, waited: bool) -> bool {
        let is_left = self.after.as_ref().is_some_and(|after| !after.actions.is_empty());
        let is_failed = |step: &Step| matches!(step.outcome, Outcome::Failed { .. });
        self.is_declined
            || self.unread.is_some()
            || is_left
            || self.after.is_none() && self.steps.iter().any(is_failed)
            || !self.current().problems.is_empty()
            || waited && !self.pending().is_empty()
    }

    /// The changes that are not made, as far as is known.
    pub fn left(&self) -> Vec<&Action> {
        let actions = self.current().actions.iter();
        if self.after.is_some() {
            actions.collect()
        } else {
            actions.filter(|one| !self.is_done(one)).collect()
        }
    }

    /// How the action ended when it was tried last.
    pub fn last(&self, action: &Action) -> Option<&Outcome> {
        let tried = self.steps.iter().rev().find(|step| self.is_part(action, &step.action));
        tried.map(|step| &step.outcome)
    }

    pub(super) fn note_groups(&mut self, facts: &VpcFacts) {
        for provider in [Provider::CastAi, Provider::Aws] {
            let found = our_group(facts, provider);
            self.our_groups.extend(found.map(|group| (group.id.clone(), group_names(provider).name)));
        }
    }

    pub(super) fn is_done(&self, action: &Action) -> bool {
        matches!(self.last(action), Some(Outcome::Done { .. }))
    }

    /// Whether this run did it or failed to: EC2 may list a change later than it confirms it, and what failed once would fail
    /// again. What was skipped is tried again if the plan was outdated.
    pub(super) fn is_not_retried(&self, action: &Action) -> bool {
        let is_outdated = |outcome: &Outcome| matches!(outcome, Outcome::Outdated { .. });
        match self.last(action) {
            None => false,
            Some(Outcome::Skipped { .. }) => !self.steps.iter().any(|step| is_outdated(&step.outcome)),
            Some(outcome) => !is_outdated(outcome),
        }
    }

    /// Whether the action is about a service, a security group or subnets of the confirmed plan.
    pub(super) fn is_confirmed(&self, action: &Action) -> bool {
        let mut confirmed = self.plan.actions.iter();
        match action {
            Action::CreateEndpoint { service, groups, .. }
            | Action::ModifyEndpoint { service, add_groups: groups, .. } => {
                let is_of_service = |confirmed: &Action| {
                    matches!(confirmed, Action::CreateEndpoint { service: known, .. }
                        | Action::ModifyEndpoint { service: known, .. } if known == service)
                };
                let known = self.confirmed_groups();
                confirmed.any(is_of_service) && groups.iter().all(|group| known.contains(self.name(group)))
            }
            Action::CreateSecurityGroup { name, .. } => self.confirmed_groups().contains(name.as_str()),
            action => confirmed.any(|confirmed| self.is_part(action, confirmed)),
        }
    }

    fn confirmed_groups(&self) -> BTreeSet<&str> {
        let groups = self.plan.actions.iter().flat_map(|action| match action {
            Action::CreateSecurityGroup { name, .. } => vec![name.as_str()],
            Action::AuthorizeIngress { group, .. } => vec![self.name(group)],
            Action::CreateEndpoint { groups, .. } | Action::ModifyEndpoint { add_groups: groups, .. } => {
                groups.iter().map(|group| self.name(group)).collect()
            }
            _ => Vec::new(),
        });
        groups.collect()
    }

    fn name<'g>(&self, group: &'g GroupRef) -> &'g str {
        match group {
            GroupRef::Name(name) => name,
            GroupRef::Id(id) => self.our_groups.get(id).copied().unwrap_or(id),
        }
    }

    /// Whether `whole` includes `action`, also if a part of `whole` is done by now.
    fn is_part(&self, action: &Action, whole: &Action) -> bool {
        let all = |some: &[String], whole: &[String]| some.iter().all(|one| whole.contains(one));
        match (action, whole) {
            (
                Action::CreateEndpoint { service_name: one, .. },
                Action::CreateEndpoint { service_name: other, .. },
            )
            | (
                Action::CreateSecurityGroup { name: one, .. },
                Action::CreateSecurityGroup { name: other, .. },
            ) => one == other,
            (
                Action::AuthorizeIngress { group, peers },
                Action::AuthorizeIngress { group: other, peers: whole },
            ) => {
                let is_among = |peer: &Peer| whole.contains(peer);
                self.name(group) == self.name(other) && peers.iter().all(is_among)
            }
            (Action::ModifyEndpoint { id, .. }, Action::ModifyEndpoint { id: other, .. }) if id == other => {
                self.named(action) == self.named(whole)
            }
            (Action::TagSubnets { subnets, tags }, Action::TagSubnets { subnets: whole, tags: other })
            | (
                Action::UntagSubnets { subnets, tags },
                Action::UntagSubnets { subnets: whole, tags: other },
            ) => tags == other && all(subnets, whole),
            (action, whole) => action == whole,
        }
    }

    /// The action with names of our groups.
    fn named(&self, action: &Action) -> Action {
        let mut action = action.clone();
        if let Action::ModifyEndpoint { add_groups, .. } = &mut action {
            for group in add_groups {
                *group = GroupRef::Name(self.name(group).to_owned());
            }
        }
        action
    }
}

/// States that end by themselves.
pub(super) fn is_pending(state: Option<&str>) -> bool {
    state.is_some_and(|state| {
        ["pending", "deleting"].iter().any(|pending| state.eq_ignore_ascii_case(pending))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoints::apply::tests::{admit, create};

    fn tag(subnets: &[&str]) -> Action {
        let subnets = subnets.iter().map(|subnet| (*subnet).to_owned()).collect();
        Action::TagSubnets { subnets, tags: [].into() }
    }

    fn step(action: Action, outcome: Outcome) -> Step {
        Step { action, outcome }
    }

    fn name() -> GroupRef {
        GroupRef::Name(group_names(Provider::CastAi).name.to_owned())
    }

    fn id() -> GroupRef {
        GroupRef::Id("sg-ours".to_owned())
    }

    fn modify(service: &str, group: GroupRef) -> Action {
        Action::ModifyEndpoint {
            service: service.to_owned(),
            id: format!("vpce-{service}"),
            add_subnets: Vec::new(),
            add_groups: vec![group],
            add_route_tables: Vec::new(),
            enable_private_dns: false,
        }
    }

    fn create_group(name: &str) -> Action {
        Action::CreateSecurityGroup { name: name.to_owned(), description: String::new(), tags: [].into() }
    }

    fn delete(id: &str) -> Action {
        Action::DeleteEndpoint { service: "kvisor".to_owned(), id: id.to_owned() }
    }

    /// After a round in which our group was created.
    fn report(confirmed: Vec<Action>) -> EndpointReport {
        let mut plan = EndpointPlan::new("us-east-1".to_owned(), "vpc-1".to_owned());
        plan.actions = confirmed;
        let mut report = EndpointReport::new(plan);
        report.our_groups.insert("sg-ours".to_owned(), group_names(Provider::CastAi).name);
        report
    }

    #[test]
    fn only_what_is_outdated_is_tried_again_and_what_waited_for_it() {
        let message = String::new;
        let all = ["done", "failed", "skipped", "outdated", "new"];
        let mut report = report(Vec::new());
        let not_retried = |report: &EndpointReport| -> Vec<&str> {
            all.into_iter().filter(|subnet| report.is_not_retried(&tag(&[subnet]))).collect()
        };
        report.steps = vec![
            step(tag(&["done"]), Outcome::Done { id: None }),
            step(tag(&["failed"]), Outcome::Failed { message: message() }),
            step(tag(&["skipped"]), Outcome::Skipped { message: message() }),
        ];
        assert_eq!(not_retried(&report), ["done", "failed", "skipped"]);
        report.steps.push(step(tag(&["outdated"]), Outcome::Outdated { message: message() }));
        assert_eq!(not_retried(&report), ["done", "failed"]);
        // The last attempt counts.
        report.steps.push(step(tag(&["outdated"]), Outcome::Done { id: None }));
        assert_eq!(not_retried(&report), ["done", "failed", "outdated"]);
    }

    #[test]
    fn what_failed_is_known_by_the_identifier_of_a_new_group_too() {
        let mut report = report(Vec::new());
        let failed = || Outcome::Failed { message: "no".to_owned() };
        report.steps = vec![
            step(admit(name(), &["sg-a", "sg-b"]), failed()),
            step(create("kvisor", name()), failed()),
            step(modify("files", name()), failed()),
        ];
        for same in [admit(id(), &["sg-b"]), create("kvisor", id()), modify("files", id())] {
            assert_eq!(report.last(&same), Some(&failed()), "{same:?}");
        }
        let others = [
            admit(GroupRef::Id("sg-theirs".to_owned()), &["sg-a"]),
            admit(id(), &["sg-a", "sg-new"]),
            create("files", id()),
            modify("kvisor", id()),
        ];
        for other in others {
            assert_eq!(report.last(&other), None, "{other:?}");
        }
    }

    #[test]
    fn later_rounds_keep_to_the_services_groups_and_subnets_that_were_confirmed() {
        let ours = group_names(Provider::CastAi).name;
        let report = report(vec![
            create_group(ours),
            admit(name(), &["sg-a", "sg-b"]),
            create("kvisor", name()),
            modify("files", name()),
            tag(&["subnet-a", "subnet-b"]),
            delete("vpce-1"),
        ]);
        let confirmed = [
            create_group(ours),
            admit(id(), &["sg-a"]),
            create("kvisor", id()),
            // Another run has created the endpoint, or deleted it.
            modify("kvisor", id()),
            create("files", id()),
            tag(&["subnet-b"]),
            delete("vpce-1"),
        ];
        for action in confirmed {
            assert!(report.is_confirmed(&action), "{action:?}");
        }
        let unconfirmed = [
            create_group("castai-privatelink-aws-endpoints"),
            admit(id(), &["sg-a", "sg-new"]),
            create("rest-api", id()),
            create("kvisor", GroupRef::Id("sg-theirs".to_owned())),
            tag(&["subnet-b", "subnet-new"]),
            delete("vpce-new"),
            Action::DeleteSecurityGroup { id: "sg-ours".to_owned(), name: ours.to_owned() },
        ];
        for action in unconfirmed {
            assert!(!report.is_confirmed(&action), "{action:?}");
        }
    }

    #[test]
    fn what_was_made_is_not_left_if_the_vpc_cannot_be_read_again() {
        let mut report = report(vec![tag(&["subnet-a"]), delete("vpce-1")]);
        report.steps = vec![step(tag(&["subnet-a"]), Outcome::Done { id: None })];
        report.unread = Some("no response".to_owned());
        assert_eq!(report.left(), [&delete("vpce-1")]);
    }
}
