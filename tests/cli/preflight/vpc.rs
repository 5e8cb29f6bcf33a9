//! Faults of the VPC's configuration: each is one cause with its consequences, and the printed command fixes it.

use lab::address::{REGION, VPC_ID};
use lab::aws::{CLUSTER_GROUP, SUBNETS, cast_ai_services};
use lab::host::Lab;
use serde_json::{Value, json};

use super::{findings, preflight, reset_lab, text};
use crate::harness::{complete_lab, ec2, plugin};

const FIRST: &str = SUBNETS[0].0;

/// A fault, and what preflight says about it.
struct Scenario {
    name: &'static str,
    /// Changes the VPC.
    fault: fn(&Lab),
    /// `Fail CODE subject` of every cause.
    causes: &'static [&'static str],
    /// Codes of what is folded under the causes.
    consequences: &'static [&'static str],
    /// Codes of checks that are skipped.
    skipped: &'static [&'static str],
    /// A part of the first cause's observation.
    observed: &'static str,
}

/// The endpoint of a service, by its full name.
pub(super) fn endpoint(lab: &Lab, service: &str) -> String {
    let all: Vec<Value> = lab.control().get("/aws/endpoints").expect("the endpoints");
    let found = all.iter().find(|endpoint| text(endpoint, "service") == service).expect("the endpoint");
    text(found, "id").to_owned()
}

pub(super) fn rest_api() -> String {
    cast_ai_services()[0].0.clone()
}

fn of_aws(name: &str) -> String {
    format!("com.amazonaws.{REGION}.{name}")
}

pub(super) fn change(lab: &Lab, service: &str, change: &Value) {
    let id = endpoint(lab, service);
    lab.control().put(&format!("/aws/endpoints/{id}"), change).expect("the endpoint is changed");
}

fn rule_of_acl(number: u32, cidr: &str) -> Value {
    json!({"RuleNumber": number.to_string(), "Protocol": "6", "RuleAction": "deny", "Egress": "false",
        "CidrBlock": cidr, "PortRange.From": "443", "PortRange.To": "443"})
}

