//! Kubeconfigs that cannot be read, and credentials that are not valid in a header.

use super::{Home, kubeconfig};
use crate::harness::assert_stderr_contains;

/// No server listens there; a case that connects has failed.
const NOWHERE: &str = "https://127.0.0.1:9";

const COMMANDS: [&[&str]; 4] =
    [&["images"], &["status"], &["preflight"], &["sync-images", "--yes", "--registry=r.example"]];

#[test]
fn a_kubeconfig_that_cannot_be_read_gives_file_line_and_cause() {
    let home = Home::new();
    let tab = kubeconfig(NOWHERE, "\n    token: s3cret-token\n    password: s3cret-password\n\tas: bob");
    let of = |user: &str| kubeconfig(NOWHERE, user);
    let good = home.write("good", of("{token: good}"));
    let cases = [
        (tab.clone(), "line 15: a tab in the indentation"),
        (of("{token: [s3cret]}"), "line 12: token: expected a string"),
        (of("{token: {x: s3cret}}"), "line 12: token: expected a string"),
        (of("{client-key-data: [s3cret]}"), "line 12: client-key-data: expected a string"),
        (of("{exec: {command: s3cret, provideClusterInfo: s3cret}}"), "line 12: provideClusterInfo: "),
        (of("{exec: {command: s3cret, env: s3cret}}"), "line 12: env: expected a list"),
        (of("{token: *s3cret}"), "line 12: token: an alias without an anchor"),
        (of("{token: \"s3cret"), "line "),
        (of("{password: @s3cret}"), "line 12: "),
        ("s3cret".to_owned(), "line 1: expected a mapping"),
        ("-----BEGIN PRIVATE KEY-----\ns3cret\n".to_owned(), "line 1: "),
    ];
    for (text, words) in &cases {
        let path = home.write("bad", text);
        let expected = format!("error: loading config file {path}: {words}");
        assert_stderr_contains(&home.plugin(2, &path, &["images"]), &[&expected]);
        // Each file of a list is read.
        assert_stderr_contains(&home.plugin(2, &format!("{good}:{path}"), &["images"]), &[&expected]);
        assert_stderr_contains(&home.plugin(2, &good, &["images", "--kubeconfig", &path]), &[&expected]);
    }
    let path = home.write("tab", &tab);
    for command in COMMANDS {
        assert_stderr_contains(
            &home.plugin(2, &path, command),
            &[&format!("{path}: line 15: a tab in the indentation")],
        );
    }
    for (bytes, words) in [
        (&b"users: \xff s3cret"[..], "not valid UTF-8"),
        (b"\xff\xfeu", "not valid UTF-16"),
        (b"\xfe\xff\xd8\x00", "not valid UTF-16"),
    ] {
        let path = home.write("bytes", bytes);
        assert_stderr_contains(&home.plugin(2, &path, &["images"]), &[&format!("{path}: {words}")]);
    }
    let folder = home.path().to_str().unwrap().to_owned();
    assert_stderr_contains(&home.plugin(2, &folder, &["images"]), &["loading config file", "directory"]);
}

#[test]
fn an_invalid_credential_is_named_and_not_shown() {
    let home = Home::new();
    let lines = home.write("lines", "s3cret\nline\n");
    let empty = home.write("empty", "\n");
    let plugin = |printed: &str| {
        format!(
            "{{exec: {{apiVersion: client.authentication.k8s.io/v1, command: printf, args: [\"%s\", '{printed}'], env: [{{name: X, value: s3cret}}]}}}}"
        )
    };
    let cases = [
        (
            "\n    token: |\n      s3cret\n\n".to_owned(),
            "error: token of user \"u\" is invalid: it has a line break",
        ),
        (
            "{token: \"s3cret\\0\"}".to_owned(),
            "error: token of user \"u\" is invalid: it has a control character",
        ),
        (format!("{{tokenFile: {lines}}}"), "error: tokenFile of user \"u\" is invalid: it has a line break"),
        (format!("{{tokenFile: {empty}}}"), "empty"),
        ("{tokenFile: /absent}".to_owned(), "error: tokenFile of user \"u\": /absent: No such file"),
        ("{as: \"s3cret\\n\"}".to_owned(), "error: as of user \"u\" is invalid: it has a line break"),
        ("{as-groups: [\"s3cret\\n\"]}".to_owned(), "error: as-groups of user \"u\" is invalid"),
        ("{as-uid: \"s3cret\\n\"}".to_owned(), "error: as-uid of user \"u\" is invalid"),
        ("{as-user-extra: {k: [\"s3cret\\n\"]}}".to_owned(), "error: as-user-extra of user \"u\" is invalid"),
        (
            "{auth-provider: {name: oidc, config: {id-token: \"s3cret\\n\"}}}".to_owned(),
            "error: id-token of the auth-provider of user \"u\" is invalid",
        ),
        (
            "{client-certificate-data: s3cret!}".to_owned(),
            ": line 12: client-certificate of user \"u\": invalid Base64",
        ),
        (
            "{client-certificate-data: czNjcmV0}".to_owned(),
            "error: client-certificate of user \"u\" has no key",
        ),
        (
            "{client-certificate-data: czNjcmV0, client-key-data: czNjcmV0}".to_owned(),
            "error: client-certificate of user \"u\" holds no valid PEM certificate",
        ),
        (plugin("s3cret"), "executable printf printed no ExecCredential"),
        (plugin("{\"status\": {\"token\": [\"s3cret\"]}}"), "executable printf printed no ExecCredential"),
        (
            plugin(
                "{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"status\": {\"token\": \"s3cret\\n\"}}",
            ),
            "error: the credential plugin's token of user \"u\" is invalid: it has a line break",
        ),
        ("{exec: {args: [s3cret]}}".to_owned(), "error: exec of user \"u\" has no command"),
    ];
    for (user, words) in &cases {
        let path = home.write("config", kubeconfig(NOWHERE, user));
        assert_stderr_contains(&home.plugin(2, &path, &["images"]), &[words]);
    }
    let path = home.write("newline", kubeconfig(NOWHERE, "{token: \"s3cret\\n\"}"));
    for command in COMMANDS {
        assert_stderr_contains(
            &home.plugin(2, &path, command),
            &["error: token of user \"u\" is invalid", "hint: "],
        );
    }
    let good = home.write("good", kubeconfig(NOWHERE, "{}"));
    for flag in ["--token", "--as", "--as-uid", "--as-group"] {
        let output = home.plugin(2, &good, &["images", flag, "s3cret\n"]);
        assert_stderr_contains(&output, &[&format!("error: {flag} is invalid: it has a line break")]);
    }
}

