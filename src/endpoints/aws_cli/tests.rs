use std::collections::BTreeMap;

use super::*;
use crate::endpoints::plan::{Cost, PlannedEndpoint, Redirection};
use crate::endpoints::settings::Provider;

fn strings(all: &[&str]) -> Vec<String> {
    all.iter().map(|one| (*one).to_owned()).collect()
}

fn tags(all: &[(&str, &str)]) -> BTreeMap<String, String> {
    all.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn plan(actions: &[Action]) -> EndpointPlan {
    EndpointPlan {
        account: Some("123456789012".to_owned()),
        cluster: Some("demo".to_owned()),
        actions: actions.to_vec(),
        ..EndpointPlan::new("us-east-1".to_owned(), "vpc-1".to_owned())
    }
}

fn planned(name: &str, change: EndpointChange, id: Option<&str>, reason: &str) -> PlannedEndpoint {
    PlannedEndpoint {
        name: name.to_owned(),
        service_name: format!("com.{name}"),
        provider: Provider::CastAi,
        change,
        id: id.map(str::to_owned),
        state: None,
        hosts: Vec::new(),
        placement: Vec::new(),
        reasons: vec![reason.to_owned()],
    }
}

fn group() -> Action {
    Action::CreateSecurityGroup {
        name: "our-group".to_owned(),
        description: "HTTPS from nodes".to_owned(),
        tags: tags(&[(GROUP_FOR, "cast-ai")]),
    }
}

fn admit(group: GroupRef) -> Action {
    let peers = vec![Peer::Group("sg-nodes".to_owned()), Peer::Cidr("10.0.0.0/16".parse().unwrap())];
    Action::AuthorizeIngress { group, peers }
}

fn endpoint(name: &str, is_gateway: bool) -> Action {
    Action::CreateEndpoint {
        service: name.to_owned(),
        service_name: format!("com.{name}"),
        service_region: None,
        is_gateway,
        subnets: if is_gateway { Vec::new() } else { strings(&["subnet-a", "subnet-b"]) },
        groups: if is_gateway { Vec::new() } else { vec![GroupRef::Name("our-group".to_owned())] },
        route_tables: if is_gateway { strings(&["rtb-1"]) } else { Vec::new() },
        private_dns: !is_gateway,
        ip_type: None,
        tags: tags(&[("team", "platform")]),
    }
}

/// The script from its first change, or its end.
fn changes(plan: &EndpointPlan) -> String {
    let script = script(plan);
    let (_, changes) = script.split_once("\nendpoints=$(list_endpoints)\n").unwrap();
    changes.trim_start().to_owned()
}

#[test]
fn each_action_is_a_call_with_the_options_of_the_aws_cli() {
    let cases = [
        (
            Action::EnableVpcAttribute { vpc: "vpc-1".to_owned(), attribute: "enableDnsHostnames" },
            "# Private DNS needs enableDnsHostnames\n\
             enable_vpc_attribute enableDnsHostnames --enable-dns-hostnames\n",
        ),
        (
            group(),
            "# Security group our-group\n\
             create_security_group 'our-group' 'cast-ai' \\\n  'HTTPS from nodes' \\\n  \
             '[{\"ResourceType\":\"security-group\",\"Tags\":[{\"Key\":\"privatelink.cast.ai/security-group-for\",\
             \"Value\":\"cast-ai\"}]}]'\n\
             id_of_our_group=$security_group\n",
        ),
        (
            admit(GroupRef::Name("our-group".to_owned())),
            "# sg-nodes may connect\n\
             admit 'our-group' \"$id_of_our_group\" 'sg-nodes' \\\n  \
             '[{\"FromPort\":443,\"IpProtocol\":\"tcp\",\"ToPort\":443,\"UserIdGroupPairs\":[{\"GroupId\":\"sg-nodes\"}]}]'\n\
             \n\
             # 10.0.0.0/16 may connect\n\
             admit 'our-group' \"$id_of_our_group\" '10.0.0.0/16' \\\n  \
             '[{\"FromPort\":443,\"IpProtocol\":\"tcp\",\"IpRanges\":[{\"CidrIp\":\"10.0.0.0/16\"}],\"ToPort\":443}]'\n",
        ),
        (
            Action::AuthorizeIngress {
                group: GroupRef::Id("sg-1".to_owned()),
                peers: vec![Peer::Cidr("fd00::/64".parse().unwrap())],
            },
            "# fd00::/64 may connect\n\
             admit 'sg-1' 'sg-1' 'fd00::/64' \\\n  \
             '[{\"FromPort\":443,\"IpProtocol\":\"tcp\",\"Ipv6Ranges\":[{\"CidrIpv6\":\"fd00::/64\"}],\"ToPort\":443}]'\n",
        ),
        (
            endpoint("rest-api", false),
            "# Endpoint rest-api: needed by every component\n\
             create_endpoint 'rest-api' 'com.rest-api' Interface \\\n  \
             --subnet-ids 'subnet-a' 'subnet-b' \\\n  \
             --security-group-ids \"$id_of_our_group\" \\\n  \
             --private-dns-enabled \\\n  \
             --tag-specifications '[{\"ResourceType\":\"vpc-endpoint\",\"Tags\":[{\"Key\":\"team\",\
             \"Value\":\"platform\"}]}]'\n",
        ),
        (
            endpoint("s3", true),
            "# Endpoint s3:\n\
             create_endpoint 's3' 'com.s3' Gateway \\\n  \
             --route-table-ids 'rtb-1' \\\n  \
             --tag-specifications '[{\"ResourceType\":\"vpc-endpoint\",\"Tags\":[{\"Key\":\"team\",\
             \"Value\":\"platform\"}]}]'\n",
        ),
        (
            Action::CreateEndpoint {
                service: "x".to_owned(),
                service_name: "com.x".to_owned(),
                service_region: Some("eu-west-1".to_owned()),
                is_gateway: false,
                subnets: strings(&["subnet-a"]),
                groups: vec![GroupRef::Id("sg-1".to_owned())],
                route_tables: Vec::new(),
                private_dns: false,
                ip_type: Some("ipv6"),
                tags: tags(&[]),
            },
            "# Endpoint x:\n\
             create_endpoint 'x' 'com.x' Interface \\\n  \
             --subnet-ids 'subnet-a' \\\n  \
             --security-group-ids 'sg-1' \\\n  \
             --no-private-dns-enabled \\\n  \
             --service-region 'eu-west-1' \\\n  \
             --ip-address-type 'ipv6' \\\n  \
             --tag-specifications '[{\"ResourceType\":\"vpc-endpoint\",\"Tags\":[]}]'\n",
        ),
        (
            Action::ModifyEndpoint {
                service: "kvisor".to_owned(),
                id: "vpce-1".to_owned(),
                add_subnets: strings(&["subnet-b"]),
                add_groups: vec![GroupRef::Name("our-group".to_owned())],
                add_route_tables: strings(&["rtb-1", "rtb-2"]),
                enable_private_dns: true,
            },
            "# Endpoint kvisor: private DNS is off\n\
             modify_endpoint 'kvisor' 'vpce-1' \\\n  \
             --add-subnet-ids 'subnet-b' \\\n  \
             --add-security-group-ids \"$id_of_our_group\" \\\n  \
             --add-route-table-ids 'rtb-1' 'rtb-2' \\\n  \
             --private-dns-enabled\n",
        ),
        (
            Action::TagSubnets {
                subnets: strings(&["subnet-a", "subnet-b"]),
                tags: tags(&[(ROUTABLE, "true")]),
            },
            "# Cast AI may add nodes to subnets with the tag cast.ai/routable\n\
             tag_subnets '[{\"Key\":\"cast.ai/routable\",\"Value\":\"true\"}]' \\\n  'subnet-a' 'subnet-b'\n",
        ),
    ];
    for (action, expected) in cases {
        let mut plan = plan(std::slice::from_ref(&action));
        plan.endpoints = vec![
            planned("rest-api", EndpointChange::Create, None, "needed by every component"),
            planned("kvisor", EndpointChange::Modify, Some("vpce-1"), "private DNS is off"),
        ];
        let found = changes(&plan);
        let (found, _) = found.split_once("\n# All endpoints").unwrap();
        assert_eq!(found, expected, "{action:?}");
    }
}

#[test]
fn many_subnets_are_tagged_by_several_calls() {
    let subnets: Vec<_> = (0..1200).map(|number| format!("subnet-{number}")).collect();
    let plan = plan(&[Action::TagSubnets { subnets, tags: tags(&[]) }]);
    assert_eq!(changes(&plan).matches("\ntag_subnets ").count(), 3);
}

#[test]
fn only_functions_that_are_called_are_in_the_script() {
    let cases: [(&[Action], &[&str]); 3] = [
        (&[], &[]),
        (&[group(), admit(GroupRef::Name("our-group".to_owned()))], &["create_security_group", "admit"]),
        (&[endpoint("s3", true)], &["create_endpoint"]),
    ];
    for (actions, expected) in cases {
        let script = script(&plan(actions));
        let defined = FUNCTIONS.iter().map(|(name, _)| *name);
        let defined: Vec<_> = defined.filter(|name| script.contains(&format!("\n{name}() {{\n"))).collect();
        assert_eq!(defined, expected);
    }
}

#[test]
fn the_script_says_for_what_it_is_and_what_it_cannot_do() {
    let mut plan = plan(&[]);
    plan.endpoints = vec![
        planned("rest-api", EndpointChange::Unchanged, Some("vpce-1"), ""),
        planned("api-grpc", EndpointChange::Elsewhere, None, ""),
        planned("files", EndpointChange::Blocked, Some("vpce-2"), ""),
    ];
    let complete = script(&plan);
    assert!(
        complete.starts_with(
            "#!/usr/bin/env bash\n#\n\
             # VPC endpoints of Cast AI for cluster demo: vpc-1 in us-east-1, account 123456789012\n#\n"
        ),
        "{complete}"
    );
    assert!(
        complete.contains("\n# Nothing is missing: this script changes nothing.\n\nset -euo"),
        "{complete}"
    );
    let end = |failures: &str| {
        format!(
            "# All endpoints have to be available\nexpect 'rest-api' 'vpce-1'\nwait_for_endpoints\ncheck_endpoints\n\
             {failures}conclude\n"
        )
    };
    assert_eq!(changes(&plan), end(""));

    let problem = |subject: &str, message: &str| Problem {
        subject: subject.to_owned(),
        message: message.to_owned(),
        hint: "do it".to_owned(),
    };
    // Whether an endpoint was accepted meanwhile, the script sees itself.
    plan.problems = vec![problem("rest-api", "vpce-1 waits"), problem("files", "rejected vpce-2")];
    plan.redirection =
        Some(Redirection { services: strings(&["sts"]), subnets: strings(&["subnet-a", "subnet-b"]) });
    plan.cost = Cost { endpoint_zones: 2, hourly_usd: Some(0.02) };
    let blocked = script(&plan);
    assert!(
        blocked.contains(
            "#\n# Nothing can be done now: this script changes nothing.\n\
             # The endpoints that it adds cost USD 0.02 per hour, and traffic.\n\
             # The names of sts will lead to the endpoints in the whole VPC: subnet-a, subnet-b\n\
             # Problems when it was printed:\n\
             # - rest-api: vpce-1 waits\n\
             #   hint: do it\n\
             # - files: rejected vpce-2\n\
             #   hint: do it\n\nset -euo"
        ),
        "{blocked}"
    );
    assert_eq!(changes(&plan), end("failed 'files: rejected vpce-2; do it'\n"));

    // Without an account, it is not checked.
    assert!(complete.contains("aws sts get-caller-identity"), "{complete}");
    plan.account = None;
    let unknown = script(&plan);
    assert!(unknown.contains("\naccount=''\n") && !unknown.contains("get-caller-identity"), "{unknown}");
}

/// What must neither become code nor reach the terminal.
const HOSTILE: [&str; 12] = [
    "it's",
    "'; touch hacked; '",
    "$(touch hacked)`touch hacked`",
    "a\ntouch hacked\n",
    "\u{1b}[31m\r\n\u{9b}0m",
    "\u{202e}txt",
    "back\\slash \\' \"double\"",
    "!history #comment",
    " -- ",
    "é€😀",
    "a\u{7f}'b\n\\",
    "",
];

#[cfg(unix)]
mod in_bash {
    use std::path::Path;
    use std::process::{Command, Output};

    use tempfile::tempdir;

    use super::*;
    use crate::printable::is_harmful;

    fn bash(folder: &Path, script: &str) -> Output {
        Command::new("bash").args(["-c", script]).current_dir(folder).output().unwrap()
    }

    #[test]
    fn a_word_has_its_text_as_value_and_no_control_characters() {
        let folder = tempdir().unwrap();
        for text in HOSTILE {
            let word = quoted(text);
            assert!(!word.contains(is_harmful), "{word:?}");
            let output = bash(folder.path(), &format!("printf %s {word}"));
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text, "{word}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn hostile_text_reaches_the_aws_cli_unchanged_and_runs_nothing() {
        let folder = tempdir().unwrap();
        for (text, number) in HOSTILE.into_iter().zip(0..) {
            let pair = [(GROUP_FOR, text), ("team", text)];
            let mut plan = plan(&[
                Action::CreateSecurityGroup {
                    name: text.to_owned(),
                    description: text.to_owned(),
                    tags: tags(&pair),
                },
                Action::AuthorizeIngress {
                    group: GroupRef::Name(text.to_owned()),
                    peers: vec![Peer::Group(text.to_owned())],
                },
                Action::CreateEndpoint {
                    service: text.to_owned(),
                    service_name: text.to_owned(),
                    service_region: Some(text.to_owned()),
                    is_gateway: false,
                    subnets: strings(&[text]),
                    groups: vec![GroupRef::Name(text.to_owned()), GroupRef::Id(text.to_owned())],
                    route_tables: strings(&[text]),
                    private_dns: true,
                    ip_type: None,
                    tags: tags(&pair),
                },
                Action::ModifyEndpoint {
                    service: text.to_owned(),
                    id: text.to_owned(),
                    add_subnets: strings(&[text]),
                    add_groups: Vec::new(),
                    add_route_tables: Vec::new(),
                    enable_private_dns: true,
                },
                Action::TagSubnets { subnets: strings(&[text]), tags: tags(&pair) },
            ]);
            plan.region = text.to_owned();
            plan.vpc = text.to_owned();
            plan.account = Some(text.to_owned());
            plan.cluster = Some(text.to_owned());
            plan.endpoints = vec![planned(text, EndpointChange::Unchanged, Some(text), text)];
            let problem =
                Problem { subject: "vpc".to_owned(), message: text.to_owned(), hint: text.to_owned() };
            plan.problems = vec![problem];
            let script = script(&plan);
            assert!(!script.replace('\n', "").contains(is_harmful), "{script:?}");
            // Records what it is called with. The account is that of the plan.
            let aws = "aws() {\n  printf '%s\\0' \"$@\" >>calls\n  \
                       case $1 in sts) printf '%s' \"$account\" ;; esac\n}\n";
            let output = bash(
                folder.path(),
                &script.replacen("set -euo pipefail\n", &format!("set -euo pipefail\n{aws}"), 1),
            );
            let case = format!("case {number}: {output:?}\n{script}");
            let calls = std::fs::read_to_string(folder.path().join("calls")).unwrap_or_default();
            if !text.ends_with('\n') {
                // The result of a command has no line breaks at its end.
                assert!(
                    calls.contains(&format!("--tag-specifications\0{}\0", json_tags("vpc-endpoint", &pair))),
                    "{case}"
                );
                assert!(calls.contains(&format!("--service-region\0{text}\0")), "{case}");
            }
            assert_eq!(output.status.code(), Some(1), "{case}");
            assert!(!folder.path().join("hacked").exists(), "{case}");
            let _ = std::fs::remove_file(folder.path().join("calls"));
        }
    }

    fn json_tags(resource: &str, pair: &[(&str, &str)]) -> String {
        json!([{"ResourceType": resource, "Tags": all_tags(&tags(pair))}]).to_string()
    }

    #[test]
    fn every_script_is_valid_bash() {
        let folder = tempdir().unwrap();
        let plans: [&[Action]; 3] = [
            &[],
            &[group(), admit(GroupRef::Id("sg-1".to_owned())), endpoint("s3", true)],
            &[endpoint("x", false)],
        ];
        for actions in plans {
            let script = script(&plan(actions));
            let path = folder.path().join("script.sh");
            std::fs::write(&path, &script).unwrap();
            let output = Command::new("bash").arg("-n").arg(&path).output().unwrap();
            assert!(output.status.success() && output.stderr.is_empty(), "{output:?}\n{script}");
        }
    }
}
