//! The kubeconfig: the cluster and user that the flags select, and what their names reveal about EKS.

mod eks;
mod entries;
mod exec_arguments;
mod file;

use std::path::Path;

pub use self::eks::EksIdentity;
pub(super) use self::entries::{Cluster, Data, Exec, InvalidData, Kubeconfig, User};
pub(super) use self::exec_arguments::aws_login;
use super::connection_flags::ConnectionFlags;
use super::error::Error;

/// The kubeconfig entries that a connection uses.
#[derive(Default)]
pub(super) struct Selection {
    /// The context's name, if one was used.
    pub(super) context: Option<String>,
    pub(super) cluster_name: Option<String>,
    pub(super) cluster: Cluster,
    pub(super) user_name: Option<String>,
    pub(super) user: User,
    pub(super) namespace: Option<String>,
}

/// The names in a kubeconfig.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfiguredNames {
    pub contexts: Vec<String>,
    pub clusters: Vec<String>,
    pub users: Vec<String>,
}

/// The names in the kubeconfig selected by `flag` or the environment; empty if there is no file.
///
/// # Errors
/// A file cannot be read.
pub fn configured_names(flag: Option<&Path>) -> Result<ConfiguredNames, Error> {
    let kubeconfig = load(flag)?.unwrap_or_default();
    Ok(ConfiguredNames {
        contexts: kubeconfig.contexts.into_iter().map(|entry| entry.name).collect(),
        clusters: kubeconfig.clusters.into_iter().map(|entry| entry.name).collect(),
        users: kubeconfig.users.into_iter().map(|entry| entry.name).collect(),
    })
}

/// Loads `--kubeconfig`, else the files of `KUBECONFIG` (missing ones are skipped, as in kubectl), else
/// `~/.kube/config`. `None` if there is no file.
pub(super) fn load(flag: Option<&Path>) -> Result<Option<Kubeconfig>, Error> {
    if let Some(path) = flag {
        if !path.exists() {
            return Err(Error::config(format!("stat {}: no such file or directory", path.display()), None));
        }
        return read(path).map(Some);
    }
    let paths: Vec<_> = match std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty()) {
        Some(value) => std::env::split_paths(&value).filter(|path| !path.as_os_str().is_empty()).collect(),
        None => std::env::home_dir().map(|home| home.join(".kube").join("config")).into_iter().collect(),
    };
    let mut merged: Option<Kubeconfig> = None;
    for path in paths.iter().filter(|path| path.exists()) {
        let next = read(path)?;
        merged = Some(match merged {
            Some(first) => first.merge(next),
            None => next,
        });
    }
    Ok(merged)
}

fn read(path: &Path) -> Result<Kubeconfig, Error> {
    let wrong = |why: String| Error::config(format!("loading config file {}: {why}", path.display()), None);
    let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let mut kubeconfig = file::parse(&bytes).map_err(|fault| wrong(fault.to_string()))?;
    kubeconfig.locate(path);
    Ok(kubeconfig)
}

/// Applies `--context`, `--cluster` and `--user`.
pub(super) fn select(kubeconfig: Kubeconfig, flags: &ConnectionFlags) -> Result<Selection, Error> {
    let missing = |what: &str, name: &str, there: Vec<&str>| {
        let hint = match there.as_slice() {
            [] => "the kubeconfig has none".to_owned(),
            names => format!("available: {}", names.join(", ")),
        };
        Error::config(format!("{what} \"{name}\" does not exist"), Some(&hint))
    };
    let wanted = flags.context.clone().or(kubeconfig.current_context).filter(|name| !name.is_empty());
    let context = match &wanted {
        Some(name) => Some(
            kubeconfig
                .contexts
                .iter()
                .find(|entry| &entry.name == name)
                .map(|entry| entry.context.clone())
                .ok_or_else(|| {
                missing(
                    "context",
                    name,
                    kubeconfig.contexts.iter().map(|entry| entry.name.as_str()).collect(),
                )
            })?,
        ),
        None => None,
    };
    let cluster_name =
        flags.cluster.clone().or_else(|| context.as_ref().map(|context| context.cluster.clone()));
    let cluster_name = cluster_name.filter(|name| !name.is_empty());
    let cluster = match &cluster_name {
        Some(name) => kubeconfig
            .clusters
            .iter()
            .find(|entry| &entry.name == name)
            .map(|entry| entry.cluster.clone())
            .ok_or_else(|| {
                missing(
                    "cluster",
                    name,
                    kubeconfig.clusters.iter().map(|entry| entry.name.as_str()).collect(),
                )
            })?,
        None if flags.server.is_some() => Cluster::default(),
        None => {
            if let Some(name) = &wanted {
                let hint = format!(
                    "set it with `kubectl config set-context {name} --cluster=NAME`, or pass --cluster"
                );
                return Err(Error::config(format!("context \"{name}\" names no cluster"), Some(&hint)));
            }
            return Err(Error::config(
                "current-context is not set",
                Some("set it with --context, or with `kubectl config use-context`"),
            ));
        }
    };
    let user_name = flags.user.clone().or_else(|| context.as_ref().and_then(|context| context.user.clone()));
    let user_name = user_name.filter(|name| !name.is_empty());
    let user = match &user_name {
        Some(name) => kubeconfig
            .users
            .iter()
            .find(|entry| &entry.name == name)
            .map(|entry| entry.user.clone())
            .ok_or_else(|| {
                missing("auth info", name, kubeconfig.users.iter().map(|entry| entry.name.as_str()).collect())
            })?,
        None => User::default(),
    };
    Ok(Selection {
        context: wanted,
        cluster_name,
        cluster,
        user_name,
        user,
        namespace: context.and_then(|context| context.namespace),
    })
}

