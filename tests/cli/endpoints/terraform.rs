//! `endpoints terraform`: the code is checked by `tofu`, with a provider that has the schema of the resources used.

use std::collections::{BTreeMap, BTreeSet};

use lab::address::VPC_ID;
use lab::aws::{CLUSTER_GROUP, SUBNETS, cast_ai_services};
use lab::host::Lab;
use serde_json::{Value, json};

use super::{allowed, plan};
use crate::harness::{
    QUICK, assert_stderr_contains, own_lab, plugin, read_json_file, snapshot_text, sync, write_file,
};

const TERRAFORM: [&str; 2] = ["endpoints", "terraform"];

fn generate(lab: &Lab, code: i32, flags: &[&str]) -> lab::host::Output {
    plugin(lab, code, &[&TERRAFORM, QUICK, flags].concat())
}

/// Runs `OpenTofu` in a folder of the lab's home.
fn tofu(lab: &Lab, folder: &str, command: &str) {
    let script = format!(
        "printf 'provider_installation {{\\n dev_overrides {{\\n \"hashicorp/aws\" = \"%s\"\\n }}\\n}}' \
         \"$(dirname \"$(command -v terraform-provider-aws)\")\" >$HOME/tofu.rc; export TF_CLI_CONFIG_FILE=$HOME/tofu.rc \
         TF_INPUT=0 CHECKPOINT_DISABLE=1; cd $HOME/{folder} && {command}"
    );
    let output = lab.run("sh", &["-c", &script]).unwrap();
    assert_eq!(output.code, Some(0), "{command}\n{}\n{}", output.stdout, output.stderr);
}

/// What Terraform would do: the actions and values of each resource, by address in the module.
fn changes(lab: &Lab, folder: &str) -> BTreeMap<String, Value> {
    tofu(
        lab,
        folder,
        "tofu fmt -check -diff -recursive && tofu get && tofu validate && tofu plan -out=plan && tofu show -json plan \
         >plan.json",
    );
    let planned = read_json_file(lab, &format!("{folder}/plan.json"));
    let changes = planned["resource_changes"].as_array().unwrap().iter();
    let name = |change: &Value| {
        change["address"].as_str().unwrap().strip_prefix("module.castai_privatelink.").unwrap().to_owned()
    };
    changes.map(|change| (name(change), change["change"].clone())).collect()
}

fn with(changes: &BTreeMap<String, Value>, prefix: &str) -> Vec<Value> {
    let found = changes.iter().filter(|(address, _)| address.starts_with(prefix));
    found.map(|(_, change)| change["after"].clone()).collect()
}

#[test]
fn the_code_for_a_new_vpc_creates_what_create_would() {
    let lab = own_lab();
    let images = plugin(&lab, 0, &["images", "-o", "json"]);
    write_file(&lab, "inventory.json", &images.stdout);
    let flags = ["--with-aws-endpoints", "--inventory=inventory.json"];
    generate(&lab, 0, &[&flags[..], &["--out=new"]].concat());
    let changes = changes(&lab, "new");
    assert!(changes.values().all(|change| change["actions"] == json!(["create"])), "{changes:#?}");
    // The same endpoints, in the same subnets, as the plan.
    let planned = plan(&lab, 0, &["--with-aws-endpoints"]);
    let endpoints =
        |values: Vec<Value>| -> BTreeSet<String> { values.iter().map(Value::to_string).collect() };
    let of_plan = planned["actions"].as_array().unwrap().iter();
    let of_plan = of_plan.filter(|action| action["type"] == "createEndpoint").map(|action| {
        let has_subnets = !action["isGateway"].as_bool().unwrap();
        json!([
            action["serviceName"],
            if has_subnets { action["subnets"].clone() } else { action["routeTables"].clone() },
            if has_subnets { action["privateDns"].clone() } else { Value::Null },
        ])
    });
    let of_code = with(&changes, "aws_vpc_endpoint.").into_iter().map(|endpoint| {
        let is_interface = endpoint["vpc_endpoint_type"] == "Interface";
        let places = if is_interface { &endpoint["subnet_ids"] } else { &endpoint["route_table_ids"] };
        json!([endpoint["service_name"], places, endpoint["private_dns_enabled"]])
    });
    assert_eq!(endpoints(of_code.collect()), endpoints(of_plan.collect()));
    let rules = with(&changes, "aws_vpc_security_group_ingress_rule.https");
    let sources = rules.iter().map(|rule| (&rule["cidr_ipv4"], &rule["referenced_security_group_id"]));
    assert_eq!(
        sources.collect::<Vec<_>>(),
        [(&json!("10.0.0.0/16"), &Value::Null), (&Value::Null, &json!(CLUSTER_GROUP))]
    );
    assert_eq!(with(&changes, "aws_ec2_tag.routable[").len(), 2);
    assert_eq!(with(&changes, "aws_ecr_repository.images").len(), 5);
    tofu(&lab, "new/modules/castai-privatelink", "tofu test");

    // What is printed is what is written, and files of others are not replaced.
    let printed = generate(&lab, 0, &flags);
    snapshot_text("endpoints-terraform-main", main_of(&printed.stdout));
    let again = generate(&lab, 0, &[&flags[..], &["--out=new"]].concat());
    assert_stderr_contains(&again, &["up to date: "]);
    assert_eq!(again.stdout, "");
    write_file(&lab, "new/main.tf", "# mine\n");
    let refused = generate(&lab, 2, &["--out=new"]);
    assert_stderr_contains(&refused, &["new/main.tf exists and differs; nothing was written", "--overwrite"]);
    let replaced = generate(&lab, 0, &[&flags[..], &["--out=new", "--overwrite"]].concat());
    assert_eq!(replaced.stdout, "new/main.tf\n");

    // Repositories that exist are imported.
    sync(&lab, 0, &[]);
    generate(&lab, 0, &[&flags[..], &["--out=mirrored"]].concat());
    let mirrored = self::changes(&lab, "mirrored");
    let imported = mirrored.iter().filter(|(_, change)| change["importing"].is_object());
    assert_eq!(imported.filter(|(address, _)| address.starts_with("aws_ecr_repository")).count(), 5);
    let removed = mirrored.values().filter(|change| change["actions"].to_string().contains("delete"));
    assert_eq!(removed.count(), 0);
    keeps_settings_of_repositories(&lab, &mirrored);
}

