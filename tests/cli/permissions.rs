//! The printed permissions are sufficient, and each of them is needed.

use std::collections::BTreeSet;

use lab::address::{ACCOUNT, REGION};
use lab::host::Lab;
use serde_json::{Value, json};

use crate::harness::{
    AGENT, ECR, PATH, apply, assert_stderr_contains, clear_traffic, complete_lab, define_custom_resource,
    ecr_digest, ecr_state, first_images, kubeconfig_flag, mirrored_tags, own_lab, parse_json, plugin,
    shared_lab, sync, traffic, wait_until_ready, write_file,
};

/// Applies the output of `permissions rbac` without the rules for which `is_skipped` is true.
fn grant(lab: &Lab, user: &str, flags: &[&str], is_skipped: impl Fn(&Value) -> bool) {
    let subject = format!("--subject=user:{user}");
    let printed = plugin(lab, 0, &[&["permissions", "rbac", "-o", "json", &subject], flags].concat());
    let mut list = parse_json(&printed);
    for item in list["items"].as_array_mut().unwrap() {
        // Several users in one cluster, each with separate roles.
        item["metadata"]["name"] = format!("castai-privatelink-{user}").into();
        if item.get("roleRef").is_some() {
            item["roleRef"]["name"] = format!("castai-privatelink-{user}").into();
        } else {
            item["rules"].as_array_mut().unwrap().retain(|rule| !is_skipped(rule));
        }
    }
    apply(lab, &list);
}

/// Actions that ECR received since the last reset.
fn actions(lab: &Lab) -> BTreeSet<String> {
    let operations = traffic(lab, "ecr").into_iter().filter_map(|record| record.operation);
    operations.map(|operation| format!("ecr:{operation}")).collect()
}

/// The actions in the optional statements of a policy, or in its other statements.
fn policy(lab: &Lab, flags: &[&str], optional: bool) -> BTreeSet<String> {
    let policy = parse_json(&plugin(lab, 0, &[&["permissions", "iam"], flags].concat()));
    let statements = policy["Statement"].as_array().unwrap().iter();
    statements
        .filter(|statement| statement["Sid"].as_str().unwrap().starts_with("Optional") == optional)
        .flat_map(|statement| statement["Action"].as_array().unwrap())
        .map(|action| action.as_str().unwrap().to_owned())
        .filter(|action| action.starts_with("ecr:"))
        .collect()
}

#[test]
fn the_printed_roles_are_sufficient_and_the_printed_policy_matches_the_calls() {
    let lab = complete_lab();
    // The same text that a user pipes into kubectl.
    let script = "kubectl castai-privatelink permissions rbac --subject user:operator | kubectl apply -f -";
    let applied = lab.run("bash", &["-c", script]).unwrap();
    assert_eq!(applied.code, Some(0), "{}", applied.stderr);
    for object in ["clusterrole.", "clusterrolebinding.", "role.", "rolebinding."] {
        assert!(applied.stdout.lines().any(|line| line.starts_with(object)), "{}", applied.stdout);
    }
    let operator = kubeconfig_flag(&lab, "operator");
    clear_traffic(&lab);
    let report = parse_json(&plugin(&lab, 0, &["preflight", "-o", "json", &operator]));
    let full = parse_json(&plugin(&lab, 0, &["preflight", "-o", "json"]));
    assert_eq!(report["counts"], full["counts"], "the operator can read everything");
    let dry = plugin(&lab, 0, &["sync-images", "--dry-run=client", &operator]);
    assert!(!dry.stderr.contains("cannot list"), "{}", dry.stderr);
    let seen = actions(&lab);
    let (required, optional) = (policy(&lab, &["--read-only"], false), policy(&lab, &["--read-only"], true));
    assert!(seen.is_subset(&(&required | &optional)), "{seen:?}");

    // Without the optional permissions, everything is done too.
    let denied: Vec<_> =
        policy(&lab, &[], true).iter().map(|action| action["ecr:".len()..].to_owned()).collect();
    lab.control().put("/ecr/access", &json!({"denied": denied})).unwrap();
    clear_traffic(&lab);
    let done = sync(&lab, 0, &[&operator]);
    assert!(!done.stderr.contains("Forbidden"), "{}", done.stderr);
    // The lab treats the only request for a layer as its completion; AWS also counts it as a part.
    let mut used = &actions(&lab) - &policy(&lab, &[], true);
    used.insert("ecr:UploadLayerPart".to_owned());
    assert_eq!(used, policy(&lab, &[], false), "each required action is used");

    // With the policy, no other action is called.
    lab.control().put("/ecr/access", &json!({})).unwrap();
    sync(&lab, 0, &[&operator, "--lock=lock.json", "-o", "wide"]);
    let all = &policy(&lab, &[], true) | &policy(&lab, &[], false);
    assert!(actions(&lab).is_subset(&all), "{:?}", &actions(&lab) - &all);
}

