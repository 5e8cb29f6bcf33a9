//! Shell completion: the candidates for the word under the cursor, in the format of cobra's `__complete`, which kubectl
//! reads (kubectl `pkg/cmd/plugin/plugin_completion.go`).

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::cli::ConnectionArguments;
use crate::cli::candidates::{self, Candidates, Dynamic};
use crate::cluster;
use crate::output;
use crate::printable::one_line;
use crate::sync::{rollback, rollout};

/// The command that our own completion scripts run.
const COMMAND: &str = "__complete";

/// Timeout for the cluster, because the user is waiting. `aws eks get-token`, which most EKS kubeconfigs run first,
/// takes about a second.
const LIMIT: Duration = Duration::from_secs(3);

/// cobra's directives: `ShellCompDirectiveDefault` lets the shell complete files, `ShellCompDirectiveNoFileComp` not.
const FILES: u8 = 0;
const NO_FILES: u8 = 4;

/// Longest name, in characters.
const NAME_LIMIT: usize = 1000;
/// The words after the program's name if a shell requests completion; the last one is under the cursor.
pub fn asked(arguments: &[OsString]) -> Option<&[OsString]> {
    let name = Path::new(arguments.first()?).file_stem()?.to_str()?;
    if name.starts_with("kubectl_complete-") {
        return arguments.get(1..);
    }
    (arguments.get(1)? == COMMAND).then(|| &arguments[2..])
}

/// Prints the candidates. Errors are not printed: what cannot be read is omitted.
pub async fn answer(words: &[OsString]) {
    let (candidates, directive) = candidates(words).await;
    let mut text = String::new();
    for (value, description) in candidates {
        // Writing to a string cannot fail, here and below.
        let _ = match description {
            Some(description) => writeln!(text, "{value}\t{description}"),
            None => writeln!(text, "{value}"),
        };
    }
    let _ = writeln!(text, ":{directive}");
    // The shell may have closed the pipe.
    let _ = output::result(&text);
}

async fn candidates(words: &[OsString]) -> (Vec<(String, Option<String>)>, u8) {
    match candidates::candidates(words) {
        Candidates::Files => (Vec::new(), FILES),
        Candidates::Known(known) => (known, NO_FILES),
        Candidates::Dynamic { dynamic, start, connection } => {
            let names = names(dynamic, connection.as_deref()).await;
            let mut names: Vec<_> = names.iter().map(|name| one_line(name, NAME_LIMIT)).collect();
            names.retain(|name| name.starts_with(&start) && !name.contains(' '));
            names.sort();
            (names.into_iter().map(|name| (name, None)).collect(), NO_FILES)
        }
    }
}

async fn names(dynamic: Dynamic, connection: Option<&ConnectionArguments>) -> Vec<String> {
    let Some(connection) = connection else { return Vec::new() };
    if dynamic == Dynamic::Namespace {
        let listed = tokio::time::timeout(LIMIT, namespaces(connection)).await;
        return listed.ok().and_then(Result::ok).unwrap_or_default();
    }
    if dynamic == Dynamic::Rewritten {
        let listed = tokio::time::timeout(LIMIT, rewritten(connection)).await;
        return listed.ok().and_then(Result::ok).unwrap_or_default();
    }
    let Ok(names) = cluster::configured_names(connection.kubeconfig.as_deref()) else {
        return Vec::new();
    };
    match dynamic {
        Dynamic::Context => names.contexts,
        Dynamic::Cluster => names.clusters,
        Dynamic::User => names.users,
        Dynamic::Namespace | Dynamic::Rewritten | Dynamic::File => Vec::new(),
    }
}

async fn namespaces(arguments: &ConnectionArguments) -> Result<Vec<String>, cluster::Error> {
    let connection = cluster::connect(&arguments.unattended()).await?;
    cluster::namespaces(&connection).await
}

/// The workloads that `rollback` would restore.
async fn rewritten(arguments: &ConnectionArguments) -> Result<Vec<String>, cluster::Error> {
    let connection = cluster::connect(&arguments.unattended()).await?;
    let listed = cluster::list_workloads(&connection, arguments.namespace.as_deref(), None).await?;
    let planned = rollout::preview(&rollout::decide_all(&listed.workloads, &rollback::decide));
    Ok(planned.iter().map(|planned| planned.workload.to_string()).collect())
}

#[cfg(test)]
mod tests {
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
            assert_eq!(asked(&words(line)).map(<[OsString]>::len), count, "{line}");
        }
    }

    #[tokio::test]
    async fn candidates_follow_the_words_before() {
        let cases: &[(&str, &[&str], u8)] = &[
            (
                "",
                &[
                    "preflight",
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
            ("preflight --only CPL30", &["CPL301", "CPL302", "CPL303"], NO_FILES),
            ("preflight --only CPL301 --exclude=CPL30", &["CPL301", "CPL302", "CPL303"], NO_FILES),
            ("sync-images --dry", &["--dry-run"], NO_FILES),
            ("sync-images --registry ", &[], NO_FILES),
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
        assert_eq!(candidates(&[]).await.0.len(), 12, "no word is like an empty one");
    }
}