/// The value of the first element with this name in EC2's response to a request.
pub(super) fn described(lab: &Lab, request: &Value, element: &str) -> String {
    let body =
        String::from_utf8(lab.control().post("/aws/ec2", request).expect("EC2 responds")).expect("XML");
    let (_, rest) = body.split_once(&format!("<{element}>")).unwrap_or_else(|| panic!("{element} in {body}"));
    rest.split('<').next().unwrap_or_default().to_owned()
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "the endpoint of the REST API is missing",
        fault: |lab| {
            let id = endpoint(lab, &rest_api());
            ec2(lab, "DeleteVpcEndpoints", &json!({ "VpcEndpointId.1": id }));
            ec2(lab, "DescribeVpcEndpoints", &json!({}));
        },
        causes: &["Fail CPL420 rest-api"],
        consequences: &["CPL211"],
        skipped: &["CPL220", "CPL230", "CPL231", "CPL240"],
        observed: "no endpoint in vpc-",
    },
    Scenario {
        name: "private DNS is off",
        fault: |lab| change(lab, &rest_api(), &json!({"private_dns": false})),
        causes: &["Fail CPL423 rest-api"],
        consequences: &["CPL211"],
        skipped: &["CPL220", "CPL230", "CPL231", "CPL240"],
        observed: "off on vpce-",
    },
    Scenario {
        name: "the endpoint waits for acceptance",
        fault: |lab| change(lab, &rest_api(), &json!({"state": "pendingAcceptance"})),
        causes: &["Fail CPL422 rest-api"],
        consequences: &["CPL211"],
        skipped: &["CPL212", "CPL220", "CPL230", "CPL231", "CPL240", "CPL423", "CPL424", "CPL425"],
        observed: "is pendingAcceptance",
    },
    Scenario {
        name: "a zone has no address of the endpoint",
        fault: |lab| change(lab, &rest_api(), &json!({"subnets": [FIRST]})),
        causes: &["Warn CPL424 rest-api"],
        consequences: &[],
        skipped: &[],
        observed: "has none in us-east-1b",
    },
    Scenario {
        name: "the security group has no rule for port 443",
        fault: |lab| {
            ec2(
                lab,
                "RevokeSecurityGroupIngress",
                &json!({"GroupId": CLUSTER_GROUP, "IpPermissions.1.IpProtocol": "tcp",
                    "IpPermissions.1.FromPort": "443", "IpPermissions.1.ToPort": "443",
                    "IpPermissions.1.Groups.1.GroupId": CLUSTER_GROUP}),
            );
        },
        causes: &[
            "Fail CPL425 ec2",
            "Fail CPL425 ecr.api",
            "Fail CPL425 ecr.dkr",
            "Fail CPL425 grpc-pod-pinner",
            "Fail CPL425 kvisor",
            "Fail CPL425 rest-api",
            "Fail CPL425 sts",
            "Fail CPL425 telemetry",
            "Warn CPL425 api-grpc",
            "Warn CPL425 files",
        ],
        consequences: &[],
        skipped: &[],
        observed: "do not admit its clients",
    },
    Scenario {
        name: "the policy of the S3 gateway allows another bucket",
        fault: |lab| {
            let policy = json!({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
                "Resource": "arn:aws:s3:::ours/*"}]});
            change(lab, &of_aws("s3"), &json!({"policy": policy.to_string()}));
        },
        causes: &["Fail CPL426 s3"],
        consequences: &[],
        skipped: &[],
        observed: "does not allow s3:GetObject on arn:aws:s3:::prod-us-east-1-starport-layer-bucket/*",
    },
    Scenario {
        name: "the route table has no route to S3",
        fault: |lab| change(lab, &of_aws("s3"), &json!({"route_tables": []})),
        causes: &["Fail CPL429 s3"],
        consequences: &["CPL320"],
        skipped: &["CPL330"],
        observed: "has none in rtb-",
    },
    Scenario {
        name: "there is no endpoint of S3",
        fault: |lab| {
            let id = endpoint(lab, &of_aws("s3"));
            ec2(lab, "DeleteVpcEndpoints", &json!({ "VpcEndpointId.1": id }));
            ec2(lab, "DescribeVpcEndpoints", &json!({}));
        },
        causes: &["Fail CPL420 s3"],
        consequences: &["CPL320"],
        skipped: &["CPL330"],
        observed: "no endpoint in vpc-",
    },
    Scenario {
        name: "there are two endpoints of a service",
        fault: |lab| {
            ec2(
                lab,
                "CreateVpcEndpoint",
                &json!({"VpcId": VPC_ID, "VpcEndpointType": "Interface", "ServiceName": rest_api(),
                    "SubnetId.1": FIRST, "SecurityGroupId.1": CLUSTER_GROUP, "PrivateDnsEnabled": "false"}),
            );
            ec2(lab, "DescribeVpcEndpoints", &json!({}));
        },
        causes: &["Warn CPL428 rest-api"],
        consequences: &[],
        skipped: &[],
        observed: "also vpce-",
    },
    Scenario {
        name: "the service answers for another name",
        fault: |lab| {
            let services = json!({"rest-api": {"host": "api.other.example"}});
            lab.control().put("/aws/services", &services).expect("the services are set");
        },
        causes: &["Fail CPL421 rest-api"],
        consequences: &["CPL211"],
        skipped: &["CPL212", "CPL220", "CPL230", "CPL231", "CPL240", "CPL424", "CPL425"],
        observed: "answers for api.other.example",
    },
    Scenario {
        name: "a subnet of nodes has no tag",
        fault: |lab| {
            let tag = json!({"ResourceId.1": FIRST, "Tag.1.Key": "cast.ai/routable"});
            ec2(lab, "DeleteTags", &tag);
        },
        causes: &["Fail CPL410 subnet-0a1b2c3d4e5f60001"],
        consequences: &[],
        skipped: &[],
        observed: "no tag",
    },
    Scenario {
        name: "host names are off in the VPC",
        fault: |lab| {
            ec2(lab, "ModifyVpcAttribute", &json!({"VpcId": VPC_ID, "EnableDnsHostnames.Value": "false"}));
        },
        causes: &["Fail CPL403 vpc-0a1b2c3d4e5f60718"],
        consequences: &[],
        skipped: &["CPL423"],
        observed: "off: enableDnsHostnames",
    },
    Scenario {
        name: "the DHCP options name another DNS server",
        fault: |lab| {
            let create = json!({"Action": "CreateDhcpOptions", "DhcpConfiguration.1.Key": "domain-name-servers",
                "DhcpConfiguration.1.Value.1": "10.0.0.53"});
            let id = described(lab, &create, "dhcpOptionsId");
            ec2(lab, "AssociateDhcpOptions", &json!({"VpcId": VPC_ID, "DhcpOptionsId": id}));
        },
        causes: &["Warn CPL404 vpc-0a1b2c3d4e5f60718"],
        consequences: &[],
        skipped: &[],
        observed: "names 10.0.0.53",
    },
    Scenario {
        name: "a network ACL refuses the second subnet",
        fault: |lab| {
            let acls = json!({"Action": "DescribeNetworkAcls", "Filter.1.Name": "vpc-id", "Filter.1.Value.1": VPC_ID});
            let mut rule = rule_of_acl(90, SUBNETS[1].2);
            rule["NetworkAclId"] = json!(described(lab, &acls, "networkAclId"));
            ec2(lab, "CreateNetworkAclEntry", &rule);
        },
        causes: &[
            "Fail CPL427 ec2",
            "Fail CPL427 ecr.api",
            "Fail CPL427 ecr.dkr",
            "Fail CPL427 grpc-pod-pinner",
            "Fail CPL427 kvisor",
            "Fail CPL427 rest-api",
            "Fail CPL427 sts",
            "Fail CPL427 telemetry",
            "Warn CPL427 api-grpc",
            "Warn CPL427 files",
        ],
        consequences: &[],
        skipped: &[],
        observed: "refuses ingress to port 443 from 10.0.2.0/24",
    },
];