#[test]
fn a_url_with_a_login_is_not_shown() {
    let home = Home::new();
    for server in ["ftp://user:s3cret@host", "https://user:s3cret@host:port", "https://user:s3 cret@ho st"] {
        let path = home.write("config", kubeconfig(server, "{}"));
        assert_stderr_contains(
            &home.plugin(2, &path, &["images"]),
            &["error: server of cluster \"c\" is not a valid URL"],
        );
        let good = home.write("good", kubeconfig(NOWHERE, "{}"));
        let flag = home.plugin(2, &good, &["images", "--server", server]);
        assert_stderr_contains(&flag, &["error: --server is not a valid URL"]);
    }
    let path = home.write("config", kubeconfig("https://user:s3cret@127.0.0.1:9", "{}"));
    assert_stderr_contains(
        &home.plugin(2, &path, &["images"]),
        &["The connection to the server 127.0.0.1:9 was refused"],
    );
    for proxy in ["ftp://user:s3cret@proxy", "user:s3cret@proxy:3128", "http://user:s3cret@proxy:port"] {
        let text = kubeconfig(NOWHERE, "{}");
        let text = text.replace("{server:", &format!("{{proxy-url: \"{proxy}\", server:"));
        let path = home.write("config", text);
        let words = "error: proxy-url of cluster \"c\" is not a valid proxy URL";
        assert_stderr_contains(&home.plugin(2, &path, &["images"]), &[words]);
    }
    let text = kubeconfig(NOWHERE, "{}");
    let text = text.replace("{server:", "{proxy-url: \"http://user:s3cret@127.0.0.1:9\", server:");
    let path = home.write("config", text);
    assert_stderr_contains(
        &home.plugin(2, &path, &["images"]),
        &["the proxy 127.0.0.1:9 refused the connection"],
    );
    for flag in ["--registry=user:s3cret@r.example", "--registry=https://user:s3cret@r.example/x"] {
        assert_stderr_contains(
            &home.plugin(2, &path, &["status", flag]),
            &["r.example", "--registry <HOST[/PATH]>"],
        );
    }
}

#[test]
fn kubeconfigs_that_kubectl_accepts_are_accepted() {
    let home = Home::new();
    let refused = ["The connection to the server 127.0.0.1:9 was refused"];
    let good = home.write("good", kubeconfig(NOWHERE, "{token: good}"));
    let unset = kubeconfig("https://absent.invalid", "{token: good}");
    let unset = home.write(
        "unset",
        unset.replace("current-context: x", "current-context: \"\"").replace("name: c", "name: d"),
    );
    assert_stderr_contains(&home.plugin(2, &format!("{unset}:{good}"), &["images", "--cluster=c"]), &refused);
    assert_stderr_contains(&home.plugin(2, &unset, &["images"]), &["current-context is not set"]);
    let token = home.write("token", "good\n");
    for user in [
        "{token: good, tokenFile: '', username: '', password: '', client-certificate: '', client-key-data: ''}".to_owned(),
        format!("{{tokenFile: {token}}}"),
        "{tokenFile: token}".to_owned(),
        "~".to_owned(),
    ] {
        let path = home.write("config", kubeconfig(NOWHERE, &user));
        assert_stderr_contains(&home.plugin(2, &path, &["images"]), &refused);
    }
    // A certificate in Base64 with line breaks, as `base64` writes it.
    let pem = std::fs::read(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/secrets/authority.pem.b64"),
    )
    .unwrap();
    let lines = String::from_utf8(pem).unwrap();
    let indented = format!("      {}\n", lines.trim_end().replace('\n', "\n      "));
    let text = kubeconfig(NOWHERE, "{token: good}");
    let block = format!("\n    server: \"{NOWHERE}\"\n    certificate-authority-data: |\n{indented}");
    let path = home.write("literal", text.replace(&format!(" {{server: \"{NOWHERE}\"}}\n"), &block));
    assert_stderr_contains(&home.plugin(2, &path, &["images"]), &refused);
}
