//! What the front server answers for EC2 itself: VPC endpoints and their services, dry runs, and refusals that depend on
//! endpoints.

use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;

use super::endpoints::{self, Surroundings, done};
use super::error::{self, Refusal, Service};
use super::form::Form;
use super::moto::Moto;
use super::{Shared, vpc};

/// A decision about a request.
pub(super) enum Answer {
    Response(Response),
    /// moto has to carry it out.
    Moto,
    /// moto has to carry out this part of it; if it succeeds, the rest is for these VPC endpoints.
    Both(Form, Vec<String>),
}

pub(super) async fn answer(shared: &Shared, action: &str, form: Form) -> anyhow::Result<Answer> {
    // moto honours it for some actions only. Rules have already applied, as permissions do.
    if form.flag("DryRun") == Some(true) {
        let message = "Request would have succeeded, but DryRun flag is set.";
        return Ok(Answer::Response(error::document(Service::Ec2, 412, "DryRunOperation", message)));
    }
    let result = match action {
        "DescribeVpcEndpointServices" => vpc::endpoint_services(&form, &shared.state().endpoints),
        "DescribeVpcEndpoints" => shared.change(|front| front.endpoints.describe(&form)),
        "CreateVpcEndpoint" => {
            let mut around = surroundings(&shared.moto, form.text("VpcId"), &form, "").await?;
            let created = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string();
            shared.change(|front| {
                around.hosted_zones = front.zones.iter().map(|zone| zone.name.clone()).collect();
                front.endpoints.create(&form, &around, created)
            })
        }
        "ModifyVpcEndpoint" => {
            let vpc = shared.state().endpoints.vpc_of(form.text("VpcEndpointId"));
            match vpc {
                Err(refusal) => Err(refusal),
                Ok(vpc) => {
                    let mut around = surroundings(&shared.moto, &vpc, &form, "Add").await?;
                    shared.change(|front| {
                        around.hosted_zones = front.zones.iter().map(|zone| zone.name.clone()).collect();
                        front.endpoints.modify(&form, &around)
                    })
                }
            }
        }
        "DeleteVpcEndpoints" => Ok(shared.change(|front| front.endpoints.delete(&form))),
        "CreateTags" | "DeleteTags" => match endpoints::resources(&form) {
            (ours, _) if ours.is_empty() => return Ok(Answer::Moto),
            (ours, others) => {
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
        },
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

/// Sets or deletes the tags of VPC endpoints.
pub(super) fn set_tags(shared: &Shared, action: &str, form: &Form, ids: &[String]) {
    shared.change(|front| match action {
        "CreateTags" => front.endpoints.create_tags(ids, form),
        _ => front.endpoints.delete_tags(ids, form),
    });
}

/// What moto knows of a VPC and of the objects that a request names with the prefix `prefix`.
async fn surroundings(moto: &Moto, vpc: &str, form: &Form, prefix: &str) -> anyhow::Result<Surroundings> {
    let objects = Objects { moto, vpc };
    let vpc_exists = objects.read("DescribeVpcs", "vpc-id", vpc, "vpcId").await?.is_some();
    let mut around = Surroundings { vpc_exists, dns_enabled: vpc_exists, ..Surroundings::default() };
    if !vpc_exists {
        return Ok(around);
    }
    for attribute in ["enableDnsSupport", "enableDnsHostnames"] {
        let form = Form::of(&[("Action", "DescribeVpcAttribute"), ("VpcId", vpc), ("Attribute", attribute)]);
        let answer = moto.describe(&form.encoded()).await?;
        around.dns_enabled &= element(&answer, "value") == Some("true");
    }
    for subnet in form.list(&format!("{prefix}SubnetId")) {
        let zone = objects.read("DescribeSubnets", "subnet-id", &subnet, "availabilityZone").await?;
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

/// The objects of a VPC in moto.
struct Objects<'s> {
    moto: &'s Moto,
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
        let form = Form::of(&[
            ("Action", action),
            ("Filter.1.Name", "vpc-id"),
            ("Filter.1.Value.1", self.vpc),
            ("Filter.2.Name", filter),
            ("Filter.2.Value.1", value),
        ]);
        Ok(element(&self.moto.describe(&form.encoded()).await?, name).map(str::to_owned))
    }
}

/// The text of the first element with this name.
fn element<'t>(document: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    rest.split('<').next()
}
