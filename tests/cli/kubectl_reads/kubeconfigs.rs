//! Kubeconfigs: the same credentials are sent to the same server as by kubectl.

use std::os::unix::fs::PermissionsExt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lab::pki::{Authority, Identity};
use serde_json::json;

use super::server::{Seen, Server};
use super::{kubectl, kubectl_path};
use crate::harness::assert_stderr_contains;
use crate::secrets::Home;

pub(super) const EXEC: &str =
    "apiVersion: client.authentication.k8s.io/v1, command: ./plugin, interactiveMode: IfAvailable";

/// A folder with a server's authority, and files that kubeconfigs name.
pub(super) struct Case {
    pub(super) home: Home,
    pub(super) tls: Server,
    pub(super) plain: Server,
    pub(super) authority: String,
    pub(super) client: Identity,
}

impl Case {
    pub(super) fn new() -> Self {
        let home = Home::new();
        let authority = Authority::load_or_create(home.path()).unwrap();
        let client = authority.issue("client", None, &[]).unwrap();
        home.write("c.pem", &client.certificate);
        home.write("c.key", &client.key);
        home.write("ca.pem", &authority.certificate);
        home.write("token", "from-file\n");
        home.write("spaced", "\n  from-file \r\n\n");
        home.write("lines", "s3cret\nlines\n");
        home.write("empty", "");
        let credential = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "from-plugin"}});
        let plugin = home.write(
            "plugin",
            format!("#!/bin/sh\necho \"$KUBERNETES_EXEC_INFO\" > info\necho '{credential}'\n"),
        );
        std::fs::set_permissions(plugin, PermissionsExt::from_mode(0o755)).unwrap();
        let (tls, plain) = (Server::start(Some(&authority)), Server::start(None));
        Self { home, tls, plain, authority: STANDARD.encode(&authority.certificate), client }
    }

    pub(super) fn kubeconfig(&self, user: &str) -> String {
        self.with_cluster(&format!("certificate-authority-data: {}", self.authority), user)
    }

    pub(super) fn with_cluster(&self, cluster: &str, user: &str) -> String {
        config(&format!("https://{}", self.tls.address), cluster, user)
    }

    /// What kubectl and the plugin send first, with this `KUBECONFIG` and flags.
    pub(super) fn sent(&self, server: &Server, kubeconfig: &str, flags: &[&str]) -> [Option<Seen>; 2] {
        let ours = [&["images", "--request-timeout=10s"], flags].concat();
        let arguments = [&["get", "--raw", "/api"], flags].concat();
        [
            server.first(|| drop(kubectl(self.home.path(), kubeconfig, &arguments))),
            server.first(|| drop(self.home.plugin(2, kubeconfig, &ours))),
        ]
    }

    /// Asserts that the plugin sends what kubectl sends, and returns it.
    pub(super) fn same(&self, text: impl AsRef<[u8]>) -> Seen {
        let shown = String::from_utf8_lossy(text.as_ref()).into_owned();
        self.home.write("config", text);
        let [expected, sent] = self.sent(&self.tls, "config", &[]);
        assert_eq!(sent, expected, "{shown}");
        expected.unwrap_or_else(|| panic!("{} sends nothing: {shown}", kubectl_path().display()))
    }
}

fn config(server: &str, cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: x\nclusters:\n- name: c\n  cluster:\n    server: \"{server}\"\n    {cluster}\n\
         contexts:\n- name: x\n  context: {{cluster: c, user: u}}\nusers:\n- name: u\n  user: {user}\n"
    )
}

/// Base64 with line breaks, indented.
fn lines(text: &str) -> String {
    let lines = text.as_bytes().chunks(64).map(|line| format!("      {}\n", String::from_utf8_lossy(line)));
    format!("|\n{}", lines.collect::<String>()).trim_end().to_owned()
}

#[test]
fn base64_and_certificates_are_read() {
    let case = Case::new();
    let (ca, certificate, key) =
        (&case.authority, STANDARD.encode(&case.client.certificate), STANDARD.encode(&case.client.key));
    let broken = |eol: &str| lines(ca).trim_start_matches("|\n").trim_start().replace("\n      ", eol);
    for data in [
        lines(ca),
        format!("\"{}\"", broken("\\n")),
        format!("\"{}\"", broken("\\r\\n")),
        format!("!!binary {}", STANDARD.encode(ca)),
        format!("{ca}\n    certificate-authority: ''\n    proxy-url: ''\n    tls-server-name: ''"),
    ] {
        let text = case.with_cluster(&format!("certificate-authority-data: {data}"), "{token: good}");
        for text in [text.replace('\n', "\r\n"), text] {
            assert_eq!(case.same(text).authorization.as_deref(), Some("Bearer good"));
        }
    }
    for cluster in ["certificate-authority: ca.pem", "insecure-skip-tls-verify: true"] {
        case.same(case.with_cluster(cluster, "{token: good}"));
    }
    let block = format!(
        "\n    client-certificate-data: {}\n    client-key-data: {}",
        lines(&certificate),
        lines(&key)
    );
    for user in [
        format!("{{client-certificate-data: {certificate}, client-key-data: {key}}}"),
        block.clone(),
        "{client-certificate: c.pem, client-key: c.key}".to_owned(),
        format!(
            "{{client-certificate: c.pem, client-key-data: {key}, client-certificate-data: '', client-key: ''}}"
        ),
        format!("{{client-certificate: c.pem, client-key: c.key, exec: {{{EXEC}}}}}"),
        "{client-certificate: c.pem, client-key: c.key, token: good}".to_owned(),
    ] {
        assert!(case.same(case.kubeconfig(&user)).has_certificate, "{user}");
    }
    assert!(case.same(case.kubeconfig(&block).replace('\n', "\r\n")).has_certificate);
}