/// ECR allows the caller exactly what the printed policy allows.
fn attach_policy(lab: &Lab, flags: &[&str]) {
    let account = [&format!("--account={ACCOUNT}")[..], &format!("--region={REGION}")];
    let printed = plugin(lab, 0, &[&["permissions", "iam"], &account[..], flags].concat());
    lab.control().put("/ecr/access", &json!({"policy": parse_json(&printed)})).unwrap();
}

/// Repositories outside of the mirror's path, with their content.
fn outside(lab: &Lab) -> Value {
    let is_outside = |name: &str| !name.starts_with(&format!("{PATH}/"));
    let repositories = ecr_state(lab).repositories.into_iter();
    repositories
        .filter(|(name, _)| is_outside(name))
        .map(|(name, existing)| (name, json!(existing)))
        .collect()
}

#[test]
fn the_printed_policy_is_sufficient_and_allows_nothing_outside_of_our_path() {
    let lab = &complete_lab();
    lab.control().put("/ecr/settings", &json!({"blob_mounting": true})).unwrap();
    let others = outside(lab);
    let all_checks = parse_json(&plugin(lab, 0, &["preflight", "-o", "json"]))["counts"].clone();
    let assert_preflight = || {
        let report = parse_json(&plugin(lab, 0, &["preflight", "-o", "json"]));
        assert_eq!(report["counts"], all_checks, "the policy allows all its requests");
    };

    attach_policy(lab, &["--read-only"]);
    assert_preflight();
    plugin(lab, 0, &["sync-images", "--dry-run"]);
    let refused = sync(lab, 1, &["--no-rewrite"]);
    let repositories = format!("arn:aws:ecr:{REGION}:{ACCOUNT}:repository");
    assert_stderr_contains(
        &refused,
        &[
            &format!("access denied for ecr:CreateRepository on {repositories}/…"),
            "\n  castai/hibernate:v0.14\n",
        ],
    );
    assert_eq!(json!(ecr_state(lab).repositories), others, "the policy of a dry run allows no writes");

    attach_policy(lab, &[]);
    // On all other paths, the same caller cannot even read.
    for path in ["", "/shop", &format!("/{PATH}-2"), &format!("/shop/{PATH}")] {
        let registry = format!("--registry={ECR}{path}");
        let refused = sync(lab, 1, &["--no-rewrite", &registry]);
        assert_stderr_contains(
            &refused,
            &[
                &format!("access denied for ecr:ListImages on {repositories}/…"),
                "\n  castai/hibernate:v0.14\n",
            ],
        );
        let blind = plugin(lab, 1, &["preflight", "--only=CPL303", &registry]);
        assert!(blind.stdout.contains("no permission for ecr:ListImages"), "{}", blind.stdout);
    }
    assert_eq!(outside(lab), others);

    // A complete run of every command that uses ECR.
    sync(lab, 0, &["--lock=lock.json", "-o", "wide"]);
    wait_until_ready(lab);
    assert_eq!(mirrored_tags(lab), first_images().into());
    assert!(sync(lab, 0, &[]).stdout.starts_with("up to date"));
    assert_preflight();
    plugin(lab, 0, &["status", "--upstream"]);
    plugin(lab, 0, &["values", "policy"]);
    assert_eq!(outside(lab), others);

    // The policy is the reason: without it, the root of the registry works like any path.
    lab.control().put("/ecr/access", &json!({})).unwrap();
    let agent = format!("{AGENT}:v0.161.1");
    let spec = json!({"containers": [{"name": "agent", "image": agent}]});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "agent"}, "spec": spec});
    write_file(lab, "pod.json", &pod.to_string());
    let root = format!("--registry={ECR}");
    sync(lab, 0, &["--no-discover", "--no-rewrite", "-f", "pod.json", &root]);
    assert!(ecr_digest(lab, &agent).is_some(), "{agent} is at the root");
}

