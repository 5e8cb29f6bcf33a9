//! Machines that pass files to each other because none of them reaches everything.

use lab::address;
use lab::dns::{Behaviour, EVERY_NAME};
use lab::host::Lab;
use lab::registry::image::Recipe;
use serde_json::{Value, json};

use crate::harness::{
    AGENT, MIRROR, QUICK, assert_stderr_contains, castai_images, castai_workloads, clear_traffic, ecr_state,
    first_images, kubectl, mirrored_digest, our_writes, own_lab, parse_json, plugin,
    plugin_without_kubeconfig, publish, read_json_file, shared_lab, snapshot_value, sync, traffic,
    wait_until_ready, write_file,
};

const SYNC: &str = "sync-images";

/// Only the cluster can be resolved.
fn resolve_only_the_cluster(lab: &Lab) {
    let records = json!({
        EVERY_NAME: Behaviour::NameError,
        address::API_SERVER_HOST: Behaviour::addresses(&[address::API_SERVER]),
    });
    lab.control().put("/dns/records", &records).expect("the records are removed");
}

/// Everything except the cluster can be resolved.
fn resolve_only_the_registries(lab: &Lab) {
    lab.control().post("/dns/reset", &()).expect("the records are reset");
    let path = format!("/dns/records/{}", address::API_SERVER_HOST);
    lab.control().put(&path, &Behaviour::NameError).expect("the record is removed");
}

/// Only the cluster can be resolved. Nodes resolve the registry that they pull from, which rejects all other clients.
fn resolve_only_the_cluster_while_nodes_pull(lab: &Lab) {
    resolve_only_the_cluster(lab);
    let (name, address) = address::ECR;
    lab.control()
        .put(&format!("/dns/records/{name}"), &Behaviour::addresses(&[address]))
        .expect("the record is removed");
    lab.control().put("/ecr/access", &json!({"credentials": "unrecognized"})).expect("no name is resolved");
}

#[test]
fn a_bastion_that_reaches_no_source_gets_a_hint_to_split_the_work() {
    let lab = own_lab();
    for (name, _) in address::SOURCES {
        lab.control().put(&format!("/dns/records/{name}"), &Behaviour::NameError).expect("a record");
    }
    let hint = "hint: copy the images on a machine that reaches ghcr.io, registry-1.docker.io, us-docker.pkg.dev: `sync-images \
                --no-mirror --no-rewrite --inventory FILE` here, ";
    for flags in [&["--dry-run"][..], &["--yes"]] {
        let output = plugin(&lab, 1, &[&[SYNC], QUICK, flags].concat());
        assert_stderr_contains(
            &output,
            &["ghcr.io cannot be reached", hint, "--no-mirror --lock FILE` here"],
        );
    }
    // One source that is down is another problem.
    lab.control().post("/dns/reset", &()).expect("the records are reset");
    lab.control().put("/dns/records/ghcr.io", &Behaviour::NameError).expect("a record");
    let output = plugin(&lab, 1, &[&[SYNC], QUICK, &["--dry-run"]].concat());
    assert!(!output.stderr.contains("--inventory"), "{}", output.stderr);
}

#[test]
fn three_machines_share_the_work() {
    let lab = own_lab();
    resolve_only_the_cluster(&lab);
    let output = plugin(&lab, 0, &[SYNC, "--no-mirror", "--no-rewrite", "--inventory", "inventory.json"]);
    assert_eq!(output.stderr, "", "there are no warnings about registries");
    let inventory = read_json_file(&lab, "inventory.json");
    snapshot_value("inventory-file", inventory.clone());
    assert_eq!(inventory["kind"], "Inventory");
    assert_eq!(inventory["images"].as_array().unwrap().len(), 5);
    let cluster = &inventory["clusters"][0];
    assert_eq!(
        (&cluster["account"], &cluster["region"]),
        (&json!(address::ACCOUNT), &json!(address::REGION))
    );

    resolve_only_the_registries(&lab);
    let inventory = ["--no-discover", "--inventory", "inventory.json"];
    let dry = [&[SYNC, "--no-rewrite", "--dry-run", "-o", "name"], &inventory[..]].concat();
    let planned = plugin_without_kubeconfig(&lab, &dry, "");
    assert_eq!(planned.code, Some(0), "{}", planned.stderr);
    assert_eq!(planned.stdout.lines().count(), 5, "{}", planned.stdout);
    let mirror = [&[SYNC, "--no-rewrite", "--yes", "--lock", "lock.json"], &inventory[..]].concat();
    let mirrored = plugin_without_kubeconfig(&lab, &mirror, "");
    assert_eq!(mirrored.code, Some(0), "{}", mirrored.stderr);
    assert!(!mirrored.stderr.contains("context: "), "no cluster is connected: {}", mirrored.stderr);
    for image in first_images() {
        assert!(mirrored_digest(&lab, &image).is_some(), "{image}");
    }
    let locked = read_json_file(&lab, "lock.json");
    snapshot_value("lock-file", locked.clone());
    assert_eq!(locked["kind"], "Lock");
    let digests = locked["destinations"][0]["images"].as_array().unwrap();
    assert_eq!(digests.len(), 5);
    for locked in digests {
        let image = locked["source"].as_str().unwrap();
        assert_eq!(locked["digest"].as_str(), mirrored_digest(&lab, image).as_deref(), "{image}");
    }

    resolve_only_the_cluster_while_nodes_pull(&lab);
    assert!(our_writes(&lab).is_empty(), "the cluster has got no requests");
    let rewrite = [SYNC, "--no-mirror", "--lock", "lock.json"];
    let dry = plugin(&lab, 0, &[&rewrite[..], &["--dry-run"]].concat());
    assert_eq!(dry.stdout.matches("image updated (server dry run)").count(), 7, "{}", dry.stdout);
    let rewritten = plugin(&lab, 0, &[&rewrite[..], &["--yes"]].concat());
    assert_eq!(rewritten.stdout.matches("image updated").count(), 5, "{}", rewritten.stdout);
    wait_until_ready(&lab);
    assert!(castai_images(&lab).values().all(|image| image.starts_with(MIRROR)));
    let again = plugin(&lab, 0, &rewrite);
    assert!(again.stdout.starts_with("up to date"), "{}", again.stdout);
}

