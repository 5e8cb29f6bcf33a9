//! The command line: help, invalid usage, output formats.

use serde_json::Value;

use crate::harness::{
    MIRROR, assert_stderr_contains, ecr_tags, own_lab, parse_json, plugin, shared_lab, workload_specs,
};

#[test]
fn every_command_has_help_with_usage_and_examples() {
    let lab = shared_lab();
    let cases: &[(&[&str], &str, &[&str])] = &[
        (
            &["--help"],
            "Usage: kubectl castai-privatelink <COMMAND>",
            &["preflight", "sync-images", "version"],
        ),
        (&["help"], "Usage: kubectl castai-privatelink <COMMAND>", &["Exit codes"]),
        (
            &["preflight", "--help"],
            "Usage: kubectl castai-privatelink preflight [OPTIONS]",
            &[
                "Examples:",
                "  kubectl castai-privatelink preflight --here=inside",
                "--here",
                "castai-privatelink options",
            ],
        ),
        (
            &["sync-images", "--help"],
            "Usage: kubectl castai-privatelink sync-images [OPTIONS]",
            &["Examples:", "  kubectl castai-privatelink sync-images --dry-run", "--jobs", "--lock"],
        ),
        (
            &["sync-images", "-h"],
            "Usage: kubectl castai-privatelink sync-images [OPTIONS]",
            &["Examples:", "--yes"],
        ),
        (
            &["version", "--help"],
            "Usage: kubectl castai-privatelink version [OPTIONS]",
            &["Examples:", "  kubectl castai-privatelink version -o json"],
        ),
    ];
    for (arguments, usage, parts) in cases {
        let output = plugin(lab, 0, arguments);
        assert!(output.stdout.contains(usage), "{arguments:?}: {}", output.stdout);
        for part in *parts {
            assert!(output.stdout.contains(part), "{arguments:?}: `{part}` is missing: {}", output.stdout);
        }
        assert_eq!(output.stderr, "", "{arguments:?}");
        assert!(!output.stdout.contains('\u{1b}'), "{arguments:?}");
    }
}

#[test]
fn invalid_usage_exits_with_2_and_names_the_error() {
    let lab = shared_lab();
    let cases: &[(&[&str], &[&str])] = &[
        (&[], &["Usage: kubectl castai-privatelink"]),
        (&["sync-image"], &["unrecognized subcommand 'sync-image'", "sync-images"]),
        (&["sync-images", "--dryrun"], &["unexpected argument '--dryrun'", "--dry-run"]),
        (
            &["sync-images", "--registry", "https://x.example/y"],
            &["https://x.example/y", "--registry <HOST[/PATH]>"],
        ),
        (&["sync-images", "--registry", "Upper/Case"], &["Upper/Case", "--registry <HOST[/PATH]>"]),
        (&["sync-images", "--map", "one"], &["one", "--map <PRIVATE=PUBLIC>"]),
        (&["sync-images", "--only", "[a"], &["--only", "[a"]),
        (&["sync-images", "--jobs", "0"], &["0 is not in 1..=64", "--jobs <COUNT>"]),
        (&["sync-images", "--jobs", "many"], &["many", "--jobs <COUNT>"]),
        (
            &["sync-images", "--timeout", "5 parsecs"],
            &["5 parsecs", "--timeout <DURATION>", "30s, 5m or 500ms"],
        ),
        (&["sync-images", "--idle-timeout=-1s"], &["-1s", "--idle-timeout <DURATION>"]),
        (&["sync-images", "--dry-run=maybe"], &["maybe", "none, client, server"]),
        (&["sync-images", "-o", "jsonpath={}"], &["jsonpath={}", "table, wide, json, yaml, name"]),
        (&["preflight", "--https", "two words"], &["two words", "--https <HOST[:PORT]>"]),
        (&["preflight", "--here=there"], &["there", "inside, outside"]),
        (&["sync-images", "-f", "/absent.yaml"], &["/absent.yaml"]),
        (&["sync-images", "-l", "a in (", "--dry-run"], &["unable to parse requirement"]),
        (
            &["rollback", "castai-agent"],
            &["\"castai-agent\"", "expected TYPE NAME or TYPE/NAME such as deployment/castai-agent"],
        ),
        (&["rollback", "job/x"], &["a type of deployment, daemonset"]),
        (&["status", "--cluster-only", "--upstream"], &["'--cluster-only' cannot be used with '--upstream'"]),
    ];
    for (arguments, words) in cases {
        let output = plugin(lab, 2, arguments);
        assert_stderr_contains(&output, words);
        assert_eq!(output.stdout, "", "{arguments:?}");
        assert!(!output.stderr.contains('\u{1b}'), "{arguments:?}");
    }
}

