use std::collections::BTreeSet;

use super::configuration::{Addition, Repositories};
use super::hcl::{Block, Value, list, quoted};
use super::*;
use crate::castai::endpoints::{regions, services};
use crate::endpoints::decide::decide;
use crate::endpoints::decide::tests::{aws_service, cast_ai_settings, facts, subnet, with_aws};
use crate::endpoints::facts::{
    Endpoint, IdentifiedRule, RuleSource, SecurityGroup, SubnetReason, SubnetUse, VpcFacts,
};
use crate::endpoints::plan::{GROUP_FOR, MANAGED_BY, PLUGIN, ROUTABLE, TAGGED_BY};
use crate::endpoints::settings::PlanSettings;

fn configuration(facts: &VpcFacts, settings: &PlanSettings, rules: &[IdentifiedRule]) -> Configuration {
    Configuration::new(facts, settings, &decide(facts, settings), rules, &Repositories::default())
}

/// An endpoint of the first service, in one of two zones and without private DNS.
fn endpoint(id: &str, tags: &[(&str, &str)]) -> Endpoint {
    Endpoint {
        id: id.to_owned(),
        service_name: cast_ai_settings().services[0].service_name.clone(),
        state: "available".to_owned(),
        subnets: vec!["subnet-a".to_owned()],
        groups: vec!["sg-theirs".to_owned()],
        tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        ..Endpoint::default()
    }
}

/// The address and id of each import.
fn imported(configuration: &Configuration) -> Vec<(String, &str)> {
    let imports = configuration.imports.iter();
    imports.map(|import| (format!("{}[{}]", import.resource, import.key), import.id.as_str())).collect()
}

#[test]
fn a_new_vpc_is_described_by_a_few_values() {
    let mut settings = cast_ai_settings();
    settings.services.extend(with_aws().services);
    let mut facts = facts();
    facts.services.extend(["ecr.api", "ecr.dkr", "sts", "ec2"].map(aws_service));
    // STS exists in one zone only.
    facts.services.iter_mut().find(|service| service.name.ends_with("sts")).unwrap().zones.truncate(1);
    let configuration = configuration(&facts, &settings, &[]);
    assert_eq!(configuration.subnets, ["subnet-a", "subnet-b"]);
    assert_eq!(configuration.routable_subnets, ["subnet-a", "subnet-b"]);
    assert_eq!(configuration.client_groups, ["sg-nodes"]);
    assert_eq!(configuration.client_cidrs, Vec::<String>::new());
    assert_eq!(configuration.vpc_cidrs, ["10.0.0.0/16"]);
    assert_eq!(configuration.castai_services, [].into(), "the module knows them");
    assert_eq!(configuration.aws_services.keys().collect::<Vec<_>>(), ["ec2", "ecr.api", "ecr.dkr", "sts"]);
    assert_eq!(configuration.gateway_services["s3"], "com.amazonaws.us-east-1.s3");
    assert_eq!(configuration.route_tables, ["rtb-a", "rtb-main"]);
    assert_eq!(configuration.differences.keys().collect::<Vec<_>>(), ["sts"]);
    assert_eq!(configuration.differences["sts"].subnets, ["subnet-a"]);
    assert_eq!((configuration.imports, configuration.excluded), (Vec::new(), [].into()));
}

