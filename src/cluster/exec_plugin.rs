//! Credential plugins of the kubeconfig (client-go `plugin/pkg/client/auth/exec`).

use std::io::{self, IsTerminal as _};
use std::process::{Command, Stdio};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::error::{Error, PluginFailure};
use super::identity::{Identity, bearer};
use super::kubeconfig::{Cluster, Exec};
use super::value_source::ValueSource;
use crate::parse;

/// A token is renewed this long before it expires.
const MARGIN: SignedDuration = SignedDuration::from_secs(10);

/// What `interactiveMode` may be.
const MODES: [&str; 3] = ["Never", "IfAvailable", "Always"];

/// The versions of the API that kubectl supports.
const VERSIONS: [&str; 2] = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];

/// A plugin, and its last credential.
pub(super) struct Plugin {
    call: Arc<Call>,
    last: Mutex<Credential>,
}

/// How to run a plugin.
pub(super) struct Call {
    exec: Exec,
    command: String,
    user: String,
    /// For `KUBERNETES_EXEC_INFO`.
    cluster: Option<Value>,
    /// There is no terminal.
    unattended: bool,
}

/// A credential from a plugin.
struct Credential {
    header: Option<HeaderValue>,
    identity: Option<Identity>,
    expires: Option<Timestamp>,
}

/// A plugin's output (`client.authentication.k8s.io`, all versions).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Printed {
    api_version: Option<String>,
    kind: Option<String>,
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
    expiration_timestamp: Option<String>,
}

impl Plugin {
    /// Runs the plugin for the first time.
    pub(super) async fn start(call: Call) -> Result<Self, Error> {
        let call = Arc::new(call);
        let last = call.run().await?;
        Ok(Self { call, last: Mutex::new(last) })
    }

    /// The client certificate from the plugin.
    pub(super) async fn identity(&self) -> Option<Identity> {
        self.last.lock().await.identity.clone()
    }

    /// The current header for a request; runs the plugin again if its token expired.
    pub(super) async fn header(&self) -> Result<Option<HeaderValue>, Error> {
        let mut last = self.last.lock().await;
        if last.expires.is_some_and(|end| Timestamp::now() + MARGIN >= end) {
            *last = self.call.run().await?;
        }
        Ok(last.header.clone())
    }
}

impl Call {
    pub(super) fn new(
        exec: &Exec,
        user: &str,
        cluster: &Cluster,
        authority: Option<&[u8]>,
        unattended: bool,
    ) -> Result<Self, Error> {
        let command = exec
            .command
            .clone()
            .ok_or_else(|| Error::config(format!("exec of user {user:?} has no command"), None))?;
        let version = exec.api_version.as_deref();
        if !version.is_some_and(|version| VERSIONS.contains(&version)) {
            let what = if version.is_some() { "an unsupported apiVersion" } else { "no apiVersion" };
            let message = format!("exec of user {user:?} has {what}");
            return Err(Error::config(message, Some(&format!("expected {}", VERSIONS.join(" or ")))));
        }
        if exec.interactive_mode.as_deref().is_some_and(|mode| !MODES.contains(&mode)) {
            let message = format!("exec of user {user:?} has an invalid interactiveMode");
            return Err(Error::config(message, Some("expected Never, IfAvailable or Always")));
        }
        let cluster = exec.provide_cluster_info.then(|| cluster_info(cluster, authority));
        Ok(Self { exec: exec.clone(), command, user: user.to_owned(), cluster, unattended })
    }

    /// Runs the plugin, which may take long or prompt for a code.
    async fn run(self: &Arc<Self>) -> Result<Credential, Error> {
        let call = Arc::clone(self);
        let printed = tokio::task::spawn_blocking(move || call.print()).await;
        let printed = printed.map_err(|_| Error::other("the credential plugin was interrupted"))?;
        let printed = printed.map_err(|failure| self.failed(&failure))?;
        self.read(&printed)
    }

