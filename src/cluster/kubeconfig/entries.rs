//! The kubeconfig fields that a connection needs. An empty string counts as absent, as in kubectl.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

/// The name of the cluster's extension that is passed to a credential plugin (client-go `clientcmd/api/types.go`).
const PLUGIN_EXTENSION: &str = "client.authentication.k8s.io/exec";

/// As Go decodes: excess bits of the last character are ignored.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

#[derive(Clone, Default, Deserialize)]
pub(in crate::cluster) struct Kubeconfig {
    #[serde(rename = "current-context", default, deserialize_with = "text")]
    pub(in crate::cluster) current_context: Option<String>,
    #[serde(default, deserialize_with = "list")]
    pub(in crate::cluster) clusters: Vec<NamedCluster>,
    #[serde(default, deserialize_with = "list")]
    pub(in crate::cluster) contexts: Vec<NamedContext>,
    #[serde(default, deserialize_with = "list")]
    pub(in crate::cluster) users: Vec<NamedUser>,
}

#[derive(Clone, Default, Deserialize)]
pub(in crate::cluster) struct NamedCluster {
    #[serde(default, deserialize_with = "nullable")]
    pub(in crate::cluster) name: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(in crate::cluster) cluster: Cluster,
}

#[derive(Clone, Default, Deserialize)]
pub(in crate::cluster) struct NamedContext {
    #[serde(default, deserialize_with = "nullable")]
    pub(in crate::cluster) name: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(in crate::cluster) context: Context,
}

#[derive(Clone, Default, Deserialize)]
pub(in crate::cluster) struct NamedUser {
    #[serde(default, deserialize_with = "nullable")]
    pub(in crate::cluster) name: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(in crate::cluster) user: User,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::cluster) struct Cluster {
    #[serde(default, deserialize_with = "text")]
    pub(in crate::cluster) server: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(in crate::cluster) tls_server_name: Option<String>,
    #[serde(default, deserialize_with = "boolean")]
    pub(in crate::cluster) insecure_skip_tls_verify: bool,
    #[serde(default, deserialize_with = "text")]
    pub(in crate::cluster) certificate_authority: Option<String>,
    #[serde(default, deserialize_with = "data")]
    pub(in crate::cluster) certificate_authority_data: Option<Data>,
    #[serde(default, deserialize_with = "text")]
    pub(in crate::cluster) proxy_url: Option<String>,
    #[serde(default, deserialize_with = "list")]
    pub(in crate::cluster) extensions: Vec<Extension>,
    /// The file that contains it.
    #[serde(skip)]
    pub(in crate::cluster) file: PathBuf,
}

#[derive(Clone, Default, Deserialize)]
pub(in crate::cluster) struct Extension {
    #[serde(default, deserialize_with = "nullable")]
    name: String,
    #[serde(default)]
    extension: serde_json::Value,
}

#[derive(Clone, Default, Deserialize)]
pub(in crate::cluster) struct Context {
    #[serde(default, deserialize_with = "nullable")]
    pub(in crate::cluster) cluster: String,
    #[serde(default, deserialize_with = "text")]
    pub(in crate::cluster) user: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(in crate::cluster) namespace: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::cluster) struct User {
    #[serde(default, deserialize_with = "secret")]
    pub(in crate::cluster) token: Option<SecretString>,
    #[serde(rename = "tokenFile", default, deserialize_with = "text")]
    pub(in crate::cluster) token_file: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(in crate::cluster) username: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    pub(in crate::cluster) password: Option<SecretString>,
    #[serde(default, deserialize_with = "text")]
    pub(in crate::cluster) client_certificate: Option<String>,
    #[serde(default, deserialize_with = "data")]
    pub(in crate::cluster) client_certificate_data: Option<Data>,
    #[serde(default, deserialize_with = "text")]
    pub(in crate::cluster) client_key: Option<String>,
    #[serde(default, deserialize_with = "data")]
    pub(in crate::cluster) client_key_data: Option<Data>,
    #[serde(rename = "as", default, deserialize_with = "text")]
    pub(in crate::cluster) impersonate: Option<String>,
    #[serde(rename = "as-uid", default, deserialize_with = "text")]
    pub(in crate::cluster) impersonate_uid: Option<String>,
    #[serde(rename = "as-groups", default, deserialize_with = "list")]
    pub(in crate::cluster) impersonate_groups: Vec<String>,
    #[serde(rename = "as-user-extra", default, deserialize_with = "nullable")]
    pub(in crate::cluster) impersonate_extra: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(in crate::cluster) auth_provider: Option<AuthProvider>,
    #[serde(default)]
    pub(in crate::cluster) exec: Option<Exec>,
    /// The file that contains it.
    #[serde(skip)]
    pub(in crate::cluster) file: PathBuf,
}

#[derive(Clone, Default, Deserialize)]
pub(in crate::cluster) struct AuthProvider {
    #[serde(default, deserialize_with = "nullable")]
    pub(in crate::cluster) name: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(in crate::cluster) config: BTreeMap<String, SecretText>,
}

/// A credential plugin.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cluster) struct Exec {
    #[serde(default, deserialize_with = "text")]
    pub(in crate::cluster) api_version: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(in crate::cluster) command: Option<String>,
    #[serde(default, deserialize_with = "list")]
    pub(in crate::cluster) args: Vec<String>,
    #[serde(default, deserialize_with = "list")]
    pub(in crate::cluster) env: Vec<Variable>,
    #[serde(default, deserialize_with = "text")]
    pub(in crate::cluster) install_hint: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(in crate::cluster) interactive_mode: Option<String>,
    #[serde(default, deserialize_with = "boolean")]
    pub(in crate::cluster) provide_cluster_info: bool,
}

