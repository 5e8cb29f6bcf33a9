//! `sync-images` without failures.

mod attestations;
mod discovery;
mod private_names;

use lab::address;
use lab::host::Lab;
use lab::registry::fixture;
use lab::registry::image::{Recipe, generate};
use lab::settings::Fixture;
use serde_json::{Value, json};

use self::private_names::{flat_names_need_a_map, upgrade_by_private_name};
use crate::harness::{
    AGENT, CONTROLLER, ECR, HIBERNATE, KVISOR, MIRROR, PATH, SCANNERS, apply, assert_stderr_contains,
    castai_images, castai_workloads, clear_traffic, container_image, ecr_state, ecr_writes, empty_lab,
    first_images, kubectl, kubectl_json, mirrored_digest, mirrored_tags, other_workloads, our_writes,
    own_lab, parse_json, plugin, publish, recorded_images, run_with_input, shared_lab, traffic,
    wait_until_ready, write_file,
};

const SYNC: &str = "sync-images";

#[test]
fn a_dry_run_shows_the_plan_and_changes_nothing() {
    let lab = shared_lab();
    let (castai, others) = (castai_workloads(lab), other_workloads(lab));
    let repositories: Vec<String> = ecr_state(lab).repositories.into_keys().collect();

    let plan = parse_json(&plugin(lab, 0, &[SYNC, "--dry-run=server", "-o", "json"]));
    assert_eq!(plan["kind"], "Plan");
    let destination = &plan["destinations"][0];
    assert_eq!(destination["mirror"], json!({"registry": ECR, "prefix": PATH}));
    let images = destination["images"].as_array().expect("images");
    let seen: Vec<_> = images
        .iter()
        .map(|image| {
            assert_eq!(image["step"]["type"], "copy");
            assert_eq!(image["destination"], format!("{MIRROR}/{}", image["source"].as_str().unwrap()));
            image["source"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(seen, first_images());
    let created = [HIBERNATE, KVISOR, CONTROLLER, SCANNERS, AGENT].map(|name| format!("{PATH}/{name}"));
    assert_eq!(destination["createRepositories"], json!(created));
    let mut planned = parse_json(&plugin(lab, 0, &[SYNC, "--dry-run=client", "-o", "json"]));
    planned["created"] = plan["created"].clone();
    assert_eq!(planned, plan, "server and client dry runs have the same plan");
    let yaml = plugin(lab, 0, &[SYNC, "--dry-run", "-o", "yaml"]).stdout;
    assert!(yaml.contains("\nkind: Plan\n"), "{yaml}");

    for (mode, words) in [("server", "image updated (server dry run)"), ("client", "image updated (dry run)")]
    {
        let table = plugin(lab, 0, &[SYNC, &format!("--dry-run={mode}")]).stdout;
        assert_eq!(table.matches("to copy").count(), 5, "{table}");
        // One line per image field.
        assert_eq!(table.matches(words).count(), 7, "{table}");
    }
    let wide = plugin(lab, 0, &[SYNC, "--dry-run", "-o", "wide"]).stdout;
    assert!(wide.contains(&format!("{MIRROR}/{HIBERNATE}:v0.14")), "{wide}");
    assert!(wide.contains("in Cast AI namespace castai-agent"), "{wide}");
    let names = plugin(lab, 0, &[SYNC, "--dry-run", "-o", "name"]).stdout;
    let expected = [
        "deployment.apps/castai-agent",
        "deployment.apps/castai-kvisor-controller",
        "daemonset.apps/castai-kvisor-agent",
        "cronjob.batch/hibernate-pause",
        "cronjob.batch/hibernate-resume",
    ];
    assert_eq!(names.lines().collect::<Vec<_>>(), expected);
    let names = plugin(lab, 0, &[SYNC, "--dry-run", "--no-rewrite", "-o", "name"]).stdout;
    let expected = first_images().map(|image| format!("{MIRROR}/{image}"));
    assert_eq!(names.lines().collect::<Vec<_>>(), expected);

    // There is no terminal for a confirmation, so nothing happens without --yes.
    let refused = plugin(lab, 2, &[SYNC]);
    let would = "hint: this would copy 5 images (82.06 MB)";
    assert_stderr_contains(&refused, &["error: stdin is not a terminal: pass --yes to confirm", would]);

    assert_eq!(castai_workloads(lab), castai);
    assert_eq!(other_workloads(lab), others);
    assert_eq!(ecr_state(lab).repositories.into_keys().collect::<Vec<_>>(), repositories);
    assert!(our_writes(lab).is_empty());
}

/// The bytes that a registry of the lab has for a digest.
fn stored(lab: &Lab, registry: &str, digest: &str) -> Vec<u8> {
    let hexadecimal = digest.strip_prefix("sha256:").expect("SHA-256");
    let blobs =
        lab.folder().state().join("registry").join(registry).join("content/docker/registry/v2/blobs/sha256");
    let path = blobs.join(&hexadecimal[..2]).join(hexadecimal).join("data");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{registry} lacks {digest}: {error}"))
}

/// Every manifest and blob of the fixture's images, including attestations, is the same in ECR as at its source.
fn assert_everything_is_mirrored(lab: &Lab) {
    let state = ecr_state(lab);
    for source in fixture::sources(Fixture::FirstCluster) {
        let name = format!("{}/{}", source.host, source.repository);
        let mirrored = name.trim_start_matches("docker.io/");
        let image = generate(&name, source.tag, &source.recipe).expect("the fixture's image");
        let held = &state.repositories[&format!("{PATH}/{mirrored}")];
        let top = image.top().expect("a manifest");
        assert_eq!(held.tags.get(source.tag), Some(&top.digest), "{name}");
        assert_eq!(held.images.len(), image.manifests.len(), "{name}: nothing is added or missing");
        for manifest in &image.manifests {
            assert_eq!(held.images[&manifest.digest].media_type, manifest.media_type, "{name}");
            assert_eq!(stored(lab, "sources", &manifest.digest), manifest.bytes, "{name}");
            assert_eq!(stored(lab, "ecr", &manifest.digest), manifest.bytes, "{name}");
        }
        for blob in &image.blobs {
            assert!(held.layers.contains_key(&blob.digest), "{name}: {}", blob.digest);
            assert_eq!(stored(lab, "sources", &blob.digest), blob.bytes, "{name}");
            assert_eq!(stored(lab, "ecr", &blob.digest), blob.bytes, "{name}");
        }
    }
}

#[test]
fn a_run_mirrors_and_rewrites_and_changes_nothing_else() {
    let lab = own_lab();
    let (before, others) = (castai_images(&lab), other_workloads(&lab));
    let output = plugin(&lab, 0, &[SYNC, "--yes"]);
    assert_eq!(output.stdout.matches(" copied").count(), 5, "{}", output.stdout);
    assert_eq!(output.stdout.matches(" image updated").count(), 5, "{}", output.stdout);
    for line in ["copying 5 images", "deployment.apps/castai-agent: "] {
        assert!(output.stderr.contains(line), "{}", output.stderr);
    }
    wait_until_ready(&lab);
    assert_everything_is_mirrored(&lab);

    let expected = before.iter().map(|(key, image)| (key.clone(), format!("{MIRROR}/{image}"))).collect();
    assert_eq!(castai_images(&lab), expected);
    let agent = format!("{AGENT}:v0.161.1");
    let entry = |image: &str| json!({"from": image, "to": format!("{MIRROR}/{image}")});
    assert_eq!(
        recorded_images(&lab, "deployment/castai-agent"),
        json!({"container/agent": entry(&agent), "container/monitor": entry(&agent)})
    );
    let kvisor = format!("{KVISOR}:v1.164.8");
    assert_eq!(
        recorded_images(&lab, "daemonset/castai-kvisor-agent"),
        json!({"container/kvisor": entry(&kvisor), "init/gpu-feature-discovery": entry(&kvisor)})
    );
    let hibernate = "castai/hibernate:v0.14";
    assert_eq!(
        recorded_images(&lab, "cronjob/hibernate-resume"),
        json!({"container/pauser": entry(hibernate)})
    );
    let resume = kubectl_json(&lab, &["get", "cronjob", "hibernate-resume", "-n", "castai-agent"]);
    assert_eq!(resume["spec"]["suspend"], true, "suspended workloads stay suspended");
    assert_eq!(other_workloads(&lab), others, "workloads that are not Cast AI's are unchanged");

    let (castai, writes) = (castai_workloads(&lab), our_writes(&lab));
    assert_eq!(writes.len(), 5);
    clear_traffic(&lab);
    let again = plugin(&lab, 0, &[SYNC, "--yes"]);
    assert!(again.stdout.starts_with("up to date"), "{}", again.stdout);
    assert_eq!(again.stderr, "");
    let writing = ecr_writes(&lab);
    assert!(writing.is_empty(), "{writing:?}");
    assert_eq!((castai_workloads(&lab), our_writes(&lab)), (castai, writes), "nothing was patched");
    // If there is up to date, no confirmation is needed.
    assert_eq!(plugin(&lab, 0, &[SYNC]).stdout, again.stdout);
    let report = parse_json(&plugin(&lab, 0, &[SYNC, "-o", "json"]));
    assert_eq!(report["kind"], "SyncReport");
    assert!(report["images"].as_array().unwrap().iter().all(|image| image["result"] == "upToDate"));
    let wide = plugin(&lab, 0, &[SYNC, "-o", "wide"]).stdout;
    assert_eq!(wide.matches("up to date").count(), 5, "{wide}");

    upgrade_by_private_name(&lab);
    flat_names_need_a_map(&lab);
}

#[test]
fn mirroring_and_rewriting_work_separately() {
    let lab = own_lab();
    let castai = castai_workloads(&lab);
    let held = plugin(&lab, 1, &[SYNC, "--no-mirror", "--yes"]);
    assert_eq!(held.stdout.matches("held back").count(), 5, "{}", held.stdout);
    assert!(held.stderr.contains("(deployment.apps/castai-agent, "));
    assert!(held.stderr.contains(&format!("{AGENT}:v0.161.1")), "{}", held.stderr);
    assert!(ecr_state(&lab).repositories.keys().all(|name| !name.contains("castai/")));

    let mirrored = plugin(&lab, 0, &[SYNC, "--no-rewrite", "--yes", "-o", "name"]);
    let expected = first_images().map(|image| format!("{MIRROR}/{image}"));
    assert_eq!(mirrored.stdout.lines().collect::<Vec<_>>(), expected);
    assert_everything_is_mirrored(&lab);
    assert_eq!(castai_workloads(&lab), castai, "the cluster is unchanged");

    // Rollouts that are not waited for are listed, and continue.
    let rewritten = plugin(&lab, 0, &[SYNC, "--no-mirror", "--yes", "--wait=false", "-o", "yaml"]);
    assert_eq!(rewritten.stdout.matches("type: updated").count(), 5, "{}", rewritten.stdout);
    assert!(rewritten.stderr.contains("did not wait for its rollout"), "{}", rewritten.stderr);
    wait_until_ready(&lab);
    assert_eq!(
        container_image(&lab, "hibernate-resume", "pauser"),
        format!("{MIRROR}/castai/hibernate:v0.14")
    );
}

#[test]
fn a_filter_selects_derived_images_too_and_gives_the_same_result_again() {
    let lab = own_lab();
    let job = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "pause", "namespace": "shop"},
        "spec": {"schedule": "0 0 1 1 *", "suspend": true, "jobTemplate": {"spec": {"template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "pauser", "image": format!("{HIBERNATE}:v0.14")}],
        }}}}},
    });
    apply(&lab, &job);
    let filter = ["--only", "ghcr.io/*/kvisor-controller:*", "--only", "castai/*"];
    let sync = [&[SYNC, "--yes"], &filter[..]].concat();
    plugin(&lab, 0, &sync);
    assert_eq!(
        container_image(&lab, "castai-kvisor-controller", "controller"),
        format!("{MIRROR}/{CONTROLLER}:v1.164.8")
    );
    assert!(mirrored_digest(&lab, &format!("{SCANNERS}:v1.164.8")).is_some(), "kvisor finds its scanners");
    assert_eq!(
        container_image(&lab, "castai-agent", "agent"),
        format!("{AGENT}:v0.161.1"),
        "no flag includes it"
    );
    let again = plugin(&lab, 0, &sync);
    assert!(
        again.stdout.starts_with(&format!("up to date: {MIRROR} holds 3 needed images")),
        "{}",
        again.stdout
    );

    // Outside of Cast AI's namespaces, an upgrade by private name is recognised by the record.
    let (next, digest) =
        (format!("{HIBERNATE}:v0.15"), publish(&lab, "docker.io/castai/hibernate:v0.15", &Recipe::default()));
    kubectl(&lab, &["set", "image", "-n", "shop", "cronjob/pause", &format!("pauser={MIRROR}/{next}")]);
    let output = plugin(&lab, 0, &sync);
    assert!(output.stderr.contains(&format!("copied {next}")), "{}", output.stderr);
    assert_eq!(mirrored_digest(&lab, &next), Some(digest));
    let pause = kubectl_json(&lab, &["get", "cronjob", "pause", "-n", "shop"]);
    let annotation = pause["metadata"]["annotations"]["privatelink.cast.ai/images"].as_str().expect("ours");
    let recorded: Value = serde_json::from_str(annotation).expect("JSON");
    assert_eq!(recorded, json!({"container/pauser": {"from": next, "to": format!("{MIRROR}/{next}")}}));
}