#[test]
fn without_each_required_rule_a_command_fails() {
    let lab = complete_lab();
    let names = |rule: &Value, resource: &str, verb: &str| {
        let has = |list: &str, word: &str| rule[list].as_array().unwrap().iter().any(|found| found == word);
        has("resources", resource) && has("verbs", verb)
    };
    let cases = [
        ("apps", "deployments", "list", "cannot list deployments.apps"),
        ("batch", "cronjobs", "list", "cannot list cronjobs.batch"),
        ("core", "pods", "list", "cannot list pods"),
        ("nodes", "nodes", "list", "cannot list nodes"),
        ("patch", "deployments", "patch", "cannot patch resource \"deployments\""),
        ("cron", "cronjobs", "patch", "cannot patch resource \"cronjobs\""),
    ];
    for (user, resource, verb, words) in cases {
        grant(&lab, user, &[], |rule| names(rule, resource, verb));
        let run = lab.plugin(&["sync-images", "--dry-run", &kubeconfig_flag(&lab, user)]).unwrap();
        assert!(run.stderr.contains(words), "{user}: {}{}", run.stdout, run.stderr);
    }
    // The read-only role cannot change anything.
    grant(&lab, "looker", &["--read-only"], |_| false);
    let looker = kubeconfig_flag(&lab, "looker");
    plugin(&lab, 0, &["sync-images", "--dry-run=client", &looker]);
    plugin(&lab, 0, &["preflight", &looker]);
    let refused = sync(&lab, 1, &["--no-mirror", &looker]);
    assert_stderr_contains(&refused, &["not found in the registry, and --no-mirror"]);
    assert_stderr_contains(
        &plugin(&lab, 1, &["sync-images", "--dry-run", &looker]),
        &["cannot patch resource"],
    );
}

#[test]
fn the_custom_resources_of_a_knowledge_file_are_in_the_printed_roles() {
    let lab = own_lab();
    define_custom_resource(&lab, "castai.example", "widgets", "Widget", "Namespaced");
    let resources =
        json!([{"group": "castai.example", "kind": "Widget", "fields": ["/spec"], "purpose": "ours"}]);
    write_file(&lab, "knowledge.yaml", &json!({"resources": resources}).to_string());
    let knowledge = "--knowledge=knowledge.yaml";
    grant(&lab, "without", &["--read-only"], |_| false);
    grant(&lab, "with", &["--read-only", knowledge], |_| false);
    let unlisted = plugin(&lab, 1, &["images", knowledge, &kubeconfig_flag(&lab, "without")]);
    assert_stderr_contains(&unlisted, &["incomplete: cannot list widgets.castai.example"]);
    plugin(&lab, 0, &["images", knowledge, &kubeconfig_flag(&lab, "with")]);
    let table = plugin(&lab, 0, &["permissions", knowledge]).stdout;
    assert!(table.lines().any(|line| line.starts_with("widgets.castai.example ")), "{table}");
    plugin(&lab, 2, &["permissions", "rbac", "--knowledge=nowhere.yaml"]);
}

#[test]
fn permissions_are_printed_in_each_format() {
    let lab = shared_lab();
    let table = plugin(lab, 0, &["permissions"]).stdout;
    for words in ["deployments.apps", "ecr:PutImage", "secrets", "optional"] {
        assert!(table.contains(words), "{table}");
    }
    assert!(!plugin(lab, 0, &["permissions", "--read-only"]).stdout.contains("patch"));
    let all = parse_json(&plugin(lab, 0, &["permissions", "-o", "json"]));
    assert!(all["kubernetes"].as_array().unwrap().len() > 5 && all["aws"].as_array().unwrap().len() > 5);
    assert!(plugin(lab, 0, &["permissions", "-o", "yaml"]).stdout.contains("action: ecr:PutImage"));
    let rbac = plugin(lab, 0, &["permissions", "rbac", "-n", "elsewhere", "--subject=group:a b"]).stdout;
    assert!(
        rbac.contains("namespace: \"elsewhere\"") && rbac.contains("\"a b\"") && rbac.contains("# "),
        "{rbac}"
    );
    let account = ["permissions", "iam", "--account=123456789012", "--region=eu-west-1"];
    let iam = plugin(lab, 0, &account).stdout;
    assert!(iam.contains("arn:aws:ecr:eu-west-1:123456789012:repository/castai-privatelink/*"), "{iam}");
    assert_stderr_contains(
        &plugin(lab, 2, &["permissions", "rbac", "--subject=me"]),
        &["--subject", "group:NAME"],
    );
}