#[test]
fn tokens_logins_and_plugins_are_sent() {
    let case = Case::new();
    let exec = |more: &str| format!("{{exec: {{{EXEC}}}{more}}}");
    let cases = [
        ("{token: good}".to_owned(), "Bearer good"),
        ("{token: \"good \\t\"}".to_owned(), "Bearer good"),
        ("{token: |-\n      good}".replace("{token: |-\n      good}", "\n    token: |-\n      good"), "Bearer good"),
        ("{tokenFile: token}".to_owned(), "Bearer from-file"),
        ("{tokenFile: spaced}".to_owned(), "Bearer from-file"),
        // The file takes precedence as long as it has a token.
        ("{token: good, tokenFile: token}".to_owned(), "Bearer from-file"),
        ("{token: \"s3cret\\n\", tokenFile: token}".to_owned(), "Bearer from-file"),
        ("{token: good, tokenFile: absent}".to_owned(), "Bearer good"),
        ("{token: good, tokenFile: empty}".to_owned(), "Bearer good"),
        ("{token: good, tokenFile: '', username: '', password: '', client-certificate: '', client-key: '', client-certificate-data: '', client-key-data: '', as: '', auth-provider: ~, exec: ~}".to_owned(), "Bearer good"),
        ("{token: other, token: good, unknown: {a: 1}}".to_owned(), "Bearer good"),
        ("{username: a, password: b}".to_owned(), "Basic YTpi"),
        ("{username: a}".to_owned(), "Basic YTo="),
        (exec(""), "Bearer from-plugin"),
        (exec(", token: good"), "Bearer good"),
        (exec(", tokenFile: token"), "Bearer from-file"),
        (exec(", username: a, password: b"), "Basic YTpi"),
        (exec("").replace("IfAvailable", "Never"), "Bearer from-plugin"),
    ];
    for (user, expected) in &cases {
        assert_eq!(case.same(case.kubeconfig(user)).authorization.as_deref(), Some(*expected), "{user}");
    }
    let as_user = case.same(
        case.kubeconfig("{token: good, as: bob, as-groups: [a], as-uid: '3', as-user-extra: {x.io/k: [v]}}"),
    );
    assert_eq!(as_user.impersonation.len(), 4, "{as_user:?}");
    // The same text in other encodings and forms.
    let text = case.kubeconfig("{token: good}");
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for text in [
        format!("\u{feff}{text}").into_bytes(),
        [b"\xff\xfe".to_vec(), utf16].concat(),
        format!("{text}created: !!timestamp 2024-01-01\n").into_bytes(),
        text.replace("apiVersion: v1\nkind: Config\n", "").into_bytes(),
        text.replace("{token: good}", "{\n\t\"token\": \"good\"\n\t}").into_bytes(),
    ] {
        case.same(text);
    }
    // What a plugin reads of the cluster and the terminal.
    let text = case.kubeconfig(&exec("").replace(EXEC, &format!("{EXEC}, provideClusterInfo: true")));
    case.home.write("config", text);
    let info = || std::fs::read_to_string(case.home.path().join("info")).unwrap();
    drop(kubectl(case.home.path(), "config", &["get", "--raw", "/api"]));
    let expected: serde_json::Value = serde_json::from_str(&info()).unwrap();
    case.home.plugin(2, "config", &["images"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&info()).unwrap(), expected);
    assert_eq!(expected["spec"]["interactive"], false);
}

