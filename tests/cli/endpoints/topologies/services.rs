//! Endpoints of others, services of Cast AI that are not as usual, endpoints of AWS, and attributes of the VPC.

use super::*;

/// What Cast AI's Terraform code leaves: all services in one zone, a security group that is open to all, no tags; and the
/// example of Cast AI's provider: private DNS of the first endpoint is off.
#[test]
fn endpoints_of_the_reference_terraform_get_what_they_lack() {
    let lab = own_lab();
    reset(&lab);
    let group = new_group(&lab, "SG used by NGINX proxy VMs");
    ec2(
        &lab,
        &json!({"Action": "AuthorizeSecurityGroupIngress", "GroupId": group, "IpPermissions.1.IpProtocol": "tcp",
            "IpPermissions.1.FromPort": "443", "IpPermissions.1.ToPort": "443",
            "IpPermissions.1.IpRanges.1.CidrIp": "0.0.0.0/0", "IpPermissions.1.Ipv6Ranges.1.CidrIpv6": "::/0"}),
    );
    for (index, (service, _)) in cast_ai_services().into_iter().enumerate() {
        ec2(
            &lab,
            &json!({"Action": "CreateVpcEndpoint", "VpcId": VPC_ID, "VpcEndpointType": "Interface",
                "ServiceName": service, "SubnetId.1": FIRST, "SecurityGroupId.1": group,
                "PrivateDnsEnabled": (index > 0).to_string()}),
        );
    }
    let theirs = endpoints(&lab);
    let adopted = plan(&lab, 0, &[]);
    assert_eq!(changes(&adopted), [("modify", CAST_AI.to_vec())].into());
    assert_eq!(adopted["endpoints"][0]["reasons"], json!(["private DNS is off", "no address in us-east-1b"]));
    assert_eq!(adopted["endpoints"][1]["reasons"], json!(["no address in us-east-1b"]));
    assert_eq!(adopted["cost"]["endpointZones"], 6);
    let mut expected = vec!["ModifyVpcEndpoint"; 6];
    expected.push("CreateTags");
    assert_creates(&lab, 0, &[], &expected);
    assert_private(&lab, &ALL);
    let groups = |endpoints: Vec<Value>| -> Vec<(Value, Value)> {
        endpoints.iter().map(|endpoint| (endpoint["id"].clone(), endpoint["groups"].clone())).collect()
    };
    assert_eq!(groups(endpoints(&lab)), groups(theirs), "their group admits everyone");
    // They are not ours, and the subnets are.
    forget_requests(&lab);
    run(&lab, 0, &DELETE, &[]);
    assert_eq!(writes(&lab), ["DeleteTags"]);
}

#[test]
fn a_service_that_ec2_does_not_describe_is_tried() {
    let lab = own_lab();
    reset(&lab);
    aws(&lab, "services", &json!({"kvisor": {"hidden": true}}));
    let hidden = plan(&lab, 0, &[]);
    assert_eq!(changes(&hidden), [("create", CAST_AI.to_vec())].into());
    let note = "EC2 does not describe kvisor (com.amazonaws.vpce.us-east-1.vpce-svc-03281b4e5730a84b6) to this account; if \
                creating an endpoint fails, ask Cast AI to allow account 123456789012";
    assert_eq!(hidden["notes"], json!([note]));
    // EC2 refuses what the account may not use.
    let refused = json!([{"service": "ec2", "action": "CreateVpcEndpoint", "after": 4, "times": 1, "fault": "error",
        "status": 400, "code": "InvalidServiceName", "message": "The Vpc Endpoint Service does not exist"}]);
    aws(&lab, "faults", &refused);
    let partial = run(&lab, 1, &CREATE, &[]);
    assert_stderr_contains(&partial, &["error: cannot create endpoint kvisor", "incomplete: ", note]);
    assert!(!partial.stderr.contains("EC2 does not show it yet"), "one error is enough: {}", partial.stderr);
    assert_private(&lab, &[0, 1, 2, 3, 5]);
    assert_creates(&lab, 0, &[], &["CreateVpcEndpoint"]);
    assert_private(&lab, &ALL);
}