#[test]
fn checks_are_listed_and_explained_without_a_cluster() {
    let lab = shared_lab();
    let alone = |code: i32, arguments: &[&str]| {
        plugin(lab, code, &[&["--kubeconfig=/absent", "preflight"], arguments].concat())
    };
    let list = alone(0, &["list"]);
    assert!(list.stdout.contains("CPL211   Endpoints   error      the host resolves to"), "{}", list.stdout);
    assert_eq!(list.stderr, "");
    let items = parse_json(&alone(0, &["list", "-o", "json"]))["items"].as_array().unwrap().len();
    assert_eq!(alone(0, &["list", "-o", "name"]).stdout.lines().count(), items);
    let explained = alone(0, &["explain", "cpl220", "CPL211"]).stdout;
    for part in ["CPL220: ", "\n\nCPL211: the host resolves", "required by  CPL212, CPL220\n"] {
        assert!(explained.contains(part), "{part}: {explained}");
    }
    assert_stderr_contains(&alone(2, &["explain"]), &["<CODE>"]);
    assert_stderr_contains(&alone(2, &["explain", "CPL999"]), &["CPL999", "CPL101"]);
    // Flags of a run have no meaning for these.
    assert_stderr_contains(&alone(2, &["--here=inside", "list"]), &["--here", "list"]);
    assert_stderr_contains(&alone(2, &["list", "--here=inside"]), &["--here"]);
}

#[test]
fn conflicting_flags_fail_with_a_hint() {
    let lab = shared_lab();
    let cases: &[(&[&str], &str)] = &[
        (&["--no-discover"], "--no-discover requires images"),
        (&["--no-discover", "--inventory=i", "-f", "x"], "cannot be used with --no-discover and -f"),
        (&["--no-discover", "--no-mirror", "--inventory=i"], "cannot be used together"),
        (&["--no-mirror", "--plan=p"], "--plan cannot be used with --no-mirror"),
        (&["--dry-run", "--lock=l"], "--lock cannot be used with --dry-run"),
        (&["--no-mirror", "--no-rewrite", "--lock=l"], "--lock cannot be used"),
        (&["--no-mirror", "--lock=l", "--registry=r.example"], "--registry cannot be used with --lock"),
        (&["--no-discover", "--plan=p", "--only=*agent*"], "--only cannot be used with --plan"),
        (&["--no-discover", "--inventory=i", "--no-rewrite", "-n", "x"], "-n and -l cannot be used"),
    ];
    for (flags, words) in cases {
        let output = plugin(lab, 2, &[&["sync-images", "--yes"], *flags].concat());
        assert_stderr_contains(&output, &["error: ", words, "hint: "]);
    }
}

#[test]
fn kubectls_flags_work_as_in_kubectl() {
    let lab = shared_lab();
    for all in ["-A", "--all-namespaces"] {
        // The flag overrides the other one, which may come from an alias.
        let seen = plugin(lab, 0, &["-n", "shop", "sync-images", "--no-mirror", "--no-rewrite", all]);
        assert!(seen.stdout.contains("castai-agent"), "{}", seen.stdout);
    }
    let look = ["sync-images", "--no-mirror", "--no-rewrite"];
    let certificate =
        plugin(lab, 2, &[&look[..], &["--client-certificate=/nowhere", "--client-key=/x"]].concat());
    assert_stderr_contains(&certificate, &["/nowhere"]);
    // The API server got the UID, and rejects a user without a name.
    let uid = lab.plugin(&[&look[..], &["--as-uid=1"]].concat()).unwrap();
    assert_ne!(uid.code, Some(0), "{}", uid.stdout);
    let named = plugin(lab, 2, &[&look[..], &["--as=somebody", "--as-uid=1"]].concat());
    assert_stderr_contains(&named, &["User \"somebody\" cannot list", "permissions rbac"]);
}

#[test]
fn missing_images_are_reported_as_missing() {
    let lab = shared_lab();
    let dry = plugin(lab, 1, &["sync-images", "--no-mirror", "--dry-run=client"]);
    assert!(dry.stdout.contains(" missing") && !dry.stdout.contains("failed"), "{}", dry.stdout);
    assert!(!dry.stdout.contains("to upload"), "nothing is copied: {}", dry.stdout);
    assert_stderr_contains(&dry, &["not found in the registry, and --no-mirror", "not updated ("]);
    let report =
        parse_json(&plugin(lab, 1, &["sync-images", "--no-mirror", "--dry-run=client", "-o", "json"]));
    assert_eq!((&report["kind"], &report["images"][0]["result"]), (&"SyncReport".into(), &"missing".into()));

    for (flags, hint) in [
        (
            ["--no-mirror", "--lock=nowhere"],
            "hint: create it with: kubectl castai-privatelink sync-images --no-rewrite --lock nowhere",
        ),
        (
            ["--no-discover", "--plan=nowhere"],
            "hint: create it with: kubectl castai-privatelink sync-images --dry-run --plan nowhere",
        ),
        (
            ["--no-discover", "--inventory=nowhere"],
            "hint: create it with: kubectl castai-privatelink sync-images --no-mirror --no-rewrite --inventory nowhere",
        ),
    ] {
        assert_stderr_contains(
            &plugin(lab, 2, &["sync-images", flags[0], flags[1]]),
            &["nowhere: No such file", hint],
        );
    }
    let mapped = plugin(
        lab,
        0,
        &["sync-images", "--dry-run", &format!("--map={MIRROR}/a=ghcr.io/castai/agnet"), "-v"],
    );
    assert_stderr_contains(
        &mapped,
        &["/a=ghcr.io/castai/agnet matches no image", "ghcr.io: ", " requests, "],
    );
}