#[test]
fn what_this_plugin_made_is_imported_with_all_that_it_has() {
    let mut facts = facts();
    facts.endpoints = vec![Endpoint {
        private_dns: true,
        groups: vec!["sg-ours".to_owned(), "sg-theirs".to_owned()],
        ..endpoint("vpce-1", &[(MANAGED_BY, PLUGIN), ("team", "a"), ("aws:x", "y")])
    }];
    let tags = [(GROUP_FOR.to_owned(), "cast-ai".to_owned())];
    let name = "castai-privatelink-endpoints".to_owned();
    facts.security_groups.push(SecurityGroup {
        id: "sg-ours".to_owned(),
        name,
        tags: tags.into(),
        ingress: Vec::new(),
    });
    facts.subnets[0].tags = [(ROUTABLE, "true"), (TAGGED_BY, PLUGIN)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    let rule = |id: &str, source| IdentifiedRule { id: id.to_owned(), group: "sg-ours".to_owned(), source };
    // The rule of another cluster in the VPC stays.
    let rules = [
        rule("sgr-1", RuleSource::Group("sg-other-cluster".to_owned())),
        rule("sgr-2", RuleSource::Cidr("10.1.0.0/16".parse().unwrap())),
    ];
    let configuration = configuration(&facts, &cast_ai_settings(), &rules);
    assert_eq!(
        imported(&configuration),
        [
            ("aws_vpc_endpoint.interface[rest-api]".to_owned(), "vpce-1"),
            ("aws_vpc_security_group_ingress_rule.https[cast-ai/sg-other-cluster]".to_owned(), "sgr-1"),
            ("aws_vpc_security_group_ingress_rule.https[cast-ai/10.1.0.0/16]".to_owned(), "sgr-2"),
            ("aws_security_group.endpoints[cast-ai]".to_owned(), "sg-ours"),
            ("aws_ec2_tag.routable[subnet-a]".to_owned(), "subnet-a,cast.ai/routable"),
            (
                "aws_ec2_tag.routable_owner[subnet-a]".to_owned(),
                "subnet-a,privatelink.cast.ai/routable-tagged-by"
            ),
        ]
    );
    assert_eq!(configuration.client_groups, ["sg-nodes", "sg-other-cluster"]);
    assert_eq!(configuration.client_cidrs, ["10.1.0.0/16"]);
    let difference = &configuration.differences["rest-api"];
    assert_eq!(difference.groups, ["sg-theirs"]);
    assert_eq!(difference.tags.keys().collect::<Vec<_>>(), ["team"], "its other tags stay");
    assert_eq!(configuration.routable_subnets, ["subnet-a", "subnet-b"]);
    assert!(!difference.is_without_private_dns && difference.subnets.is_empty());
}

#[test]
fn an_endpoint_of_others_stays_theirs() {
    let mut facts = facts();
    facts.endpoints = vec![endpoint("vpce-9", &[("Name", "castai")])];
    let settings = cast_ai_settings();
    let lacking = configuration(&facts, &settings, &[]);
    let expected = Addition {
        id: "vpce-9".to_owned(),
        subnets: vec!["subnet-b".to_owned()],
        group: Some("cast-ai"),
        private_dns: true,
        ..Addition::default()
    };
    assert_eq!(lacking.existing, [("rest-api".to_owned(), expected)].into());
    assert_eq!(lacking.imports, []);

    // One that lacks nothing, and one whose name a hosted zone answers for, are left out.
    facts.endpoints[0].private_dns = true;
    facts.endpoints[0].subnets.push("subnet-b".to_owned());
    facts.endpoints[0].groups = vec!["sg-open".to_owned()];
    facts.security_groups = vec![SecurityGroup {
        id: "sg-open".to_owned(),
        ingress: vec![crate::endpoints::facts::Rule {
            admits_https: true,
            source: RuleSource::Cidr("0.0.0.0/0".parse().unwrap()),
        }],
        ..SecurityGroup::default()
    }];
    let complete = configuration(&facts, &settings, &[]);
    assert_eq!(complete.existing, [].into());
    assert_eq!(complete.excluded["rest-api"], "vpce-9 exists and lacks nothing");
    assert_eq!(complete.excluded_castai, ["rest-api"]);
    assert!(root::main(&complete).contains("# No endpoint for rest-api: vpce-9 exists and lacks nothing.\n"));
}

#[test]
fn services_that_the_module_does_not_know_are_named() {
    let mut facts = facts();
    facts.region = "eu-west-1".to_owned();
    facts.services.clear();
    let name = "com.amazonaws.vpce.eu-west-1.vpce-svc-1";
    let service = crate::endpoints::settings::NamedService::new("rest-api", name, "--service").unwrap();
    facts.subnets = vec![subnet("subnet-a", "eu-west-1a", "10.0.1.0/24")];
    facts.uses = vec![SubnetUse { subnet: "subnet-a".to_owned(), reason: SubnetReason::Flag }];
    let settings = PlanSettings {
        services: crate::endpoints::settings::cast_ai("eu-west-1", None, &[service]),
        ..PlanSettings::default()
    };
    let named = configuration(&facts, &settings, &[]);
    assert_eq!(named.castai_services["rest-api"], "com.amazonaws.vpce.eu-west-1.vpce-svc-1");
    let settings = PlanSettings {
        services: crate::endpoints::settings::cast_ai("eu-west-1", Some("us-east-1"), &[]),
        ..PlanSettings::default()
    };
    let remote = configuration(&facts, &settings, &[]);
    assert_eq!((remote.service_region.as_deref(), remote.castai_services.len()), (Some("us-east-1"), 0));
}

#[test]
fn repositories_that_exist_are_imported() {
    let names: BTreeSet<_> = ["p/a", "p/b"].map(str::to_owned).into();
    let repositories = Repositories { existing: ["p/b".to_owned()].into(), names };
    let (facts, settings) = (facts(), cast_ai_settings());
    let plan = decide(&facts, &settings);
    let configuration = Configuration::new(&facts, &settings, &plan, &[], &repositories);
    assert_eq!(configuration.repositories, ["p/a", "p/b"]);
    assert_eq!(imported(&configuration), [("aws_ecr_repository.images[p/b]".to_owned(), "p/b")]);
}

#[test]
fn the_module_has_none_of_the_reference_defects() {
    let files = files(&configuration(&facts(), &cast_ai_settings(), &[]));
    let code = files.iter().filter(|file| !file.path.contains("/tests/"));
    let all: String = code.map(|file| file.text.as_str()).collect();
    for defect in ["0.0.0.0/0", "::/0", "arn:aws:", "depends_on", "NGINX"] {
        assert!(!all.contains(defect), "{defect}");
    }
    let variables = &files.iter().find(|file| file.path.ends_with("variables.tf")).unwrap().text;
    let declared = variables.lines().filter_map(|line| line.strip_prefix("variable \"")?.split('"').next());
    for name in declared {
        assert!(all.matches(&format!("var.{name}")).count() > 0, "{name} is declared and used");
    }
    let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
    assert!(paths.iter().all(|path| !path.starts_with('/') && !path.contains("..")), "{paths:?}");
    assert_eq!(paths.iter().filter(|path| path.starts_with(MODULE)).count(), MODULE_FILES.len());
}

#[test]
fn the_module_knows_the_services_of_our_data() {
    let of_region = |region: &'static str| {
        let named = services()
            .iter()
            .filter_map(|service| Some((service.name.to_owned(), service.service_name(region)?.into())));
        (region.to_owned(), Value::Map(named.collect()))
    };
    let known = Value::Map(regions().map(of_region).collect());
    let block = Block::new("locals", &[]).with("services_of_region", known);
    let expected = format!(
        "# Cast AI's endpoint services by region and short name (github.com/castai/privatelink-aws, README).\n{block}"
    );
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/endpoints/terraform/module/services.tf");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &expected).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(path).unwrap(),
        expected,
        "update it: UPDATE_DOCS=1 cargo test --lib terraform"
    );
}