#[test]
fn what_kubectl_refuses_is_refused_with_the_name_of_the_user() {
    let case = Case::new();
    let exec = |fields: &str| format!("{{exec: {{apiVersion: client.authentication.k8s.io/v1, {fields}}}}}");
    let ca = case.authority.clone();
    let cases = [
        (
            "\n    token: |\n      s3cret\n".to_owned(),
            "error: token of user \"u\" is invalid: it has a line break",
        ),
        ("{tokenFile: lines}".to_owned(), "error: tokenFile of user \"u\" is invalid: it has a line break"),
        (
            "{token: good, tokenFile: lines}".to_owned(),
            "error: tokenFile of user \"u\" is invalid: it has a line break",
        ),
        ("{tokenFile: absent}".to_owned(), "error: tokenFile of user \"u\": absent: No such file"),
        ("{tokenFile: empty}".to_owned(), "error: tokenFile of user \"u\": empty: it has no token"),
        (
            "{username: a, password: s3cret, token: s3cret}".to_owned(),
            "error: user \"u\" has a username or password and a token",
        ),
        (
            "{username: a, password: s3cret, tokenFile: token}".to_owned(),
            "error: user \"u\" has a username or password and a token",
        ),
        ("{client-certificate: c.pem}".to_owned(), "error: client-certificate of user \"u\" has no key"),
        (
            "{token: good, as-groups: [s3cret]}".to_owned(),
            "error: user \"u\": uid, groups or extra values are impersonated without a user",
        ),
        (
            exec("command: ./plugin, interactiveMode: Always"),
            "./plugin requires a terminal (interactiveMode: Always)",
        ),
        (
            exec("command: ./plugin, interactiveMode: s3cret"),
            "error: exec of user \"u\" has an invalid interactiveMode",
        ),
        (exec("interactiveMode: Never"), "error: exec of user \"u\" has no command"),
        (exec("command: ./absent, interactiveMode: Never"), "executable ./absent not found"),
        ("s3cret".to_owned(), "loading config file config: line "),
        ("{token: [s3cret]}".to_owned(), "loading config file config: line "),
    ];
    for (user, words) in &cases {
        case.home.write("config", case.kubeconfig(user));
        assert_eq!(case.sent(&case.tls, "config", &[]), [None, None], "{user}");
        assert_stderr_contains(&case.home.plugin(2, "config", &["images"]), &[words]);
    }
    for data in [format!("'{ca} '"), format!(">\n{}", &lines(&ca)[2..]), "s3cret!".to_owned()] {
        case.home.write(
            "config",
            case.with_cluster(&format!("certificate-authority-data: {data}"), "{token: good}"),
        );
        assert_eq!(case.sent(&case.tls, "config", &[]), [None, None], "{data}");
        assert_stderr_contains(
            &case.home.plugin(2, "config", &["images"]),
            &["certificate-authority of cluster \"c\": invalid Base64"],
        );
    }
}

#[test]
fn without_credentials_the_request_is_anonymous() {
    let case = Case::new();
    // kubectl prompts for a login, and fails without a terminal.
    for user in ["{}", "~", "", "{token: ~}", "{password: s3cret}", "{token: '', tokenFile: ''}"] {
        case.home.write("config", case.kubeconfig(user));
        assert_eq!(case.sent(&case.tls, "config", &[]), [None, Some(Seen::default())], "{user}");
    }
}

#[test]
fn plain_http_gets_no_credentials_and_runs_no_plugin() {
    let case = Case::new();
    for server in [format!("http://{}", case.plain.address), case.plain.address.clone()] {
        for user in [
            "{token: s3cret}",
            "{tokenFile: absent}",
            "{username: a, password: s3cret}",
            &format!("{{exec: {{{EXEC}}}}}"),
        ] {
            case.home.write("config", config(&server, "disable-compression: true", user));
            let [expected, sent] = case.sent(&case.plain, "config", &[]);
            assert_eq!((&sent, &expected), (&Some(Seen::default()), &sent), "{server} {user}");
            assert!(!case.home.path().join("info").exists(), "a plugin was run");
        }
    }
    // As for `kubectl proxy`. A certificate, or none that is needed, is no reason for TLS.
    let certificate = "{client-certificate: c.pem, client-key: c.key}";
    for (cluster, user) in [
        (format!("certificate-authority-data: {}", case.authority), "{token: s3cret}"),
        ("insecure-skip-tls-verify: true".to_owned(), "{token: s3cret}"),
        ("disable-compression: true".to_owned(), certificate),
    ] {
        case.home.write("config", case.with_cluster(&cluster, user));
        let sent = case.sent(&case.plain, "config", &["--server", &case.plain.address]);
        assert_eq!(sent, [Some(Seen::default()), Some(Seen::default())], "{cluster} {user}");
    }
}

#[test]
fn the_first_file_of_a_list_that_sets_a_value_counts() {
    let case = Case::new();
    let good = case.kubeconfig("{token: good}");
    let unset = good
        .replace("current-context: x", "current-context: \"\"")
        .replace("name: c", "name: d")
        .replace("name: u", "name: v")
        .replace("token: good", "token: other");
    case.home.write("good", &good);
    case.home.write("unset", unset);
    case.home.write("none", "");
    case.home.write("other", case.kubeconfig("{token: other}"));
    for list in
        ["unset:good", "good:unset", "absent:good", ":good", "good:", "none:good", "good:other", "good:good"]
    {
        let [expected, sent] = case.sent(&case.tls, list, &[]);
        assert_eq!(sent, expected, "{list}");
        assert_eq!(sent.unwrap().authorization.as_deref(), Some("Bearer good"), "{list}");
    }
    case.home.write("bad", "users: [s3cret");
    assert_eq!(case.sent(&case.tls, "bad:good", &[]), [None, None]);
    let flag = case.sent(&case.tls, "good", &["--token", "flag"]);
    assert_eq!(flag[0], flag[1]);
}