/// Without its source, an image in the registry cannot be compared. It holds nothing back, with and without a lock.
#[test]
fn an_image_of_unknown_source_is_named_and_its_workload_is_rewritten() {
    let lab = own_lab();
    sync(&lab, 0, &["--lock", "lock.json"]);
    let flat = format!("{MIRROR}/castai-agent");
    publish(&lab, &format!("{AGENT}:v1"), &Recipe::default());
    let set = ["set", "image", "-n", "castai-agent", "deployment/castai-agent"];
    let (agent, monitor) = (format!("agent={AGENT}:v0.161.1"), format!("monitor={flat}:v1"));
    kubectl(&lab, &[&set[..], &[&monitor]].concat());
    let map = format!("{flat}={AGENT}");
    sync(&lab, 0, &["--map", &map]);
    kubectl(&lab, &[&set[..], &[&agent]].concat());

    let last = format!(
        "error: incomplete: public tags not checked: 1 image: unknown source of {flat}:v1: add --map {map}"
    );
    for from in [&[][..], &["--no-mirror", "--lock", "lock.json"]] {
        let output = plugin(&lab, 1, &[&[SYNC, "--dry-run"], from].concat());
        assert!(output.stdout.contains("image updated (server dry run)"), "{from:?}: {}", output.stdout);
        assert!(!output.stdout.contains("held back"), "{from:?}: {}", output.stdout);
        assert_eq!(output.stderr.lines().last(), Some(last.as_str()), "{from:?}");
    }
    let upstream = plugin(&lab, 1, &["status", "--upstream"]);
    let last = upstream.stderr.lines().last().unwrap();
    assert!(last.contains("public tags not checked: 1 image: unknown source of "), "{last}");
    let output = plugin(&lab, 0, &[SYNC, "--yes", "--map", &map]);
    assert!(output.stderr.lines().last().unwrap().starts_with("done: "), "{}", output.stderr);
    plugin(&lab, 0, &["status", "--upstream", "--map", &map]);
}

/// The registry's content is verified and the nodes need it, but the lock does not claim that it is current.
#[test]
fn a_lock_says_which_images_were_not_compared_with_their_sources() {
    let lab = own_lab();
    sync(&lab, 0, &["--lock", "lock.json"]);
    let entries = |lab: &Lab| read_json_file(lab, "lock.json")["destinations"][0]["images"].clone();
    let before = entries(&lab);
    let silent = json!({"host": "ghcr.io", "action": {"kind": "silence"}});
    lab.control().post("/source/faults", &silent).unwrap();
    sync(&lab, 1, &["--no-rewrite", "--lock", "lock.json", "--idle-timeout=5s"]);
    let after = entries(&lab);
    for (before, after) in before.as_array().unwrap().iter().zip(after.as_array().unwrap()) {
        let source = after["source"].as_str().unwrap();
        assert_eq!((&before["source"], &before["digest"]), (&after["source"], &after["digest"]));
        assert!(before["notCompared"].is_null(), "{before}");
        let cause = after["notCompared"].as_str().unwrap_or_default();
        assert_eq!(cause.contains("ghcr.io cannot be reached"), source.starts_with("ghcr.io/"), "{after}");
    }
    // A machine that only reads the lock says so, too.
    let read = sync(&lab, 1, &["--no-mirror", "--lock", "lock.json"]);
    let verified = after[0]["verified"].as_str().unwrap().split('.').next().unwrap();
    let last =
        format!("error: incomplete: public tags not checked: 3 images: at {verified}Z: ghcr.io cannot be");
    assert!(read.stderr.lines().last().unwrap().starts_with(&last), "{}", read.stderr);
}

