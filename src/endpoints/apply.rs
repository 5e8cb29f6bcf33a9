//! Carries out the actions of a plan, one after the other. Each may be repeated: what another run did meanwhile is no
//! failure.

mod ingress;
mod requests;
#[cfg(test)]
pub(super) mod tests;

use std::collections::BTreeSet;

use serde::Serialize;

use self::requests::{Created, Request, requests};
use crate::aws::ec2::{Ec2, filter, indexed};
use crate::aws::error::Error;
use crate::aws::xml::Element;
use crate::endpoints::gather::parse;
use crate::endpoints::plan::{Action, GROUP_FOR, GroupRef};
use crate::printable::one_line;

/// Maximum length of EC2's words, in characters.
const LIMIT: usize = 300;

/// What became of an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Step {
    pub action: Action,
    #[serde(flatten)]
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", tag = "result")]
pub enum Outcome {
    Done {
        /// Of what was created.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
    /// A dry run: EC2 would carry it out.
    Allowed,
    /// The VPC is not as it was when the plan was made.
    Outdated {
        message: String,
    },
    Failed {
        message: String,
    },
    Skipped {
        message: String,
    },
}

impl Outcome {
    pub const fn is_done(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Allowed)
    }
}

/// Whether requests change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Change,
    /// EC2 only checks permissions and parameters.
    DryRun,
}

/// EC2's codes for what exists already, or is used by something that the plan did not know.
const OUTDATED: [&str; 5] = [
    "DependencyViolation",
    "DuplicateSubnetsInSameZone",
    "InvalidGroup.NotFound",
    "InvalidVpcEndpointId.NotFound",
    "RouteAlreadyExists",
];

/// Carries out `actions` in `vpc`, and passes each step to `observe`. `incomplete` are security groups that lack a rule which
/// is not among `actions`. After an error that concerns the caller or the connection, the rest is skipped.
pub async fn apply(
    ec2: &Ec2,
    vpc: &str,
    actions: &[Action],
    incomplete: BTreeSet<GroupRef>,
    mode: Mode,
    observe: &dyn Fn(&Step),
) -> Vec<Step> {
    let mut pass = Pass { ec2, vpc, mode, created: Created::new(), incomplete };
    let mut steps = Vec::new();
    let mut is_stopped = false;
    for action in actions {
        let outcome = if is_stopped {
            Outcome::Skipped { message: "not tried after the error before".to_owned() }
        } else if let Some(message) = pass.obstacle(action).await {
            Outcome::Skipped { message }
        } else {
            match pass.carry_out(action).await {
                Ok(outcome) => outcome,
                Err(error) => {
                    is_stopped = error.stops_everything();
                    failure(&error, mode)
                }
            }
        };
        pass.note(action, &outcome);
        let step = Step { action: action.clone(), outcome };
        observe(&step);
        steps.push(step);
    }
    steps
}

/// One pass over a plan.
struct Pass<'p> {
    ec2: &'p Ec2,
    vpc: &'p str,
    mode: Mode,
    created: Created,
    /// Security groups that lack a rule. Private DNS would lead the VPC to an endpoint that does not admit all its clients.
    incomplete: BTreeSet<GroupRef>,
}

impl Pass<'_> {
    fn note(&mut self, action: &Action, outcome: &Outcome) {
        match (action, outcome) {
            (Action::CreateSecurityGroup { name, .. }, Outcome::Done { id: Some(id) }) => {
                self.created.insert(name.clone(), id.clone());
            }
            (Action::AuthorizeIngress { group, .. }, outcome)
                if self.mode == Mode::Change && !outcome.is_done() =>
            {
                self.incomplete.insert(group.clone());
            }
            _ => {}
        }
    }

    /// Why an endpoint has to wait for the rules of its security groups.
    async fn obstacle(&self, action: &Action) -> Option<String> {
        if self.incomplete.is_empty() {
            return None;
        }
        let (Action::CreateEndpoint { groups: named, .. } | Action::ModifyEndpoint { add_groups: named, .. }) =
            action
        else {
            return None;
        };
        let lacks_rules = |group: &String| format!("security group {group} lacks rules");
        let incomplete = named.iter().find(|group| self.incomplete.contains(*group));
        if let Some(GroupRef::Id(group) | GroupRef::Name(group)) = incomplete {
            return Some(lacks_rules(group));
        }
        let Action::ModifyEndpoint { id, enable_private_dns: true, .. } = action else { return None };
        let of_endpoint = indexed("VpcEndpointId", &[id]);
        match self.ec2.list("DescribeVpcEndpoints", "vpcEndpointSet", of_endpoint).await {
            Ok(found) => {
                let attached: Vec<_> = found.iter().flat_map(|one| parse::endpoint(one).groups).collect();
                attached.iter().find(|group| self.is_incomplete(group)).map(lacks_rules)
            }
            Err(error) => Some(format!("its security groups are not known: {error}")),
        }
    }

    fn is_incomplete(&self, id: &str) -> bool {
        self.incomplete.iter().any(|group| match group {
            GroupRef::Id(incomplete) => incomplete == id,
            GroupRef::Name(name) => self.created.get(name).is_some_and(|created| created == id),
        })
    }

    async fn carry_out(&self, action: &Action) -> Result<Outcome, Error> {
        if self.mode == Mode::DryRun {
            return self.check(action).await;
        }
        let token = format!("{:032x}", rand::random::<u128>());
        let requests = match requests(action, self.vpc, &self.created, &token) {
            Ok(requests) => requests,
            Err(group) => {
                return Ok(Outcome::Skipped { message: format!("security group {group} was not created") });
            }
        };
        if let Action::AuthorizeIngress { group, peers } = action {
            let is_new = matches!(group, GroupRef::Name(_));
            let id = requests.first().and_then(|request| request.on.as_deref()).unwrap_or_default();
            return ingress::admit(self.ec2, id, is_new, peers).await;
        }
        let mut id = None;
        for request in &requests {
            match send(self.ec2, request).await {
                Ok(answer) => {
                    if let Some(message) = refusal(&answer) {
                        return Ok(Outcome::Failed { message });
                    }
                    id = created_id(request, &answer)?;
                }
                Err(error) => match action {
                    Action::CreateSecurityGroup { name, .. }
                        if has_code(&error, "InvalidGroup.Duplicate") =>
                    {
                        return existing_group(self.ec2, self.vpc, name).await;
                    }
                    _ => return Err(error),
                },
            }
        }
        Ok(Outcome::Done { id })
    }

    /// Has EC2 check the requests of `action`.
    async fn check(&self, action: &Action) -> Result<Outcome, Error> {
        if matches!(action, Action::EnableVpcAttribute { .. }) {
            // `ModifyVpcAttribute` has no `DryRun` (EC2 API reference): EC2 might carry it out.
            return Ok(Outcome::Skipped { message: "EC2 has no dry run of it".to_owned() });
        }
        let checked = without_new_groups(action);
        let requests = checked.map(|action| requests(&action, self.vpc, &self.created, "dry-run"));
        let Some(Ok(requests)) = requests else {
            return Ok(Outcome::Skipped { message: "its security group does not exist yet".to_owned() });
        };
        for Request { action, on, parameters } in requests {
            let dry_run = [parameters, vec![("DryRun".to_owned(), "true".to_owned())]].concat();
            match send(self.ec2, &Request { action, on, parameters: dry_run }).await {
                Err(error) if has_code(&error, "DryRunOperation") => {}
                Err(error) => return Err(error),
                Ok(_) => {
                    let message = format!("EC2 carried out {action} in spite of DryRun");
                    return Ok(Outcome::Failed { message });
                }
            }
        }
        Ok(Outcome::Allowed)
    }
}