/// The only cluster of a kubeconfig's text.
#[cfg(test)]
pub(super) fn parsed_cluster(text: &str) -> Cluster {
    file::parse(text.as_bytes()).unwrap().clusters.remove(0).cluster
}

/// The only user of a kubeconfig's text.
#[cfg(test)]
pub(super) fn parsed_user(text: &str) -> User {
    file::parse(text.as_bytes()).unwrap().users.remove(0).user
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"
apiVersion: v1
kind: Config
current-context: one
clusters:
- name: arn:aws:eks:us-east-1:123456789012:cluster/prod
  cluster: {server: "https://one"}
- name: two
  cluster: {server: "https://two"}
contexts:
- name: one
  context: {cluster: "arn:aws:eks:us-east-1:123456789012:cluster/prod", user: exec, namespace: team}
- name: dangling
  context: {cluster: gone, user: exec}
- name: empty
  context: {user: exec}
users:
- name: exec
  user:
    exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: aws, args: [--region, eu-west-1, eks, get-token, --cluster-name, other]}
- name: token
  user: {token: secret}
"#;

    fn chosen(flags: &ConnectionFlags) -> Result<Selection, Error> {
        select(file::parse(CONFIG.as_bytes()).unwrap(), flags)
    }

    pub(super) fn selected() -> Selection {
        chosen(&ConnectionFlags::default()).unwrap()
    }

    #[test]
    fn flags_choose_context_cluster_and_user() {
        let selection = chosen(&ConnectionFlags::default()).unwrap();
        assert_eq!(selection.cluster.server.as_deref(), Some("https://one"));
        assert_eq!(selection.namespace.as_deref(), Some("team"));
        let selection = chosen(&ConnectionFlags {
            cluster: Some("two".to_owned()),
            user: Some("token".to_owned()),
            ..ConnectionFlags::default()
        })
        .unwrap();
        assert_eq!(selection.cluster.server.as_deref(), Some("https://two"));
        assert!(selection.user.token.is_some());
    }

    #[test]
    fn unknown_names_fail_with_kubectls_message() {
        let name = |text: &str| Some(text.to_owned());
        let cases = [
            (
                ConnectionFlags { context: name("x"), ..ConnectionFlags::default() },
                "error: context \"x\" does not exist",
            ),
            (
                ConnectionFlags { cluster: name("x"), ..ConnectionFlags::default() },
                "error: cluster \"x\" does not exist",
            ),
            (
                ConnectionFlags { user: name("x"), ..ConnectionFlags::default() },
                "error: auth info \"x\" does not exist",
            ),
            (
                ConnectionFlags { context: name("dangling"), ..ConnectionFlags::default() },
                "error: cluster \"gone\" does not exist",
            ),
            (
                ConnectionFlags { context: name("empty"), ..ConnectionFlags::default() },
                "error: context \"empty\" names no cluster",
            ),
        ];
        for (flags, text) in cases {
            assert_eq!(chosen(&flags).err().unwrap().to_string(), text);
        }
    }
}