#[test]
fn a_reviewed_plan_is_executed_on_another_machine() {
    let lab = own_lab();
    let printed = parse_json(&plugin(&lab, 0, &[SYNC, "--dry-run", "--plan", "plan.json", "-o", "json"]));
    assert_eq!(read_json_file(&lab, "plan.json"), printed, "the file has the printed content");
    assert!(our_writes(&lab).is_empty());

    resolve_only_the_registries(&lab);
    let plan = ["--no-discover", "--plan", "plan.json", "--yes"];
    let mirrored = plugin_without_kubeconfig(&lab, &[&[SYNC, "--no-rewrite"], &plan[..]].concat(), "");
    assert_eq!(mirrored.code, Some(0), "{}", mirrored.stderr);
    assert_eq!(mirrored.stdout.matches(" copied").count(), 5, "{}", mirrored.stdout);
    for image in first_images() {
        assert!(mirrored_digest(&lab, &image).is_some(), "{image}");
    }

    // On a machine that reaches both, the same plan also rewrites. Its images are up to date, so nothing is copied again.
    lab.control().post("/dns/reset", &()).expect("the records are reset");
    clear_traffic(&lab);
    plugin(&lab, 0, &[&[SYNC], &plan[..]].concat());
    let uploads = |record: &lab::registry::traffic::Record| record.path.contains("/blobs/uploads");
    assert!(!traffic(&lab, "ecr").iter().any(uploads), "existing blobs are not uploaded again");
    wait_until_ready(&lab);
    assert!(castai_images(&lab).values().all(|image| image.starts_with(MIRROR)));
}

#[test]
fn invalid_files_are_rejected_before_any_change() {
    let lab = shared_lab();
    let before = castai_workloads(lab);
    let version =
        parse_json(&plugin(lab, 0, &[SYNC, "--no-mirror", "--no-rewrite", "-o", "json"]))["apiVersion"]
            .clone();
    let value = |kind: &str, version: &Value| json!({"apiVersion": version, "kind": kind}).to_string();
    write_file(lab, "inventory-of-another.json", &value("Inventory", &json!("privatelink.cast.ai/v99")));
    write_file(lab, "inventory.json", &value("Inventory", &version));
    write_file(lab, "lock.json", &value("Lock", &version));
    write_file(lab, "cut.json", &value("Plan", &version)[..20]);
    write_file(lab, "foreign.json", "[1, 2]");
    write_file(lab, "empty-lock.json", &{
        let created = "2026-01-01T00:00:00Z";
        json!({"apiVersion": version, "kind": "Lock", "created": created, "destinations": []}).to_string()
    });
    let cases: [(&[&str], &str); 9] = [
        (
            &["--no-mirror", "--lock", "inventory.json"],
            "invalid file inventory.json: expected Lock, found Inventory",
        ),
        (&["--no-mirror", "--lock", "lock.json"], "invalid file lock.json: missing field"),
        (&["--no-mirror", "--lock", "empty-lock.json"], "the lock has no destination"),
        (
            &["--no-mirror", "--lock", "foreign.json"],
            "invalid file foreign.json: expected Lock, found a document without kind",
        ),
        (&["--no-mirror", "--lock", "nowhere.json"], "nowhere.json: No such file"),
        (
            &["--no-discover", "--inventory", "lock.json"],
            "invalid file lock.json: expected Inventory, found Lock",
        ),
        (&["--no-discover", "--inventory", "inventory-of-another.json"], "found privatelink.cast.ai/v99"),
        (&["--no-discover", "--plan", "cut.json"], "cut.json is not valid JSON"),
        (
            &["--no-discover", "--plan", "inventory.json"],
            "invalid file inventory.json: expected Plan, found Inventory",
        ),
    ];
    for (flags, words) in cases {
        let output = plugin(lab, 2, &[&[SYNC, "--yes"], flags].concat());
        assert!(output.stderr.contains(words), "{flags:?}: {}", output.stderr);
        assert!(output.stderr.starts_with("error: "), "{flags:?}: {}", output.stderr);
        assert_eq!(output.stdout, "", "{flags:?}");
    }
    assert_eq!(castai_workloads(lab), before);
    assert!(our_writes(lab).is_empty());
    assert!(ecr_state(lab).repositories.keys().all(|name| !name.contains("castai/")));
}
