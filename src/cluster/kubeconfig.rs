//! The kubeconfig: which cluster and user the flags choose, and what their names say about EKS.

use std::path::Path;

use kube::config::{AuthInfo, Cluster, Kubeconfig};

use super::connect::ConnectionFlags;
use super::error::Error;

/// The entries of a kubeconfig that a connection uses.
pub(super) struct Selection {
    /// The context's name, if one was used.
    pub(super) context: Option<String>,
    pub(super) cluster_name: Option<String>,
    pub(super) cluster: Cluster,
    pub(super) user: AuthInfo,
    pub(super) namespace: Option<String>,
}

/// What names tell about an EKS cluster. Every part may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EksIdentity {
    pub name: Option<String>,
    pub account: Option<String>,
    pub region: Option<String>,
}

/// What a kubeconfig names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfiguredNames {
    pub contexts: Vec<String>,
    pub clusters: Vec<String>,
    pub users: Vec<String>,
}

/// The names in the kubeconfig that `flag` or the environment chooses; none where there is no file.
///
/// # Errors
/// A file cannot be read.
pub fn configured_names(flag: Option<&Path>) -> Result<ConfiguredNames, Error> {
    let kubeconfig = load(flag)?.unwrap_or_default();
    Ok(ConfiguredNames {
        contexts: kubeconfig.contexts.into_iter().map(|entry| entry.name).collect(),
        clusters: kubeconfig.clusters.into_iter().map(|entry| entry.name).collect(),
        users: kubeconfig.auth_infos.into_iter().map(|entry| entry.name).collect(),
    })
}

/// Reads `--kubeconfig`, else the files of `KUBECONFIG`, of which missing ones are skipped as kubectl does, else
/// `~/.kube/config`. `None` where there is no file at all.
pub(super) fn load(flag: Option<&Path>) -> Result<Option<Kubeconfig>, Error> {
    let read = |path: &Path| {
        Kubeconfig::read_from(path)
            .map_err(|error| Error::config(format!("loading config file {}: {error}", path.display()), None))
    };
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
            Some(first) => first
                .merge(next)
                .map_err(|error| Error::config(format!("merging {}: {error}", path.display()), None))?,
            None => next,
        });
    }
    Ok(merged)
}