#[test]
fn text_from_aws_is_a_literal() {
    for (text, expected) in [
        ("a", r#""a""#),
        (r#"a"b\c"#, r#""a\"b\\c""#),
        ("${var.x} %{if} $ % $$ {", r#""$${var.x} %%{if} $ % $$ {""#),
        ("a\nb\r\t\u{1b}\u{202e}", r#""a\nb\r\t\U0000001B\U0000202E""#),
        ("größe", "\"größe\""),
    ] {
        assert_eq!(quoted(text), expected);
    }
    // A comment ends with its line.
    let mut configuration = configuration(&facts(), &cast_ai_settings(), &[]);
    configuration.cluster = Some("x\nresource \"a\" \"b\" {}".to_owned());
    configuration.excluded = [("y".to_owned(), "z\nlocals {}".to_owned())].into();
    let main = root::main(&configuration);
    assert!(!main.lines().any(|line| line.starts_with("resource") || line.starts_with("locals")), "{main}");
}

#[test]
fn code_is_formatted() {
    let map = Value::Map(vec![
        ("a".to_owned(), "1".into()),
        ("long-name".to_owned(), Value::Bool(true)),
        ("ecr.api".to_owned(), list(&["x".to_owned()])),
    ]);
    let block = Block::new("module", &["x"])
        .with("source", "./y")
        .paragraph(vec![
            ("one", "1".into()),
            ("three", list(&["a".to_owned(), "b".to_owned()])),
            ("five", map),
        ])
        .paragraph(vec![("empty", list(&[]))]);
    let expected = r#"module "x" {
  source = "./y"

  one = "1"
  three = [
    "a",
    "b",
  ]
  five = {
    a         = "1"
    long-name = true
    "ecr.api" = ["x"]
  }
}
"#;
    assert_eq!(block.to_string(), expected);
}

#[test]
fn additions_of_an_earlier_run_are_found_in_its_code() {
    let mut facts = facts();
    facts.endpoints = vec![endpoint("vpce-9", &[])];
    let settings = cast_ai_settings();
    let before = root::main(&configuration(&facts, &settings, &[]));
    let found = additions(&before);
    for entry in [
        "id = \"vpce-9\"",
        "security_group = \"cast-ai\"",
        "subnet_ids = [\"subnet-b\"]",
        "private_dns = true",
    ] {
        assert!(found.contains(&format!("rest-api = {{ {entry}")), "{entry}: {found:?}");
    }
    // The addition to another endpoint is not the same.
    let of_another = before.replace("rest-api = {", "kvisor = {");
    assert!(found.is_disjoint(&additions(&of_another)), "{of_another}");
    let without_private_dns = before.replace("private_dns    = true", "");
    assert!(!found.is_subset(&additions(&without_private_dns)), "{without_private_dns}");
    // After they were applied, the endpoint lacks nothing.
    facts.endpoints[0].private_dns = true;
    facts.endpoints[0].subnets.push("subnet-b".to_owned());
    let after = root::main(&configuration(&facts, &settings, &[]));
    assert!(!found.is_subset(&additions(&after)), "{after}");
    assert_eq!(additions("module {\n  source = \"x\"\n}\n"), [].into());
}

#[test]
fn groups_that_the_code_does_not_need_are_not_imported() {
    let mut facts = facts();
    let tags = |purpose: &str| [(GROUP_FOR.to_owned(), purpose.to_owned())].into();
    let group = |id: &str, purpose: &str| SecurityGroup {
        id: id.to_owned(),
        tags: tags(purpose),
        ..SecurityGroup::default()
    };
    facts.security_groups = vec![group("sg-ours", "cast-ai"), group("sg-aws", "aws")];
    let rule = |id: &str, group: &str| IdentifiedRule {
        id: id.to_owned(),
        group: group.to_owned(),
        source: RuleSource::Group("sg-nodes".to_owned()),
    };
    let rules = [rule("sgr-1", "sg-ours"), rule("sgr-2", "sg-aws")];
    // AWS' endpoints are not asked for.
    let without_aws = configuration(&facts, &cast_ai_settings(), &rules);
    assert!(
        imported(&without_aws)
            .iter()
            .all(|(address, _)| !address.contains("aws\"") && !address.contains("[aws"))
    );
    assert_eq!(without_aws.vpc_groups, Vec::<String>::new());
    // The only endpoint is of others, and has our group: it stays attached.
    facts.endpoints = vec![Endpoint {
        private_dns: true,
        subnets: vec!["subnet-a".to_owned(), "subnet-b".to_owned()],
        groups: vec!["sg-ours".to_owned()],
        ..endpoint("vpce-9", &[])
    }];
    let mut settings = cast_ai_settings();
    settings.services.truncate(1);
    let attached = configuration(&facts, &settings, &rules);
    assert_eq!(attached.existing["rest-api"].group, Some("cast-ai"));
    let association = "aws_vpc_endpoint_security_group_association.existing[rest-api]".to_owned();
    assert!(imported(&attached).contains(&(association, "vpce-9/sg-ours")), "{:?}", imported(&attached));
    assert!(imported(&attached).contains(&("aws_security_group.endpoints[cast-ai]".to_owned(), "sg-ours")));
}