/// Sends a request, and once more if the response was lost.
async fn send(ec2: &Ec2, request: &Request) -> Result<Element, Error> {
    let call = || ec2.call(request.action, request.on.as_deref(), &request.parameters);
    match call().await {
        Err(Error::Unreachable { .. }) => call().await,
        result => result,
    }
}

/// Another run has created our group, or a group of another owner has its name.
async fn existing_group(ec2: &Ec2, vpc: &str, name: &str) -> Result<Outcome, Error> {
    let mut parameters = filter("vpc-id", &[vpc]);
    parameters.push(("Filter.2.Name".to_owned(), "group-name".to_owned()));
    parameters.push(("Filter.2.Value.1".to_owned(), name.to_owned()));
    let groups = ec2.list("DescribeSecurityGroups", "securityGroupInfo", parameters).await?;
    let Some(group) = groups.first() else {
        return Ok(Outcome::Outdated { message: format!("security group {name} exists") });
    };
    let id = group.string("groupId");
    if group.items("tagSet").any(|tag| tag.text("key") == Some(GROUP_FOR)) {
        return Ok(Outcome::Done { id: Some(id) });
    }
    let message =
        format!("{id} has the name {name} and lacks this plugin's tags: run again to see what to do");
    Ok(Outcome::Failed { message })
}

/// The action as far as it can be checked before its security groups exist.
fn without_new_groups(action: &Action) -> Option<Action> {
    let mut action = action.clone();
    let is_known = |group: &GroupRef| matches!(group, GroupRef::Id(_));
    match &mut action {
        Action::AuthorizeIngress { group, .. } => is_known(group).then_some(action),
        Action::CreateEndpoint { groups, .. } | Action::ModifyEndpoint { add_groups: groups, .. } => {
            groups.retain(is_known);
            Some(action)
        }
        _ => Some(action),
    }
}

/// The identifier of what a request created. Without one, the response is not EC2's.
fn created_id(request: &Request, answer: &Element) -> Result<Option<String>, Error> {
    let id = match request.action {
        "CreateVpcEndpoint" => {
            answer.child("vpcEndpoint").and_then(|endpoint| endpoint.text("vpcEndpointId"))
        }
        "CreateSecurityGroup" => answer.text("groupId"),
        _ => return Ok(None),
    };
    let missing = || Error::Unusable {
        call: format!("ec2:{}", request.action),
        reason: "it has no identifier of what was created".to_owned(),
    };
    Ok(Some(id.ok_or_else(missing)?.to_owned()))
}

/// EC2 confirms a deletion with 200, also of endpoints that it does not delete.
fn refusal(answer: &Element) -> Option<String> {
    let error = answer.items("unsuccessful").next()?.child("error")?;
    (error.text("code") != Some("InvalidVpcEndpointId.NotFound"))
        .then(|| one_line(&format!("{}: {}", error.string("code"), error.string("message")), LIMIT))
}

fn has_code(error: &Error, wanted: &str) -> bool {
    matches!(error, Error::Service { code, .. } if code == wanted)
}

/// A dry run is not repeated, so that an outdated plan is a failure there.
fn failure(error: &Error, mode: Mode) -> Outcome {
    let is_outdated = match error {
        Error::Service { code, message, .. } => {
            OUTDATED.contains(&code.as_str()) || message.contains("conflicting DNS domain")
        }
        _ => false,
    };
    let message = error.to_string();
    if is_outdated && mode == Mode::Change {
        Outcome::Outdated { message }
    } else {
        Outcome::Failed { message }
    }
}