    fn failed(&self, failure: &PluginFailure) -> Error {
        Error::plugin(&self.command, self.exec.install_hint.as_deref(), failure)
    }

    /// The plugin's standard output. Its standard error goes to ours.
    fn print(&self) -> Result<Vec<u8>, PluginFailure> {
        let is_terminal = !self.unattended && io::stdin().is_terminal();
        let interactive = match self.exec.interactive_mode.as_deref() {
            Some("Never") => false,
            Some("Always") if !is_terminal => return Err(PluginFailure::NoTerminal),
            _ => is_terminal,
        };
        let mut spec = json!({"interactive": interactive});
        if let Some(cluster) = &self.cluster {
            spec["cluster"] = cluster.clone();
        }
        let info = json!({"apiVersion": self.exec.api_version, "kind": "ExecCredential", "spec": spec});
        let mut command = Command::new(&self.command);
        command.args(&self.exec.args);
        command.envs(self.exec.env.iter().map(|variable| (&variable.name, variable.value.0.expose_secret())));
        command.env("KUBERNETES_EXEC_INFO", info.to_string());
        command.stdin(if interactive { Stdio::inherit() } else { Stdio::null() });
        command.stderr(if self.unattended { Stdio::null() } else { Stdio::inherit() });
        let output = command.stdout(Stdio::piped()).output().map_err(PluginFailure::NotStarted)?;
        if !output.status.success() {
            return Err(PluginFailure::Failed(output.status));
        }
        Ok(output.stdout)
    }

    /// Some plugins print YAML, which client-go accepts too.
    fn read(&self, printed: &[u8]) -> Result<Credential, Error> {
        let unreadable = || self.failed(&PluginFailure::Unreadable);
        let printed = std::str::from_utf8(printed).map_err(|_| unreadable())?;
        let printed: Printed = parse::yaml::from_str(printed, 1).map_err(|_| unreadable())?;
        // As in kubectl, the kind may be missing, and the version may not.
        let is_kind = printed.kind.as_deref().is_none_or(|kind| kind.is_empty() || kind == "ExecCredential");
        if printed.api_version != self.exec.api_version || !is_kind {
            let version = self.exec.api_version.clone().unwrap_or_default();
            return Err(self.failed(&PluginFailure::OtherVersion(version)));
        }
        let status = printed.status.ok_or_else(unreadable)?;
        let given = |text: Option<String>| text.filter(|text| !text.is_empty()).map(SecretString::from);
        let of = |what| ValueSource::user(what, &self.user);
        let header = given(status.token)
            .map(|token| bearer(token.expose_secret().as_bytes(), &of("the credential plugin's token")));
        let expires = given(status.expiration_timestamp)
            .map(|end| end.expose_secret().parse().map_err(|_| unreadable()))
            .transpose()?;
        let identity = match (given(status.client_certificate_data), given(status.client_key_data)) {
            (Some(certificate), Some(key)) => {
                let bytes = |text: SecretString| text.expose_secret().as_bytes().to_vec();
                let identity = Identity { certificate: bytes(certificate), key: bytes(key) };
                Some(identity.checked(
                    &of("the credential plugin's certificate"),
                    &of("the credential plugin's key"),
                )?)
            }
            (None, None) if header.is_none() => return Err(self.failed(&PluginFailure::NoCredential)),
            (None, None) => None,
            _ => return Err(self.failed(&PluginFailure::HalfIdentity)),
        };
        Ok(Credential { header: header.transpose()?, identity, expires })
    }
}