#[test]
fn any_oci_registry_can_be_the_destination() {
    let lab = own_lab();
    let mirror = format!("{}/prefix", address::OCI_REGISTRY.0);
    let (before, others) = (castai_images(&lab), other_workloads(&lab));
    plugin(&lab, 0, &[SYNC, "--yes", "--registry", &mirror]);
    wait_until_ready(&lab);
    let expected = before.iter().map(|(key, image)| (key.clone(), format!("{mirror}/{image}"))).collect();
    assert_eq!(castai_images(&lab), expected);
    assert_eq!(other_workloads(&lab), others);
    assert!(traffic(&lab, "ecr").iter().all(|record| !record.path.contains("castai/")), "ECR is skipped");
    for source in fixture::sources(Fixture::FirstCluster) {
        let name = format!("{}/{}", source.host, source.repository);
        let image = generate(&name, source.tag, &source.recipe).expect("the fixture's image");
        for manifest in &image.manifests {
            assert_eq!(stored(&lab, "oci", &manifest.digest), manifest.bytes, "{name}");
        }
        for blob in &image.blobs {
            assert_eq!(stored(&lab, "oci", &blob.digest), blob.bytes, "{name}");
        }
    }
    clear_traffic(&lab);
    let again = plugin(&lab, 0, &[SYNC, "--registry", &mirror]);
    assert!(
        again.stdout.starts_with(&format!("up to date: {mirror} holds 5 needed images")),
        "{}",
        again.stdout
    );
    assert!(traffic(&lab, "oci").iter().all(|record| record.method == "GET" || record.method == "HEAD"));
}