/// `Result CODE subject` of every finding that is a problem, sorted: causes, and consequences.
fn problems(report: &Value) -> (Vec<String>, Vec<String>) {
    let is_problem = |finding: &&Value| ["Fail", "Warn", "Unknown"].contains(&text(finding, "result"));
    let (folded, causes): (Vec<_>, Vec<_>) =
        findings(report).iter().filter(is_problem).partition(|finding| !finding["causedBy"].is_null());
    let mut causes: Vec<_> = causes
        .iter()
        .map(|finding| {
            format!(
                "{} {} {}",
                text(finding, "result"),
                text(finding, "code"),
                text(&finding["subject"], "name")
            )
        })
        .collect();
    causes.sort();
    (causes, codes(folded.into_iter()))
}

fn codes<'a>(findings: impl Iterator<Item = &'a Value>) -> Vec<String> {
    let mut codes: Vec<_> = findings.map(|finding| text(finding, "code").to_owned()).collect();
    codes.sort();
    codes.dedup();
    codes
}

#[test]
#[expect(clippy::print_stdout, reason = "a failure shows where it happened")]
fn each_fault_is_one_cause_and_its_command_fixes_it() {
    let lab = complete_lab();
    for scenario in SCENARIOS {
        println!("{}", scenario.name);
        (scenario.fault)(&lab);
        let code = i32::from(scenario.causes.iter().any(|cause| cause.starts_with("Fail")));
        let report = preflight(&lab, code, &[]);
        let (causes, consequences) = problems(&report);
        assert_eq!(causes, scenario.causes, "{}", scenario.name);
        assert_eq!(consequences, scenario.consequences, "{}: {report:#}", scenario.name);
        let skipped = findings(&report).iter().filter(|finding| text(finding, "result") == "Skipped");
        assert_eq!(codes(skipped), scenario.skipped, "{}", scenario.name);
        let is_cause = |finding: &&Value| {
            scenario.causes[0].ends_with(&format!(
                "{} {}",
                text(finding, "code"),
                text(&finding["subject"], "name")
            ))
        };
        let cause = findings(&report).iter().find(is_cause).expect("the cause");
        assert!(text(cause, "observed").contains(scenario.observed), "{}: {cause:#}", scenario.name);
        if let Some(command) = cause["fixes"][0]["command"].as_str()
            && let Some(arguments) = command.strip_prefix("kubectl castai-privatelink endpoints create")
        {
            let arguments =
                [&["endpoints", "create", "--yes"][..], &arguments.split_whitespace().collect::<Vec<_>>()];
            plugin(&lab, 0, &arguments.concat());
            // Each cause has the command of its provider.
            if scenario.causes.len() > 1 {
                plugin(&lab, 0, &["endpoints", "create", "--yes", "--with-aws-endpoints"]);
            }
            let (left, _) = problems(&preflight(&lab, 0, &[]));
            assert_eq!(left, Vec::<String>::new(), "{} after {command}", scenario.name);
        }
        reset_lab(&lab);
    }
}