/// The cluster information for a plugin (client-go `pkg/apis/clientauthentication/v1/types.go`).
fn cluster_info(cluster: &Cluster, authority: Option<&[u8]>) -> Value {
    let mut info = serde_json::Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            info.insert(name.to_owned(), value);
        }
    };
    set("server", cluster.server.clone().map(Value::from));
    set("tls-server-name", cluster.tls_server_name.clone().map(Value::from));
    set("insecure-skip-tls-verify", cluster.insecure_skip_tls_verify.then_some(true.into()));
    set("certificate-authority-data", authority.map(|pem| STANDARD.encode(pem).into()));
    set("proxy-url", cluster.proxy_url.clone().map(Value::from));
    set("config", Some(cluster.plugin_extension().cloned().unwrap_or_default()));
    info.into()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::cluster::kubeconfig::parsed_user;

    const VERSION: &str = VERSIONS[0];

    /// The output with this status.
    fn credential(status: &str) -> String {
        format!(r#"{{"apiVersion": "{VERSION}", "kind": "ExecCredential", "status": {status}}}"#)
    }

    async fn start(script: &str, fields: &str, unattended: bool) -> Result<Plugin, Error> {
        let script = serde_json::to_string(script).unwrap();
        let exec = format!("{{apiVersion: {VERSION}, command: sh, args: [-c, {script}]{fields}}}");
        let user = parsed_user(&format!("users:\n- name: u\n  user:\n    exec: {exec}\n"));
        let cluster = Cluster { server: Some("https://c".to_owned()), ..Cluster::default() };
        let exec = user.exec.unwrap();
        Plugin::start(Call::new(&exec, "u", &cluster, Some(b"pem"), unattended).unwrap()).await
    }

    async fn header(plugin: &Plugin) -> Option<String> {
        let header = plugin.header().await.unwrap();
        header.map(|header| header.to_str().unwrap().to_owned())
    }

    #[tokio::test]
    async fn the_output_of_a_plugin_is_never_repeated() {
        let prefix = "Unable to connect to the server: getting credentials: exec: executable sh";
        let unreadable = format!("{prefix} printed no ExecCredential (JSON with a status)");
        let other_version =
            format!("{prefix} printed no ExecCredential of {VERSION}, as its apiVersion requires");
        let none = format!("{prefix} printed neither a token nor a certificate with its key");
        let half = format!("{prefix} printed only a certificate or only a key");
        let good = credential(r#"{"token": "s3cret"}"#);
        let cases = [
            ("s3cret".to_owned(), unreadable.as_str()),
            (String::new(), &other_version),
            (good.trim_end_matches('}').to_owned(), &unreadable),
            (format!("{good} s3cret"), &unreadable),
            (credential(r#"{"token": ["s3cret"]}"#), &unreadable),
            (credential("\"s3cret\""), &unreadable),
            (credential("null"), &unreadable),
            (good.replace("status", "other"), &unreadable),
            (credential(r#"{"token": "t", "expirationTimestamp": "s3cret"}"#), &unreadable),
            (good.replace("/v1", "/v1beta1"), &other_version),
            (good.replace("/v1", "/s3cret"), &other_version),
            (good.replace("apiVersion", "version"), &other_version),
            (good.replace("ExecCredential", "s3cret"), &other_version),
            (r#"{"token": "s3cret"}"#.to_owned(), &other_version),
            (credential("{}"), &none),
            (credential(r#"{"token": "", "clientCertificateData": "", "clientKeyData": null}"#), &none),
            (credential(r#"{"clientCertificateData": "s3cret"}"#), &half),
            (credential(r#"{"clientKeyData": "s3cret"}"#), &half),
            (credential(r#"{"token": "s3cret", "clientCertificateData": "s3cret"}"#), &half),
            (
                credential(r#"{"token": "s3cret\n"}"#),
                "error: the credential plugin's token of user \"u\" is invalid: it has a line break",
            ),
            (
                credential(r#"{"clientCertificateData": "s3cret", "clientKeyData": "s3cret"}"#),
                "error: the credential plugin's certificate of user \"u\" holds no valid PEM certificate",
            ),
        ];
        let scripts = cases.map(|(printed, words)| (format!("printf %s '{printed}'"), words.to_owned()));
        let others = [
            (r"printf '{\377s3cret'".to_owned(), unreadable.clone()),
            (
                "echo s3cret; echo s3cret >&2; exit 3".to_owned(),
                format!("{prefix} failed with exit status: 3"),
            ),
        ];
        for (script, words) in scripts.into_iter().chain(others) {
            let environment = ", env: [{name: SECRET, value: s3cret}]";
            let error = start(&script, environment, true).await.map(|_| ()).unwrap_err();
            assert_eq!(error.to_string(), words, "{script}");
            assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_plugin_that_requires_a_terminal_is_not_run_without_one() {
        let ran = std::env::temp_dir().join(format!("plugin-ran-{}", std::process::id()));
        let script = format!("touch {}", ran.display());
        let error = start(&script, ", interactiveMode: Always", true).await.map(|_| ()).unwrap_err();
        assert!(error.to_string().ends_with("requires a terminal (interactiveMode: Always)"), "{error}");
        assert!(!ran.exists());
        for mode in ["Never", "IfAvailable", "''"] {
            let plugin = start(
                &format!("echo '{}'", credential("{token: t}")),
                &format!(", interactiveMode: {mode}"),
                true,
            )
            .await;
            assert!(plugin.is_ok(), "{mode}");
        }
        let v1beta1 = "apiVersion: client.authentication.k8s.io/v1beta1";
        for (fields, expected) in [
            (format!("{v1beta1}, interactiveMode: s3cret"), "an invalid interactiveMode"),
            ("apiVersion: client.authentication.k8s.io/v1alpha1".to_owned(), "an unsupported apiVersion"),
            ("apiVersion: s3cret".to_owned(), "an unsupported apiVersion"),
            ("apiVersion: ''".to_owned(), "no apiVersion"),
            ("args: []".to_owned(), "no apiVersion"),
        ] {
            let user = parsed_user(&format!("users:\n- user: {{exec: {{command: sh, {fields}}}}}\n"));
            let call = Call::new(&user.exec.unwrap(), "u", &Cluster::default(), None, true);
            let error = call.map(|_| ()).unwrap_err().to_string();
            assert_eq!(error, format!("error: exec of user \"u\" has {expected}"));
        }
    }

    #[tokio::test]
    async fn a_plugin_gets_the_same_input_as_from_client_go() {
        // Prints its input as the token, without the characters that JSON would have to escape.
        let script = r#"
            token=$(printf '%s %s' "$KUBERNETES_EXEC_INFO" "$X" | tr -d '"')
            echo "{apiVersion: client.authentication.k8s.io/v1, status: {token: '$token'}}"
        "#;
        let fields = ", provideClusterInfo: true, env: [{name: X, value: y}]";
        let plugin = start(script, fields, true).await.unwrap();
        assert_eq!(
            header(&plugin).await.unwrap(),
            "Bearer {apiVersion:client.authentication.k8s.io/v1,kind:ExecCredential,spec:{cluster:\
             {certificate-authority-data:cGVt,config:null,server:https://c},interactive:false}} y"
        );
    }

    #[tokio::test]
    async fn a_token_is_renewed_when_it_expires() {
        let count = std::env::temp_dir().join(format!("plugin-count-{}", std::process::id()));
        let script = |end: &str| {
            format!(
                "echo x >> {0}; echo \"{{apiVersion: {VERSION}, status: {{token: t$(wc -l < {0} | tr -d ' '), expirationTimestamp: '{end}'}}}}\"",
                count.display()
            )
        };
        for (end, expected) in
            [("2000-01-01T00:00:00Z", ["Bearer t2", "Bearer t3"]), ("2999-01-01T00:00:00Z", ["Bearer t1"; 2])]
        {
            let plugin = start(&script(end), "", true).await.unwrap();
            for expected in expected {
                assert_eq!(header(&plugin).await.as_deref(), Some(expected), "{end}");
            }
            std::fs::remove_file(&count).unwrap();
        }
    }
}
