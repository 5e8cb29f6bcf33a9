//! A VPC that has everything that a cluster needs, as `endpoints create` leaves it.

use lab::address::{REGION, VPC_ID};
use lab::aws::{CLUSTER_GROUP, ROUTE_TABLE, SUBNETS, cast_ai_services};
use lab::host::Lab;
use serde_json::{Map, Value, json};

/// AWS' services that nodes need, besides the gateway of S3.
const AWS_SERVICES: [&str; 4] = ["ecr.api", "ecr.dkr", "sts", "ec2"];

/// Endpoints of all services in both subnets, tags, a rule for their clients, and names that follow the endpoints.
pub(crate) fn complete_vpc(lab: &Lab) {
    let [first, second] = SUBNETS.map(|(id, ..)| id);
    let of_aws = AWS_SERVICES.map(|name| format!("com.amazonaws.{REGION}.{name}"));
    for service in cast_ai_services().into_iter().map(|(name, _)| name).chain(of_aws) {
        ec2(
            lab,
            "CreateVpcEndpoint",
            &json!({"VpcId": VPC_ID, "VpcEndpointType": "Interface", "ServiceName": service, "SubnetId.1": first,
                "SubnetId.2": second, "SecurityGroupId.1": CLUSTER_GROUP, "PrivateDnsEnabled": "true"}),
        );
    }
    ec2(
        lab,
        "CreateVpcEndpoint",
        &json!({"VpcId": VPC_ID, "VpcEndpointType": "Gateway", "ServiceName": format!("com.amazonaws.{REGION}.s3"),
            "RouteTableId.1": ROUTE_TABLE}),
    );
    ec2(
        lab,
        "AuthorizeSecurityGroupIngress",
        &json!({"GroupId": CLUSTER_GROUP, "IpPermissions.1.IpProtocol": "tcp", "IpPermissions.1.FromPort": "443",
            "IpPermissions.1.ToPort": "443", "IpPermissions.1.Groups.1.GroupId": CLUSTER_GROUP}),
    );
    ec2(
        lab,
        "CreateTags",
        &json!({"ResourceId.1": first, "ResourceId.2": second, "Tag.1.Key": "cast.ai/routable", "Tag.1.Value": "true"}),
    );
    // The first list shows them as pending.
    ec2(lab, "DescribeVpcEndpoints", &json!({}));
    lab.control().put("/aws/dns-follows", &true).expect("names follow the endpoints");
}

/// Sends a request to EC2, which is not recorded.
pub(crate) fn ec2(lab: &Lab, action: &str, parameters: &Value) {
    let mut form = Map::from_iter([("Action".to_owned(), json!(action))]);
    form.extend(parameters.as_object().expect("parameters").clone());
    lab.control().post("/aws/ec2", &form).unwrap_or_else(|error| panic!("{action}: {error:#}"));
}