/// Applies `--context`, `--cluster` and `--user`.
pub(super) fn select(kubeconfig: Kubeconfig, flags: &ConnectionFlags) -> Result<Selection, Error> {
    let missing = |what: &str, name: &str, there: Vec<&str>| {
        let hint = match there.as_slice() {
            [] => "the kubeconfig names none".to_owned(),
            names => format!("the kubeconfig has {}", names.join(", ")),
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
                .and_then(|entry| entry.context.clone())
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
    let cluster = match &cluster_name {
        Some(name) => kubeconfig
            .clusters
            .iter()
            .find(|entry| &entry.name == name)
            .and_then(|entry| entry.cluster.clone())
            .ok_or_else(|| {
                missing(
                    "cluster",
                    name,
                    kubeconfig.clusters.iter().map(|entry| entry.name.as_str()).collect(),
                )
            })?,
        None if flags.server.is_some() => Cluster::default(),
        None => {
            return Err(Error::config(
                "current-context is not set",
                Some("name one with --context, or choose one with `kubectl config use-context`"),
            ));
        }
    };
    let user_name = flags.user.clone().or_else(|| context.as_ref().and_then(|context| context.user.clone()));
    let user = match user_name.filter(|name| !name.is_empty()) {
        Some(name) => kubeconfig
            .auth_infos
            .iter()
            .find(|entry| entry.name == name)
            .and_then(|entry| entry.auth_info.clone())
            .ok_or_else(|| {
                missing(
                    "auth info",
                    &name,
                    kubeconfig.auth_infos.iter().map(|entry| entry.name.as_str()).collect(),
                )
            })?,
        None => AuthInfo::default(),
    };
    Ok(Selection {
        context: wanted,
        cluster_name,
        cluster,
        user,
        namespace: context.and_then(|context| context.namespace),
    })
}

impl EksIdentity {
    /// Reads the names that `aws eks update-kubeconfig` and eksctl give, the arguments of `aws eks get-token`, and
    /// the server's own name. The first that tells a part wins.
    pub(super) fn read(selection: &Selection, server: &str) -> Option<Self> {
        let mut identity = Self::default();
        for name in [&selection.cluster_name, &selection.context].into_iter().flatten() {
            identity.complete(from_arn(name));
            identity.complete(from_eksctl(name));
        }
        if let Some(arguments) = selection.user.exec.as_ref().and_then(|exec| exec.args.as_deref()) {
            identity.complete(Some(from_arguments(arguments)));
        }
        identity.complete(from_server(server));
        (identity != Self::default()).then_some(identity)
    }

    fn complete(&mut self, other: Option<Self>) {
        if let Some(other) = other {
            self.name = self.name.take().or(other.name);
            self.account = self.account.take().or(other.account);
            self.region = self.region.take().or(other.region);
        }
    }
}

/// `arn:aws:eks:us-east-1:123456789012:cluster/name`.
fn from_arn(text: &str) -> Option<EksIdentity> {
    let mut parts = text.splitn(6, ':');
    let (arn, _partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (region, account) = (parts.next()?, parts.next()?);
    let name = parts.next()?.strip_prefix("cluster/")?;
    (arn == "arn" && service == "eks").then(|| EksIdentity {
        name: Some(name.to_owned()),
        account: Some(account.to_owned()),
        region: Some(region.to_owned()),
    })
}

/// `name.us-east-1.eksctl.io`, for contexts with `user@` before it.
fn from_eksctl(text: &str) -> Option<EksIdentity> {
    let (name, region) = text.rsplit('@').next()?.strip_suffix(".eksctl.io")?.rsplit_once('.')?;
    Some(EksIdentity { name: Some(name.to_owned()), account: None, region: Some(region.to_owned()) })
}

/// `--region us-east-1 eks get-token --cluster-name name`, or aws-iam-authenticator's `token -i name`.
fn from_arguments(arguments: &[String]) -> EksIdentity {
    let value = |flags: &[&str]| {
        arguments.iter().enumerate().find_map(|(index, argument)| match argument.split_once('=') {
            Some((flag, value)) if flags.contains(&flag) => Some(value.to_owned()),
            _ if flags.contains(&argument.as_str()) => arguments.get(index + 1).cloned(),
            _ => None,
        })
    };
    EksIdentity {
        name: value(&["--cluster-name", "--cluster-id", "-i"]),
        account: None,
        region: value(&["--region"]),
    }
}

/// `https://<id>.gr7.us-east-1.eks.amazonaws.com`.
fn from_server(server: &str) -> Option<EksIdentity> {
    let host = server.split("://").last()?.split(['/', ':']).next()?;
    let host =
        host.strip_suffix(".eks.amazonaws.com").or_else(|| host.strip_suffix(".eks.amazonaws.com.cn"))?;
    Some(EksIdentity { region: host.rsplit('.').next().map(str::to_owned), ..EksIdentity::default() })
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
users:
- name: exec
  user:
    exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: aws, args: [--region, eu-west-1, eks, get-token, --cluster-name, other]}
- name: token
  user: {token: secret}
"#;

    fn chosen(flags: &ConnectionFlags) -> Result<Selection, Error> {
        select(Kubeconfig::from_yaml(CONFIG).unwrap(), flags)
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
    fn names_that_do_not_exist_are_told_in_kubectls_words() {
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
        ];
        for (flags, text) in cases {
            assert_eq!(chosen(&flags).err().unwrap().to_string(), text);
        }
    }

    #[test]
    fn names_tell_about_eks() {
        let selection = chosen(&ConnectionFlags::default()).unwrap();
        let identity = EksIdentity::read(&selection, "https://one").unwrap();
        let part = |text: &str| Some(text.to_owned());
        assert_eq!(
            (identity.name, identity.account, identity.region),
            (part("prod"), part("123456789012"), part("us-east-1"))
        );
        assert_eq!(from_eksctl("me@prod.eu-west-1.eksctl.io").unwrap().region, part("eu-west-1"));
        assert_eq!(
            from_server("https://ABC.gr7.us-east-2.eks.amazonaws.com").unwrap().region,
            part("us-east-2")
        );
        assert_eq!(from_arguments(&["token".to_owned(), "-i".to_owned(), "x".to_owned()]).name, part("x"));
        for nothing in ["kind-kind", "arn:aws:iam::123456789012:role/x", "https://127.0.0.1:6443"] {
            assert_eq!((from_arn(nothing), from_eksctl(nothing), from_server(nothing)), (None, None, None));
        }
    }
}