#[test]
fn checks_are_selected_by_code() {
    let lab = shared_lab();
    let lines =
        |arguments: &[&str]| plugin(lab, 0, &[&["preflight", "-o", "name"], arguments].concat()).stdout;
    let only = lines(&["--only=CPL104", "--only", "CPL110"]);
    assert_eq!(only.lines().map(|line| &line[..7]).collect::<Vec<_>>(), ["CPL104/", "CPL110/"], "{only}");
    let all = lines(&[]);
    assert!(all.lines().all(|line| !line.contains(char::is_whitespace)), "one word for each: {all}");
    assert!(all.contains("CPL105/") && !lines(&["--skip=CPL105"]).contains("CPL105/"));
    let text = plugin(lab, 0, &["preflight", "--only=CPL104"]).stdout;
    assert!(text.contains("1 passed\nThe selected checks passed"), "{text}");
    assert_stderr_contains(&plugin(lab, 2, &["preflight", "--only=CPL999"]), &["CPL999", "CPL101"]);
}

#[test]
fn without_yes_and_a_terminal_nothing_changes() {
    let lab = own_lab();
    let (before, tags) = (workload_specs(&lab), ecr_tags(&lab));
    let output = plugin(&lab, 2, &["sync-images"]);
    assert_stderr_contains(
        &output,
        &[
            "error: stdin is not a terminal: pass --yes to confirm",
            "copy 5 images",
            "change 5 workloads",
            "--dry-run",
        ],
    );
    assert_eq!(output.stdout, "");
    assert_eq!((workload_specs(&lab), ecr_tags(&lab)), (before, tags));
    // If there is up to date, no confirmation is needed.
    plugin(&lab, 0, &["sync-images", "--yes"]);
    assert!(plugin(&lab, 0, &["sync-images"]).stdout.starts_with("up to date"));
}

#[test]
fn cluster_flags_work_before_and_after_the_command() {
    let lab = shared_lab();
    for arguments in
        [["--context=absent", "sync-images", "--dry-run"], ["sync-images", "--context=absent", "--dry-run"]]
    {
        assert_stderr_contains(&plugin(lab, 2, &arguments), &["context \"absent\" does not exist"]);
    }
    let arn = lab::kubeconfig::cluster_arn();
    plugin(lab, 0, &["-n", "castai-agent", "--context", &arn, "sync-images", "--no-mirror", "--no-rewrite"]);
}

#[test]
fn the_version_is_printed_as_text_and_json() {
    let lab = shared_lab();
    let version = env!("CARGO_PKG_VERSION");
    let text = plugin(lab, 0, &["version"]).stdout;
    assert!(text.contains(version), "{text}");
    assert_eq!(plugin(lab, 0, &["--version"]).stdout, format!("kubectl castai-privatelink v{version}\n"));
    let page = plugin(lab, 0, &["man"]).stdout;
    assert!(
        page.contains(".TH kubectl-castai_privatelink-preflight") && page.contains("kubeconfig"),
        "{page}"
    );
    let value = parse_json(&plugin(lab, 0, &["version", "-o", "json"]));
    assert!(value.to_string().contains(&format!("\"v{version}\"")), "{value}");
    assert!(plugin(lab, 0, &["version", "-o", "yaml"]).stdout.contains(version));
}

#[test]
fn a_pipe_gets_plain_text_and_json_output_is_only_the_document() {
    let lab = shared_lab();
    for arguments in
        [&["sync-images", "--dry-run"][..], &["sync-images", "--dry-run", "-o", "wide"], &["preflight"]]
    {
        for variable in ["NO_COLOR", "TERM"] {
            let mut command = lab.plugin_command().unwrap();
            let value = if variable == "TERM" { "xterm-256color" } else { "1" };
            let output = command.args(arguments).env(variable, value).output().unwrap();
            let text = [output.stdout, output.stderr].concat();
            assert!(!text.contains(&b'\x1b') && !text.contains(&b'\r'), "{}", String::from_utf8_lossy(&text));
        }
    }
    let dry = parse_json(&plugin(lab, 0, &["sync-images", "--dry-run", "-o", "json", "-v"]));
    assert_eq!(dry["kind"], "Plan");
    let inventory = plugin(lab, 0, &["sync-images", "--no-mirror", "--no-rewrite", "-o", "json", "-v"]);
    assert_eq!(parse_json(&inventory)["kind"], "Inventory");
    let preflight = lab.plugin(&["preflight", "-o", "json", "-v"]).unwrap();
    assert!(serde_json::from_str::<Value>(&preflight.stdout).is_ok(), "{}", preflight.stdout);
    let names = plugin(lab, 0, &["sync-images", "--dry-run", "-o", "name"]).stdout;
    assert!(names.lines().any(|line| line == "deployment.apps/castai-agent"), "{names}");
    assert!(names.lines().all(|line| !line.contains(' ')), "{names}");
}
