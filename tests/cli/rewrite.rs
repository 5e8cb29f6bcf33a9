//! `rewrite` changes image names in manifests to private ones, and leaves every other byte unchanged.

use lab::dns::{Behaviour, EVERY_NAME};
use lab::host::{Lab, Output};
use serde_json::{Value, json};

use crate::harness::{
    AGENT, CONTROLLER, KVISOR, MIRROR, SCANNERS, assert_stderr_contains, castai_images, castai_workloads,
    clear_traffic, ecr_state, empty_lab, kubectl_json, own_lab, plugin, plugin_without_kubeconfig,
    run_with_input, shared_lab, traffic, wait_until_ready, write_file,
};

/// Input as for the console's onboarding command: everything in one file, written by hand and by templates.
const ONBOARDING: &str = include_str!("rewrite/agent.yaml");
const FILTER: [&str; 1] = ["rewrite"];

/// The expected output for `ONBOARDING`: only the names of images differ.
fn private_onboarding() -> String {
    let quoted = |quote: &str| format!("image: {quote}{AGENT}:v0.161.1{quote}");
    let private = |quote: &str| format!("image: {quote}{MIRROR}/{AGENT}:v0.161.1{quote}");
    let text = ONBOARDING
        .replace(&quoted("\""), &private("\""))
        .replace(&quoted("'"), &private("'"))
        .replace(&format!("image: {CONTROLLER}"), &format!("image: {MIRROR}/{CONTROLLER}"))
        .replace(&format!("value: {SCANNERS}"), &format!("value: {MIRROR}/{SCANNERS}"));
    assert_eq!(text.len(), ONBOARDING.len() + 4 * (MIRROR.len() + 1), "four names are private");
    text
}

/// Runs `rewrite` without a kubeconfig.
fn without_kubeconfig(lab: &Lab, arguments: &[&str], input: &str) -> Output {
    plugin_without_kubeconfig(lab, &[&FILTER, arguments].concat(), input)
}

#[test]
fn onboarding_manifests_are_applied_with_only_their_images_changed() {
    let lab = empty_lab();
    write_file(&lab, "agent.yaml", ONBOARDING);
    let filter = [&FILTER[..], &["-f", "agent.yaml"]].concat();

    let early = plugin(&lab, 1, &filter);
    assert_eq!(early.stdout, "", "no image is printed that cannot be pulled");
    let agent = format!("error: image {AGENT}:v0.161.1 of Deployment/castai-agent in agent.yaml: ");
    assert_stderr_contains(&early, &[&agent, &format!("{MIRROR}/{AGENT}:v0.161.1 not found")]);
    assert_stderr_contains(
        &early,
        &[&format!("{SCANNERS}:v1.164.8 of Deployment/castai-kvisor-controller in agent.yaml")],
    );
    let way = "sync-images -f agent.yaml --no-rewrite";
    assert_stderr_contains(
        &early,
        &["nothing printed", &format!("hint: mirror first: kubectl castai-privatelink {way}")],
    );

    let way: Vec<_> = way.split(' ').collect();
    plugin(&lab, 0, &[&way[..], &["--yes"]].concat());
    clear_traffic(&lab);
    let filtered = plugin(&lab, 0, &filter);
    assert_eq!(filtered.stdout, private_onboarding());
    assert_eq!(filtered.stderr, "");
    assert_eq!(traffic(&lab, "source").len(), 0, "sources get no requests");
    assert!(castai_workloads_or_none(&lab).is_empty(), "the cluster is not changed");

    let pipe = "kubectl castai-privatelink rewrite -f - | kubectl apply -f -";
    let mut command = lab.command("bash");
    command.args(["-ec", &format!("set -o pipefail; {pipe}")]);
    let applied = run_with_input(command, ONBOARDING);
    assert_eq!(applied.code, Some(0), "{}{}", applied.stdout, applied.stderr);
    wait_until_ready(&lab);
    assert!(castai_images(&lab).values().all(|image| image.starts_with(MIRROR)), "{:?}", castai_images(&lab));
    let secret = kubectl_json(&lab, &["get", "secret", "castai-agent", "-n", "castai-agent"]);
    let data = json!({"API_KEY": "bGFiLWtleS13aXRob3V0LXBvd2Vy", "ca.bin": "//79/Pv6+fj39g=="});
    assert_eq!(secret["data"], data);

    // The names are those that `sync-images` sets.
    let after = plugin(&lab, 0, &["sync-images", "--yes"]);
    assert!(after.stdout.starts_with("up to date"), "{}", after.stdout);
}

fn castai_workloads_or_none(lab: &Lab) -> Vec<Value> {
    let list = kubectl_json(lab, &["get", "deployments", "-n", "castai-agent"]);
    list["items"].as_array().cloned().unwrap_or_default()
}