#[derive(Clone, Default, Deserialize)]
pub(in crate::cluster) struct Variable {
    #[serde(default, deserialize_with = "nullable")]
    pub(in crate::cluster) name: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(in crate::cluster) value: SecretText,
}

/// A secret text, excluded from debug output.
#[derive(Clone, Default)]
pub(in crate::cluster) struct SecretText(pub(in crate::cluster) SecretString);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Option::<String>::deserialize(deserializer)?.unwrap_or_default().into()))
    }
}

/// Base64 data in a kubeconfig.
#[derive(Clone)]
pub(in crate::cluster) struct Data {
    text: SecretString,
    line: u64,
}

impl Data {
    /// The decoded bytes. Line breaks are ignored, as in Go; a `!!binary` value, which YAML has already decoded, is
    /// used as it is.
    ///
    /// # Errors
    /// It is not valid Base64.
    pub(in crate::cluster) fn decode(&self, file: &Path) -> Result<Vec<u8>, InvalidData> {
        let text = self.text.expose_secret();
        if text.trim_start().starts_with("-----BEGIN ") {
            return Ok(text.as_bytes().to_vec());
        }
        let encoded: String = text.chars().filter(|letter| !matches!(letter, '\r' | '\n')).collect();
        // The decoder's own error quotes the invalid byte.
        BASE64.decode(encoded).map_err(|_| InvalidData { file: file.to_owned(), line: self.line })
    }
}

/// File and line of data that is not valid Base64.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: line {line}", .file.display())]
pub(in crate::cluster) struct InvalidData {
    file: PathBuf,
    line: u64,
}

impl Cluster {
    /// Whether it has a certificate authority of its own.
    pub(in crate::cluster) const fn has_authority(&self) -> bool {
        self.certificate_authority.is_some() || self.certificate_authority_data.is_some()
    }

    /// The data in the cluster's entry for a credential plugin.
    pub(in crate::cluster) fn plugin_extension(&self) -> Option<&serde_json::Value> {
        let extension = self.extensions.iter().find(|extension| extension.name == PLUGIN_EXTENSION)?;
        Some(&extension.extension).filter(|value| !value.is_null())
    }
}

impl Kubeconfig {
    /// The list and the name of two of its entries that have the same name, which kubectl refuses.
    pub(in crate::cluster) fn duplicate(&self) -> Option<(&'static str, &str)> {
        let clusters = duplicate(self.clusters.iter().map(|entry| entry.name.as_str()));
        let contexts = || duplicate(self.contexts.iter().map(|entry| entry.name.as_str()));
        let users = || duplicate(self.users.iter().map(|entry| entry.name.as_str()));
        let of = |list| move |name| (list, name);
        clusters
            .map(of("clusters"))
            .or_else(|| contexts().map(of("contexts")))
            .or_else(|| users().map(of("users")))
    }

    /// The first file that sets a value takes precedence; entries are identified by name.
    #[must_use]
    pub(in crate::cluster) fn merge(mut self, next: Self) -> Self {
        self.current_context = self.current_context.or(next.current_context);
        append_new(&mut self.clusters, next.clusters, |entry| &entry.name);
        append_new(&mut self.contexts, next.contexts, |entry| &entry.name);
        append_new(&mut self.users, next.users, |entry| &entry.name);
        self
    }

    /// Marks the entries with their `file`, and resolves paths relative to its folder, as kubectl does. A plugin's
    /// command is a path only if it contains a separator.
    pub(in crate::cluster) fn locate(&mut self, file: &Path) {
        let folder = file.parent().unwrap_or(Path::new(""));
        let resolve = |path: &mut Option<String>| {
            if let Some(text) = path.as_mut().filter(|text| Path::new(text).is_relative()) {
                *text = folder.join(&*text).display().to_string();
            }
        };
        for NamedCluster { cluster, .. } in &mut self.clusters {
            file.clone_into(&mut cluster.file);
            resolve(&mut cluster.certificate_authority);
        }
        for NamedUser { user, .. } in &mut self.users {
            file.clone_into(&mut user.file);
            resolve(&mut user.client_certificate);
            resolve(&mut user.client_key);
            resolve(&mut user.token_file);
            let exec = user.exec.as_mut();
            if let Some(exec) = exec.filter(|exec| {
                exec.command.as_ref().is_some_and(|command| command.contains(std::path::MAIN_SEPARATOR))
            }) {
                resolve(&mut exec.command);
            }
        }
    }
}

fn duplicate<'n>(mut names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let mut known = BTreeSet::new();
    names.find(|name| !known.insert(*name))
}

fn append_new<T>(entries: &mut Vec<T>, next: Vec<T>, name: impl Fn(&T) -> &String) {
    for entry in next {
        if !entries.iter().any(|known| name(known) == name(&entry)) {
            entries.push(entry);
        }
    }
}

/// Null counts as absent.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A list whose entries may be null too, which Go reads as an entry without values.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let entries: Vec<Option<T>> = nullable(deserializer)?;
    Ok(entries.into_iter().map(Option::unwrap_or_default).collect())
}

/// As in kubectl, a string such as `"true"` is not a boolean.
fn boolean<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    struct Boolean;
    impl Visitor<'_> for Boolean {
        type Value = bool;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a boolean")
        }

        fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<bool, E> {
            Ok(value)
        }

        fn visit_unit<E: serde::de::Error>(self) -> Result<bool, E> {
            Ok(false)
        }
    }
    deserializer.deserialize_any(Boolean)
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Ok(text(deserializer)?.map(SecretString::from))
}

fn data<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Data>, D::Error> {
    let data = Option::<Spanned<String>>::deserialize(deserializer)?;
    let data = data.filter(|data| !data.value.is_empty());
    Ok(data.map(|data| Data { line: data.referenced.line(), text: data.value.into() }))
}