/// Another encryption would replace a repository and delete its images: once Terraform has read what exists, the code changes
/// none of its settings.
fn keeps_settings_of_repositories(lab: &Lab, mirrored: &BTreeMap<String, Value>) {
    let names = with(mirrored, "aws_ecr_repository.images").into_iter().map(|after| after["name"].clone());
    let (encryption, scanning) =
        (json!([{"encryption_type": "KMS", "kms_key": "arn:aws:kms:x"}]), json!([{"scan_on_push": true}]));
    let instances: Vec<_> = names
        .map(|name| {
            json!({"index_key": name, "schema_version": 0, "attributes": {
                "id": name, "name": name, "arn": null, "force_delete": null, "registry_id": null,
                "repository_url": null, "tags": null, "tags_all": null, "image_tag_mutability": "IMMUTABLE",
                "encryption_configuration": encryption, "image_scanning_configuration": scanning}})
        })
        .collect();
    let state = json!({"version": 4, "terraform_version": "1.9.0", "serial": 1, "lineage": "lab", "outputs": {},
        "resources": [{"module": "module.castai_privatelink", "mode": "managed", "type": "aws_ecr_repository",
            "name": "images", "provider": "provider[\"registry.opentofu.org/hashicorp/aws\"]",
            "instances": instances}]});
    write_file(lab, "mirrored/terraform.tfstate", &state.to_string());
    let repositories = with(&changes(lab, "mirrored"), "aws_ecr_repository.images");
    assert_eq!(repositories.len(), 5);
    for after in repositories {
        let settings = ["image_tag_mutability", "encryption_configuration", "image_scanning_configuration"];
        let settings = settings.map(|name| &after[name]);
        assert_eq!(settings, [&json!("IMMUTABLE"), &encryption, &scanning], "{after:#}");
    }
}

/// The text of `main.tf` among the printed files.
fn main_of(printed: &str) -> &str {
    let (_, rest) = printed.split_once("# Source: main.tf\n").unwrap();
    rest.split_once("# Source: ").unwrap().0
}

#[test]
fn what_exists_is_imported_or_gets_what_it_lacks() {
    let lab = own_lab();
    plugin(&lab, 0, &[&["endpoints", "create", "--yes", "--with-aws-endpoints"], QUICK].concat());
    lab.control().delete("/aws/requests").unwrap();
    generate(&lab, 0, &["--with-aws-endpoints", "--out=ours"]);
    let requests: Vec<Value> = lab.control().get("/aws/requests").unwrap();
    let called: BTreeSet<_> =
        requests.iter().map(|request| request["action"].as_str().unwrap().to_owned()).collect();
    let called: BTreeSet<_> = called.into_iter().filter(|action| action != "GetCallerIdentity").collect();
    assert_eq!(called, allowed(&lab, &["--read-only"]), "it only reads");
    let ours = changes(&lab, "ours");
    for (address, change) in &ours {
        assert!(change["importing"].is_object(), "{address} is imported: {change:#}");
        assert!(!change["actions"].to_string().contains("delete"), "{address}");
    }
    // 11 endpoints, 2 groups with a rule each, 2 tags of 2 subnets.
    assert_eq!(ours.len(), 11 + 4 + 4);

    let lab = own_lab();
    let theirs = json!({"Action": "CreateVpcEndpoint", "VpcId": VPC_ID, "VpcEndpointType": "Interface",
        "ServiceName": cast_ai_services()[0].0, "SubnetId.1": SUBNETS[0].0, "SecurityGroupId.1": CLUSTER_GROUP,
        "PrivateDnsEnabled": "false"});
    lab.control().post("/aws/ec2", &theirs).unwrap();
    generate(&lab, 0, &["--out=theirs"]);
    let theirs = changes(&lab, "theirs");
    assert!(theirs.values().all(|change| change["actions"] == json!(["create"])), "{theirs:#?}");
    assert!(!theirs.contains_key("aws_vpc_endpoint.interface[\"rest-api\"]"));
    let added = with(&theirs, "aws_vpc_endpoint_subnet_association.existing");
    assert_eq!(added[0]["subnet_id"], SUBNETS[1].0);
    assert_eq!(with(&theirs, "aws_vpc_endpoint_private_dns.existing").len(), 1);
}

#[test]
fn a_problem_is_an_error_and_the_rest_is_code() {
    let lab = own_lab();
    super::aws(&lab, "endpoint-states", &json!({"rest-api": "rejected"}));
    plugin(&lab, 1, &[&["endpoints", "create", "--yes"], QUICK].concat());
    let partial = generate(&lab, 1, &["--out=partial"]);
    assert_stderr_contains(&partial, &["error: rest-api: Cast AI rejected vpce-", "hint: "]);
    let main = std::fs::read_to_string(lab.folder().home().join("partial/main.tf")).unwrap();
    assert!(main.contains("# No endpoint for rest-api: Cast AI rejected vpce-"), "{main}");
    let partial = changes(&lab, "partial");
    assert_eq!(with(&partial, "aws_vpc_endpoint.interface").len(), 5);
}