#[test]
fn clusters_without_cast_ai_get_a_hint_and_manifests_are_mirrored_first() {
    let lab = empty_lab();
    let before = other_workloads(&lab);
    let output = plugin(&lab, 1, &[SYNC, "--yes"]);
    for words in ["no image of Cast AI found", "install Cast AI first", "-f -", "--context"] {
        assert!(output.stderr.contains(words), "{words}: {}", output.stderr);
    }

    let chart = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "castai-agent"},
        "spec": {"template": {"spec": {"containers": [{"name": "agent", "image": format!("{AGENT}:v0.161.1")}]}}},
    });
    let hook = "kind: Job\napiVersion: batch/v1\nmetadata: {name: hook}\nspec: {template: {spec: {containers: \
                [{name: pause, image: castai/hibernate:v0.14}]}}}\n";
    write_file(&lab, "chart.json", &chart.to_string());
    write_file(&lab, "rendered/deep/hook.yaml", &format!("# empty\n---\n{hook}---\n"));
    write_file(&lab, "rendered/NOTES.txt", "not a manifest");
    let agent = plugin(&lab, 0, &[SYNC, "-f", "chart.json", "--no-rewrite", "--yes"]);
    assert!(agent.stderr.contains(&format!("copied {AGENT}:v0.161.1")), "{}", agent.stderr);
    let rest = plugin(&lab, 0, &[SYNC, "-f", "rendered", "-f", "chart.json", "--yes", "-o", "json"]);
    let results = parse_json(&rest);
    assert_eq!(results["images"][0]["result"], "copied");
    assert_eq!(results["images"][0]["usedBy"][0]["place"]["path"], "rendered/deep/hook.yaml");
    assert_eq!(results["images"][1]["result"], "upToDate");

    let mut command = lab.plugin_command().expect("the plugin");
    command.args([SYNC, "-f", "-", "--no-rewrite", "--yes", "--only", "ghcr.io/*"]);
    let controller = hook.replace("castai/hibernate:v0.14", &format!("{CONTROLLER}:v1.164.8"));
    let output = run_with_input(
        command,
        &format!(
            "{hook}---
{controller}"
        ),
    );
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let expected =
        [(AGENT, "v0.161.1"), (CONTROLLER, "v1.164.8"), (HIBERNATE, "v0.14"), (SCANNERS, "v1.164.8")]
            .map(|(name, tag)| format!("{name}:{tag}"));
    assert_eq!(mirrored_tags(&lab), expected.into(), "the derived image of kvisor is included");
    assert_eq!(other_workloads(&lab), before);
}
