//! What the front server answers for EC2 itself: VPC endpoints and their services, dry runs, and refusals that depend on
//! endpoints.

use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;

use super::endpoints::{Surroundings, done};
use super::error::{self, Refusal, Service};
use super::form::Form;
use super::lists::{self, text_of};
use super::{Front, Shared, default_identity, instances};

/// A decision about a request.
pub(super) enum Answer {
    Response(Response),
    /// moto has to carry it out.
    Moto,
    /// moto has to carry out this part of it; if it succeeds, the rest is for these objects.
    Both(Form, Vec<String>),
}

pub(super) async fn answer(shared: &Shared, action: &str, form: Form) -> anyhow::Result<Answer> {
    // moto honours it for some actions only. Rules have already applied, as permissions do.
    if form.flag("DryRun") == Some(true) {
        let message = "Request would have succeeded, but DryRun flag is set.";
        return Ok(Answer::Response(error::document(Service::Ec2, 412, "DryRunOperation", message)));
    }
    let result = match action {
        "DescribeVpcEndpointServices" => {
            let front = shared.state();
            front.services.describe(&form, &front.endpoints)
        }
        "DescribeInstances" => Ok(instances::describe(shared.state().instances.as_deref(), &form)),
        "DescribeVpcEndpoints" => {
            let caller = caller(shared);
            shared.change(|front| front.endpoints.describe(&form, &caller))
        }
        "DescribeNetworkInterfaces"
            if form.list("NetworkInterfaceId").iter().all(|id| id.starts_with("eni-0")) =>
        {
            shared.state().endpoints.describe_interfaces(&form.list("NetworkInterfaceId"))
        }
        "CreateVpcEndpoint" => {
            let mut around = surroundings(shared, form.text("VpcId"), &form, "").await?;
            let created = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string();
            shared.change(|front| {
                around.add(front);
                front.endpoints.create(&form, &around, created)
            })
        }
        "ModifyVpcEndpoint" => {
            let vpc = shared.state().endpoints.vpc_of(form.text("VpcEndpointId"));
            match vpc {
                Err(refusal) => Err(refusal),
                Ok(vpc) => {
                    let mut around = surroundings(shared, &vpc, &form, "Add").await?;
                    shared.change(|front| {
                        around.add(front);
                        front.endpoints.modify(&form, &around)
                    })
                }
            }
        }
        "DeleteVpcEndpoints" => Ok(shared.change(|front| front.endpoints.delete(&form))),
        "CreateTags" | "DeleteTags" => {
            let (ours, others) = resources(&shared.state(), &form);
            if ours.is_empty() {
                return Ok(Answer::Moto);
            }
            let exist = shared.state().endpoints.check_exist(&ours);
            match exist {
                Err(refusal) => Err(refusal),
                Ok(()) if others.is_empty() => {
                    set_tags(shared, action, &form, &ours);
                    Ok(done(action))
                }
                Ok(()) => return Ok(Answer::Both(form.with_list("ResourceId", &others), ours)),
            }
        }
        "DeleteSecurityGroup" if shared.state().endpoints.uses_group(form.text("GroupId")) => {
            let message = format!("resource {} has a dependent object", form.text("GroupId"));
            Err(Refusal::new("DependencyViolation", message))
        }
        _ => return Ok(Answer::Moto),
    };
    Ok(Answer::Response(match result {
        Ok(body) => ([(header::CONTENT_TYPE, "text/xml;charset=UTF-8")], body).into_response(),
        Err(refusal) => refusal.response(),
    }))
}

/// The resources of a request: those that the front server keeps, and those of moto.
fn resources(front: &Front, form: &Form) -> (Vec<String>, Vec<String>) {
    let is_ours = |id: &String| id.starts_with("vpce-") || front.crowd.has(id);
    form.list("ResourceId").into_iter().partition(is_ours)
}

