//! VPC endpoints of the lab, through its control API: with moto, and with the names that follow them.

use std::collections::BTreeMap;

use lab::address;
use lab::aws::{CLUSTER_GROUP, FILES_HOST, SUBNETS, cast_ai_services};
use lab::host::Lab;
use lab::settings::{Fixture, Settings};
use serde_json::{Value, json};

/// EC2's response to a request.
fn ec2(lab: &Lab, request: &Value) -> Result<String, String> {
    let response = lab.control().post("/aws/ec2", request).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(response).unwrap())
}

fn create(lab: &Lab, service: &str, more: &[(&str, &str)]) -> Result<String, String> {
    let mut request: BTreeMap<_, _> = [
        ("Action", "CreateVpcEndpoint"),
        ("VpcId", address::VPC_ID),
        ("VpcEndpointType", "Interface"),
        ("ServiceName", service),
        ("SubnetId.1", SUBNETS[0].0),
        ("SecurityGroupId.1", CLUSTER_GROUP),
    ]
    .into();
    request.extend(more.iter().copied());
    ec2(lab, &json!(request))
}

#[track_caller]
fn assert_refused(result: &Result<String, String>, part: &str) {
    let error = result.as_ref().unwrap_err();
    assert!(error.contains(part), "{error}");
}

/// The address of a host for programs in the lab.
fn resolved(lab: &Lab, host: &str) -> Option<String> {
    let output = lab.run("getent", &["ahostsv4", host]).unwrap();
    output.stdout.split_whitespace().next().map(str::to_owned)
}

#[test]
fn endpoints_are_checked_against_the_vpc_and_their_names_resolve() {
    let lab = Lab::start(&Settings { fixture: Fixture::Empty, ..Settings::default() }).unwrap();
    let services = cast_ai_services();
    let (rest, grpc, files) = (&services[0].0, &services[1].0, &services[3].0);
    let control = lab.control();
    control.put("/aws/dns-follows", &true).unwrap();
    let public = Some(address::CASTAI_PUBLIC.to_string());
    assert_eq!(resolved(&lab, "api.cast.ai"), public);
    assert_eq!(resolved(&lab, FILES_HOST), None);

    // What moto knows of the VPC decides.
    assert_refused(&create(&lab, rest, &[("SubnetId.2", "subnet-0123")]), "InvalidSubnetId.NotFound");
    assert_refused(&create(&lab, rest, &[("SecurityGroupId.2", "sg-0123")]), "InvalidGroup.NotFound");
    assert_refused(&create(&lab, rest, &[("VpcId", "vpc-0123")]), "InvalidVpcId.NotFound");
    let attribute = |value: &str| {
        let action = "ModifyVpcAttribute";
        let request = json!({"Action": action, "VpcId": address::VPC_ID, "EnableDnsHostnames.Value": value});
        ec2(&lab, &request).unwrap()
    };
    attribute("false");
    assert_refused(&create(&lab, rest, &[]), "requires both enableDnsSupport and enableDnsHostnames");
    attribute("true");
    create(&lab, rest, &[("ClientToken", "t")]).unwrap();
    create(&lab, rest, &[("ClientToken", "t")]).unwrap();
    assert_refused(&create(&lab, rest, &[]), "conflicting DNS domain for api.cast.ai");
    create(&lab, files, &[]).unwrap();
    let default_group = create(&lab, grpc, &[("PrivateDnsEnabled", "false")]).unwrap();
    assert!(default_group.contains(CLUSTER_GROUP), "{default_group}");

    // They are available after they have been described as pending.
    assert_eq!(resolved(&lab, "api.cast.ai"), public);
    let described = ec2(&lab, &json!({"Action": "DescribeVpcEndpoints"})).unwrap();
    assert_eq!(described.matches("<state>pending</state>").count(), 3, "{described}");
    assert_eq!(resolved(&lab, "api.cast.ai").as_deref(), Some("10.0.1.100"));
    assert_eq!(resolved(&lab, FILES_HOST).as_deref(), Some("10.0.1.110"));
    assert_eq!(resolved(&lab, "grpc.cast.ai"), public);

    // One request tags an endpoint and a subnet, which moto has.
    let id = "vpce-00000000000000001";
    let tags = json!({
        "Action": "CreateTags", "ResourceId.1": id, "ResourceId.2": SUBNETS[0].0, "Tag.1.Key": "k", "Tag.1.Value": "v"
    });
    ec2(&lab, &tags).unwrap();
    let subnets = ec2(&lab, &json!({"Action": "DescribeSubnets", "SubnetId.1": SUBNETS[0].0})).unwrap();
    assert!(subnets.contains("<key>k</key>"), "{subnets}");
    let listed: Value = control.get("/aws/endpoints").unwrap();
    assert_eq!((&listed[0]["id"], &listed[0]["tags"]), (&json!(id), &json!({"k": "v"})));
    assert_eq!(listed[2]["private_dns"], false);

    control.put(&format!("/aws/endpoints/{id}"), &json!({"private_dns": false})).unwrap();
    assert_eq!(resolved(&lab, "api.cast.ai"), public);
    control.put("/aws/endpoint-states", &json!({"files": "rejected"})).unwrap();
    assert_eq!(resolved(&lab, FILES_HOST), None);
    assert!(control.put("/aws/endpoint-states", &json!({"file": "failed"})).is_err());

    let group = json!({"Action": "DeleteSecurityGroup", "GroupId": CLUSTER_GROUP});
    assert_refused(&ec2(&lab, &group), "DependencyViolation");
    // The lab's own requests are not recorded.
    assert_eq!(control.get::<Value>("/aws/requests").unwrap(), json!([]));
    // A topology ends with a reset.
    let describe = || {
        let service = json!({"Action": "DescribeVpcEndpointServices", "ServiceName.1": rest});
        let zones = ec2(&lab, &service).unwrap().contains("us-east-1f");
        let lists = ["DescribeSubnets", "DescribeRouteTables"].map(|action| {
            let request =
                json!({"Action": action, "Filter.1.Name": "vpc-id", "Filter.1.Value.1": address::VPC_ID});
            let list = ec2(&lab, &request).unwrap();
            (list.matches("<vpcId>").count(), list.contains("<outpostArn>"))
        });
        (zones, lists)
    };
    control.post("/aws/reset", &json!({})).unwrap();
    assert_eq!(describe(), (false, [(2, false), (1, false)]));
    control.put("/aws/services", &json!({"*": {"zones": ["us-east-1f"]}})).unwrap();
    control.put("/aws/texts", &json!({SUBNETS[0].0: {"outpostArn": "arn"}})).unwrap();
    control.put("/aws/crowd", &json!({"subnets": 20, "endpoints": 3})).unwrap();
    assert_eq!(describe(), (true, [(22, true), (3, false)]));
    assert_eq!(control.get::<Vec<Value>>("/aws/endpoints").unwrap().len(), 3);
    control.post("/aws/reset", &json!({})).unwrap();
    assert_eq!(describe(), (false, [(2, false), (1, false)]));
    assert_eq!(control.get::<Value>("/aws/endpoints").unwrap(), json!([]));
    assert_eq!(resolved(&lab, "api.cast.ai").as_deref(), Some("10.0.1.100"));
}