#[test]
fn with_a_lock_neither_cluster_nor_registry_is_needed() {
    let lab = own_lab();
    plugin(&lab, 0, &["sync-images", "--no-rewrite", "--yes", "--lock", "lock.json"]);
    let pod = |image: &str| format!("kind: Pod\nspec: {{containers: [{{name: a, image: {image}}}]}} # a\r\n");
    let (public, private) = (pod(&format!("{AGENT}:v0.161.1")), pod(&format!("{MIRROR}/{AGENT}:v0.161.1")));

    // With `--registry`, only the registry gets requests.
    let registry = ["-f", "-", "--registry", MIRROR];
    let online = without_kubeconfig(&lab, &registry, &public);
    assert_eq!((online.code, &*online.stdout, &*online.stderr), (Some(0), &*private, ""));
    let unknown = without_kubeconfig(&lab, &registry, &pod(&format!("{KVISOR}:v9")));
    assert_eq!((unknown.code, &*unknown.stdout), (Some(1), ""));
    assert_stderr_contains(
        &unknown,
        &["of Pod in the standard input", &format!("-f - --registry {MIRROR} --no-discover --no-rewrite")],
    );

    lab.control().put("/dns/records", &json!({EVERY_NAME: Behaviour::NameError})).expect("nothing is found");
    let lock = ["-f", "-", "--lock", "lock.json"];
    let offline = without_kubeconfig(&lab, &lock, &public);
    assert_eq!((offline.code, &*offline.stdout, &*offline.stderr), (Some(0), &*private, ""));
    let again = without_kubeconfig(&lab, &lock, &private);
    assert_eq!((again.code, &*again.stdout), (Some(0), &*private), "a second run changes nothing");
    let unproven = without_kubeconfig(&lab, &lock, &pod(&format!("{KVISOR}:v9")));
    assert_eq!((unproven.code, &*unproven.stdout), (Some(1), ""));
    assert_stderr_contains(&unproven, &["not found in the lock", "--no-rewrite --lock lock.json"]);

    // JSON stays JSON, several files are one stream, and objects without images are printed unchanged.
    let value = |image: &str| json!({"kind": "Pod", "spec": {"containers": [{"name": "a", "image": image}]}});
    let in_json = |image: &str| serde_json::to_string_pretty(&value(image)).expect("JSON");
    let lock = &lock[2..];
    let as_json = ["-f", "-", "--lock", "lock.json"];
    let output = without_kubeconfig(&lab, &as_json, &in_json(&format!("{AGENT}:v0.161.1")));
    assert_eq!(output.stdout, in_json(&format!("{MIRROR}/{AGENT}:v0.161.1")));
    write_file(&lab, "apps/a.yaml", public.trim_end());
    write_file(&lab, "apps/b.yml", "kind: Secret\ndata: {a: aGk=}\n");
    let directory =
        without_kubeconfig(&lab, &[&["-f", "apps", "-f", "-"][..], lock].concat(), &format!("---\n{public}"));
    let expected = format!("{}\n---\nkind: Secret\ndata: {{a: aGk=}}\n---\n{private}", private.trim_end());
    assert_eq!(directory.stdout, expected);
    let nothing = without_kubeconfig(&lab, &[&["-f", "apps/b.yml"][..], lock].concat(), "");
    assert_eq!((nothing.code, &*nothing.stdout), (Some(0), "kind: Secret\ndata: {a: aGk=}\n"));
    assert_eq!(nothing.stderr, "");

    // A stream without images of Cast AI is printed unchanged, even if nothing can be reached: Helm passes every release.
    for stream in ["", "# nothing\n---\n", &public.replace(AGENT, "docker.io/library/nginx")] {
        let passed = without_kubeconfig(&lab, &["-f", "-"], stream);
        assert_eq!((passed.code, &*passed.stdout, &*passed.stderr), (Some(0), stream, ""));
    }

    // A reader that closes the pipe is not an error.
    let mut command = lab.command("bash");
    let piped = format!(
        "set -o pipefail; kubectl castai-privatelink {} -f apps {} | true",
        FILTER.join(" "),
        lock.join(" ")
    );
    command.args(["-c", &piped]);
    let hung_up = run_with_input(command, "");
    assert_eq!((hung_up.code, &*hung_up.stderr), (Some(0), ""));
}

#[test]
fn manifests_that_cannot_be_rewritten_print_nothing() {
    let lab = shared_lab();
    let repositories = || ecr_state(lab).repositories.into_keys().collect::<Vec<_>>();
    let before = (castai_workloads(lab), repositories());
    write_file(lab, "filter/a.yaml", "kind: A\n");
    write_file(lab, "filter/a.json", "{\"kind\": \"A\"}");
    write_file(lab, "filter/broken.yaml", "kind: A\n---\n# b\nkind: B\nspec: [1,\n");
    let shared = format!(
        "metadata: {{name: p, labels: {{a: &i {AGENT}:v1}}}}\nspec: {{containers: [{{name: a, image: *i }}]}}"
    );
    write_file(lab, "filter/shared.yaml", &format!("kind: Pod\n{shared}\n"));
    std::fs::write(write_file(lab, "filter/latin.yaml", ""), b"kind: A # \xe9\n").expect("it is written");
    let cases: [(&[&str], &str); 8] = [
        (&[], "required"),
        (
            &["-f", "filter/a.yaml", "-f", "filter/a.json"],
            "cannot combine filter/a.json (JSON) and \
                                                           filter/a.yaml (YAML)",
        ),
        (&["-f", "filter/a.yaml", "-n", "x"], "-n has no use with rewrite"),
        (&["-f", "filter/a.yaml", "--dry-run"], "unexpected argument"),
        (&["-f", "filter/a.yaml", "--lock", "l", "--registry", "e.example"], "cannot be used with"),
        (
            &["-f", "filter/broken.yaml"],
            "filter/broken.yaml: document 2: unclosed bracket '[' at line 5, column 7",
        ),
        (&["-f", "filter/latin.yaml"], "filter/latin.yaml: not valid UTF-8"),
        (
            &["-f", "filter/shared.yaml", "--registry", MIRROR],
            "shared through an anchor with .metadata.labels.a",
        ),
    ];
    for (flags, words) in cases {
        let output = plugin(lab, 2, &[&FILTER[..], flags].concat());
        assert!(output.stderr.contains(words), "{flags:?}: {}", output.stderr);
        assert!(output.stderr.starts_with("error: "), "{flags:?}: {}", output.stderr);
        assert_eq!(output.stdout, "", "{flags:?}");
    }
    assert_eq!((castai_workloads(lab), repositories()), before);
}
