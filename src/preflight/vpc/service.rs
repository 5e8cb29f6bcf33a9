//! An endpoint service, with what exists of it in the VPC.

use super::{Usage, VpcView};
use crate::endpoints::decide::{existing, is_gone};
use crate::endpoints::facts::{Endpoint, Service};
use crate::endpoints::lack::{Lack, lacks};
use crate::endpoints::plan::{EndpointChange, PlannedEndpoint, Problem};
use crate::endpoints::settings::{Provider, RequestedService};
use crate::preflight::fixes;
use crate::preflight::judgement::{Fix, Judgement};
use crate::preflight::subject::{Subject, SubjectKind};

#[derive(Clone, Copy)]
pub struct ServiceView<'f> {
    pub vpc: &'f VpcView,
    pub service: &'f RequestedService,
    /// What EC2 says of the service, if it describes it to this account.
    pub detail: Option<&'f Service>,
    pub planned: Option<&'f PlannedEndpoint>,
    /// The endpoint that counts.
    pub endpoint: Option<&'f Endpoint>,
}

impl<'f> ServiceView<'f> {
    pub(super) fn new(vpc: &'f VpcView, service: &'f RequestedService) -> Self {
        Self {
            vpc,
            service,
            detail: vpc.facts.services.iter().find(|detail| detail.name == service.service_name),
            planned: vpc.plan.endpoints.iter().find(|planned| planned.name == service.name),
            endpoint: existing(&vpc.facts, service),
        }
    }

    pub fn subject(&self) -> Subject {
        let Usage { mut needed_by, usually_needed_by, .. } = self.usage();
        if needed_by.is_empty() && usually_needed_by.is_empty() && !self.service.needed_by.is_empty() {
            needed_by.insert(self.service.needed_by.clone());
        }
        Subject { needed_by, usually_needed_by, ..Subject::new(SubjectKind::Service, &self.service.name) }
    }

    pub fn usage(&self) -> Usage {
        let usage = self.vpc.usage(&self.service.name);
        // Nodes need AWS' services, whatever components are configured with.
        Usage { is_optional: usage.is_optional && self.service.provider == Provider::CastAi, ..usage }
    }

    /// Whether the VPC resolves its names in another way, for example through a hub.
    pub fn is_elsewhere(&self) -> bool {
        self.planned.is_some_and(|planned| planned.change == EndpointChange::Elsewhere)
    }

    pub fn lacks(&self) -> Vec<Lack> {
        let of = |endpoint| lacks(&self.vpc.facts, &self.vpc.plan, self.service, endpoint);
        self.endpoint.map(of).unwrap_or_default()
    }

    /// What `endpoints create` cannot do about it.
    pub fn problems(&self) -> impl Iterator<Item = &'f Problem> {
        let name = &self.service.name;
        self.vpc.plan.problems.iter().filter(move |problem| problem.subject == *name)
    }

    /// What keeps `endpoints create` from changing anything in this VPC.
    pub fn general_problem(&self) -> Option<&'f Problem> {
        let is_of_service = |problem: &Problem| {
            self.vpc.settings.services.iter().any(|service| service.name == problem.subject)
        };
        self.vpc.plan.problems.iter().find(|problem| !is_of_service(problem))
    }

    /// That it is not known what the endpoint lacks, because something keeps it from being changed at all.
    pub fn not_judged(&self) -> Option<Judgement> {
        let planned = self.planned?;
        let problem = self.problems().next().or_else(|| self.general_problem());
        let why = match (planned.change, problem) {
            (EndpointChange::Blocked, Some(problem)) => problem.message.clone(),
            (EndpointChange::Blocked, None) => planned.reasons.join("; "),
            _ => return None,
        };
        Some(Judgement::unknown(why).fixes(self.fixes()))
    }

    /// Other endpoints of the same service and kind.
    pub fn duplicates(&self) -> impl Iterator<Item = &'f Endpoint> {
        let counted = self.endpoint.map(|endpoint| (endpoint.id.as_str(), endpoint.is_gateway));
        let name = &self.service.service_name;
        self.vpc.facts.endpoints.iter().filter(move |endpoint| {
            endpoint.service_name == *name
                && !is_gone(endpoint)
                && counted
                    .is_some_and(|(id, is_gateway)| endpoint.id != id && endpoint.is_gateway == is_gateway)
        })
    }

    /// `endpoints create`, or what to do where it cannot help.
    pub fn fixes(&self) -> Vec<Fix> {
        if self.vpc.facts.nodes_unread.is_some() {
            return vec![fixes::grant()];
        }
        let is_blocked = self.planned.is_none_or(|planned| planned.change == EndpointChange::Blocked);
        let problems: Vec<_> = self.problems().map(|problem| Fix::text(problem.hint.clone())).collect();
        if !problems.is_empty() {
            return problems;
        }
        match self.general_problem() {
            Some(problem) if is_blocked => vec![Fix::text(problem.hint.clone())],
            _ => vec![fixes::create_endpoint(self.service.provider)],
        }
    }
}