/// Sets or deletes the tags of what the front server keeps.
pub(super) fn set_tags(shared: &Shared, action: &str, form: &Form, ids: &[String]) {
    shared.change(|front| {
        front.endpoints.change_tags(action, ids, form);
        front.crowd.change_tags(action, ids, form);
    });
}

impl Surroundings {
    /// What a test has set.
    fn add(&mut self, front: &Front) {
        self.hosted_zones = front.zones.iter().map(|zone| zone.name.clone()).collect();
        self.services = front.services.clone();
    }
}

/// The account of the caller.
fn caller(shared: &Shared) -> String {
    shared.state().identity.clone().unwrap_or_else(default_identity).account
}

/// What is known of a VPC and of the objects that a request names with the prefix `prefix`.
async fn surroundings(shared: &Shared, vpc: &str, form: &Form, prefix: &str) -> anyhow::Result<Surroundings> {
    let objects = Objects { shared, vpc };
    let owner = objects.read("DescribeVpcs", "vpc-id", vpc, "ownerId").await?;
    let caller = caller(shared);
    let mut around = Surroundings {
        vpc_exists: owner.is_some(),
        is_shared: owner.as_ref().is_some_and(|owner| *owner != caller),
        dns_enabled: owner.is_some(),
        caller,
        ..Surroundings::default()
    };
    if owner.is_none() {
        return Ok(around);
    }
    for attribute in ["enableDnsSupport", "enableDnsHostnames"] {
        let form = Form::of(&[("Action", "DescribeVpcAttribute"), ("VpcId", vpc), ("Attribute", attribute)]);
        let answer = shared.moto.describe(&form.encoded()).await?;
        around.dns_enabled &= text_of(&answer, "value") == Some("true");
    }
    for subnet in form.list(&format!("{prefix}SubnetId")) {
        let described = objects.describe("DescribeSubnets", "subnet-id", &subnet).await?;
        if text_of(&described, "cidrBlock").is_none() {
            around.without_ipv4.insert(subnet.clone());
        }
        if text_of(&described, "ipv6CidrBlock").is_some() {
            around.with_ipv6.insert(subnet.clone());
        }
        let zone = text_of(&described, "availabilityZone").map(str::to_owned);
        around.zones.extend(zone.map(|zone| (subnet, zone)));
    }
    let groups = form.list(&format!("{prefix}SecurityGroupId"));
    if groups.is_empty() && prefix.is_empty() {
        let group = objects.read("DescribeSecurityGroups", "group-name", "default", "groupId").await?;
        around.default_group = group.unwrap_or_default();
        around.groups.insert(around.default_group.clone());
    }
    for group in groups {
        let found = objects.read("DescribeSecurityGroups", "group-id", &group, "vpcId").await?;
        around.groups.extend(found.map(|_| group));
    }
    for table in form.list(&format!("{prefix}RouteTableId")) {
        let found = objects.read("DescribeRouteTables", "route-table-id", &table, "vpcId").await?;
        around.route_tables.extend(found.map(|_| table));
    }
    Ok(around)
}

/// The objects of a VPC.
struct Objects<'s> {
    shared: &'s Shared,
    vpc: &'s str,
}

impl Objects<'_> {
    /// The text of an element of the object that a filter finds, if there is one.
    async fn read(
        &self,
        action: &str,
        filter: &str,
        value: &str,
        name: &str,
    ) -> anyhow::Result<Option<String>> {
        Ok(text_of(&self.describe(action, filter, value).await?, name).map(str::to_owned))
    }

    /// EC2's response about the object that a filter finds.
    async fn describe(&self, action: &str, filter: &str, value: &str) -> anyhow::Result<String> {
        let form = Form::of(&[
            ("Action", action),
            ("Filter.1.Name", "vpc-id"),
            ("Filter.1.Value.1", self.vpc),
            ("Filter.2.Name", filter),
            ("Filter.2.Value.1", value),
        ]);
        let document = self.shared.moto.describe(&form.encoded()).await?;
        Ok(lists::completed(&self.shared.state(), &form, &document))
    }
}
