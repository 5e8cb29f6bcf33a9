use super::*;

fn words(line: &str) -> Vec<OsString> {
    line.split(' ').map(OsString::from).collect()
}

#[test]
fn only_kubectl_and_our_scripts_request_completions() {
    let cases = [
        ("kubectl_complete-castai_privatelink version ", Some(2)),
        ("/a/b/kubectl_complete-castai_privatelink.exe x", Some(1)),
        ("kubectl-castai_privatelink __complete a b", Some(2)),
        ("kubectl-castai_privatelink __complete", Some(0)),
        ("kubectl-castai_privatelink version", None),
        ("kubectl-castai_privatelink", None),
    ];
    for (line, count) in cases {
        assert_eq!(words_to_complete(&words(line)).map(<[OsString]>::len), count, "{line}");
    }
}

#[tokio::test]
async fn candidates_follow_the_words_before() {
    let cases: &[(&str, &[&str], u8)] = &[
        (
            "",
            &[
                "preflight",
                "endpoints",
                "images",
                "sync-images",
                "rewrite",
                "status",
                "rollback",
                "values",
                "permissions",
                "completion",
                "options",
                "version",
                "help",
            ],
            NO_FILES,
        ),
        ("sync", &["sync-images"], NO_FILES),
        ("version -o ", &["json", "yaml"], NO_FILES),
        ("--context x version -o j", &["json"], NO_FILES),
        ("version -oj", &["-ojson"], NO_FILES),
        ("version --output=y", &["yaml"], NO_FILES),
        ("preflight --here ", &["inside", "outside"], NO_FILES),
        ("preflight -o ", &["table", "wide", "short", "name", "json", "yaml", "junit"], NO_FILES),
        ("preflight --report=x", &[], FILES),
        ("preflight --in-cluster ", &["auto", "off", "only"], NO_FILES),
        ("preflight --ca-bundle ", &[], FILES),
        ("preflight --only CPL30", &["CPL301", "CPL302", "CPL303"], NO_FILES),
        ("preflight --only CPL301 --skip=CPL30", &["CPL301", "CPL302", "CPL303"], NO_FILES),
        ("preflight --skip=CPL301,CPL30", &["CPL301,CPL301", "CPL301,CPL302", "CPL301,CPL303"], NO_FILES),
        ("preflight explain CPL30", &["CPL301", "CPL302", "CPL303"], NO_FILES),
        ("sync-images --dry", &["--dry-run"], NO_FILES),
        ("sync-images --registry ", &[], NO_FILES),
        ("endpoints ", &["list", "plan", "create", "terraform", "aws-cli", "delete", "help"], NO_FILES),
        ("endpoints list -o ", &["table", "json", "yaml"], NO_FILES),
        ("permissions ", &["rbac", "iam", "help"], NO_FILES),
        ("sync-images --lock ", &[], FILES),
        ("sync-images --lock=x", &[], FILES),
        ("sync-images -f ", &[], FILES),
        ("--kubeconfig ", &[], FILES),
        ("sync-images --certificate-authority ", &[], FILES),
    ];
    for (line, expected, directive) in cases {
        let (found, message) = candidates(&words(line)).await;
        let found: Vec<_> = found.iter().map(|(value, _)| value.as_str()).collect();
        assert_eq!((found.as_slice(), message), (*expected, *directive), "{line}");
    }
    let (found, _) = candidates(&words("preflight --only CPL301")).await;
    assert_eq!(found[0].1.as_deref(), Some("the cluster's ECR registry is known"));
    assert_eq!(candidates(&[]).await.0.len(), 13, "no word is like an empty one");
}