#[test]
fn services_of_another_region_are_used_if_they_allow_it() {
    let lab = own_lab();
    reset(&lab);
    let flags = ["--service-region=us-east-2"];
    let blocked = plan(&lab, 1, &flags);
    assert_eq!(changes(&blocked), [("blocked", CAST_AI.to_vec())].into());
    assert_problem(
        &blocked,
        "rest-api of us-east-2 does not allow endpoints in us-east-1",
        "ask Cast AI to allow them",
    );
    assert_creates(&lab, 1, &flags, &["CreateTags"]);
    aws(&lab, "services", &json!({"*": {"regions": [REGION]}}));
    let allowed = plan(&lab, 0, &flags);
    assert_eq!(actions(&allowed, "createEndpoint")[0]["serviceRegion"], "us-east-2");
    assert_creates(&lab, 0, &flags, &EVERYTHING[..8]);
    assert!(endpoints(&lab).iter().all(|endpoint| endpoint["service_region"] == "us-east-2"));
    assert_private(&lab, &ALL);
}

#[test]
fn attributes_of_the_vpc_are_turned_on_if_that_is_allowed() {
    let lab = own_lab();
    for (attributes, message) in [
        (&["EnableDnsHostnames"][..], "private DNS needs enableDnsHostnames, off now"),
        (
            &["EnableDnsSupport", "EnableDnsHostnames"],
            "private DNS needs enableDnsSupport and enableDnsHostnames, off now",
        ),
    ] {
        reset(&lab);
        for attribute in attributes {
            let value = format!("{attribute}.Value");
            ec2(&lab, &json!({"Action": "ModifyVpcAttribute", "VpcId": VPC_ID, value: "false"}));
        }
        let blocked = plan(&lab, 1, &[]);
        assert_eq!(changes(&blocked), [("blocked", CAST_AI.to_vec())].into());
        assert_problem(&blocked, message, "--enable-vpc-dns");
        assert_creates(&lab, 1, &[], &["CreateTags"]);
        assert_private(&lab, &[]);
        let mut expected = vec!["ModifyVpcAttribute"; attributes.len()];
        expected.extend(&EVERYTHING[..8]);
        assert_creates(&lab, 0, &["--enable-vpc-dns"], &expected);
        assert_private(&lab, &ALL);
    }
}

#[test]
fn endpoints_of_aws_serve_the_whole_vpc() {
    let lab = own_lab();
    reset(&lab);
    ec2(&lab, &json!({"Action": "AssociateVpcCidrBlock", "VpcId": VPC_ID, "CidrBlock": "100.64.0.0/16"}));
    let other_team = new_subnet(&lab, "us-east-1a", "10.0.9.0/24");
    let table = text_of(&ec2(&lab, &json!({"Action": "CreateRouteTable", "VpcId": VPC_ID})), "routeTableId");
    ec2(&lab, &json!({"Action": "AssociateRouteTable", "RouteTableId": table, "SubnetId": SECOND}));
    let flags = ["--with-aws-endpoints", "--aws-endpoint", "eks"];
    let planned = plan(&lab, 0, &flags);
    let names = [&CAST_AI[..], &["ecr.api", "ecr.dkr", "s3", "sts", "ec2", "eks"]].concat();
    assert_eq!(changes(&planned), [("create", names)].into());
    let redirection = &planned["redirection"];
    assert_eq!(redirection["services"], json!(["ecr.api", "ecr.dkr", "sts", "ec2", "eks"]));
    let mut redirected: Vec<_> =
        redirection["subnets"].as_array().unwrap().iter().map(Value::to_string).collect();
    let mut all = [FIRST, SECOND, &other_team].map(|id| json!(id).to_string());
    redirected.sort();
    all.sort();
    assert_eq!(redirected, all);
    let blocks = json!([{"cidr": "10.0.0.0/16"}, {"cidr": "100.64.0.0/16"}]);
    assert_eq!(actions(&planned, "authorizeIngress")[1]["peers"], blocks);
    let mut tables = [lab::aws::ROUTE_TABLE, &table];
    tables.sort_unstable();
    assert_eq!(planned["endpoints"][8]["placement"], json!(tables));

    let mut expected = ["CreateSecurityGroup", "AuthorizeSecurityGroupIngress"].repeat(2);
    expected.extend(["CreateVpcEndpoint"; 12]);
    expected.push("CreateTags");
    let created = assert_creates(&lab, 0, &flags, &expected);
    assert!(created.stdout.contains("endpoint s3 created (vpce-"), "{}", created.stdout);
    let s3 = endpoints(&lab).into_iter().find(|endpoint| endpoint["kind"] == "Gateway").unwrap();
    assert_eq!(s3["route_tables"], json!(tables));
    assert_private(&lab, &ALL);
    // Without the flags, they stay as they are.
    assert_creates(&lab, 0, &[], &[]);
    run(&lab, 0, &DELETE, &[]);
    assert_eq!(endpoints(&lab), Vec::<Value>::new());
}
