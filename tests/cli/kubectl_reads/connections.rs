//! Flags, trust and plugins: where kubectl refuses to send credentials, the plugin does too.

use lab::pki::Authority;

use super::kubeconfigs::{Case, EXEC};
use super::kubectl;
use crate::harness::assert_stderr_contains;
use crate::secrets::Home;

#[test]
fn a_server_that_is_not_verified_gets_no_credentials_if_there_is_an_authority() {
    let case = Case::new();
    let other = Authority::load_or_create(Home::new().path()).unwrap();
    case.home.write("other.pem", &other.certificate);
    let insecure = "insecure-skip-tls-verify: true";
    let (file, data) =
        ("certificate-authority: ca.pem", format!("certificate-authority-data: {}", case.authority));
    let both = |authority: &str| format!("{insecure}\n    {authority}");
    let refused = "error: specifying a root certificates file with the insecure flag is not allowed";
    let skip = "--insecure-skip-tls-verify";
    let cases: [(&str, &[&str], &str); 6] = [
        (&both(file), &[], refused),
        (&both(&data), &[], refused),
        (file, &[skip, "--certificate-authority=ca.pem"], refused),
        ("disable-compression: true", &[skip, "--certificate-authority=other.pem"], refused),
        // The flag for the authority means that the server is verified.
        (insecure, &["--certificate-authority=other.pem"], "certificate"),
        ("insecure-skip-tls-verify: \"true\"", &[], "line 8: insecure-skip-tls-verify: expected a boolean"),
    ];
    for (cluster, flags, words) in cases {
        case.home.write("config", case.with_cluster(cluster, "{token: s3cret}"));
        assert_eq!(case.sent(&case.tls, "config", flags), [None, None], "{cluster} {flags:?}");
        let output = case.home.plugin(2, "config", &[&["images"], flags].concat());
        assert_stderr_contains(&output, &[words]);
    }
    for value in ["!!str true", "1", "\"yes\"", "[]"] {
        case.home.write(
            "config",
            case.with_cluster(&format!("insecure-skip-tls-verify: {value}"), "{token: s3cret}"),
        );
        assert_eq!(case.sent(&case.tls, "config", &[]), [None, None], "{value}");
    }
    for (cluster, flags) in [
        ("insecure-skip-tls-verify: yes", &[][..]),
        (insecure, &["--certificate-authority=ca.pem"]),
        (file, &[skip]),
        (&both(file), &[skip]),
        (&format!("insecure-skip-tls-verify: ~\n    {file}"), &[]),
    ] {
        case.home.write("config", case.with_cluster(cluster, "{token: good}"));
        let [expected, sent] = case.sent(&case.tls, "config", flags);
        assert_eq!(sent, expected, "{cluster} {flags:?}");
        assert_eq!(sent.unwrap().authorization.as_deref(), Some("Bearer good"), "{cluster} {flags:?}");
    }
}

#[test]
fn an_authority_with_other_blocks_is_read() {
    let case = Case::new();
    let block = |text: &str| format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
    let good = std::fs::read_to_string(case.home.path().join("ca.pem")).unwrap();
    for other in [block("aGVsbG8="), block("!!!!"), case.client.key.clone(), "# text\n".to_owned()] {
        for bundle in [format!("{other}{good}"), format!("{good}{other}")] {
            case.home.write("bundle.pem", bundle);
            case.same(case.with_cluster("certificate-authority: bundle.pem", "{token: good}"));
        }
        case.home.write("bundle.pem", &other);
        case.home.write("config", case.with_cluster("certificate-authority: bundle.pem", "{token: s3cret}"));
        assert_eq!(case.sent(&case.tls, "config", &[]), [None, None], "{other}");
        assert_stderr_contains(
            &case.home.plugin(2, "config", &["images"]),
            &[
                "error: certificate-authority of cluster \"c\" holds no valid PEM certificate",
                "hint: it needs at least one block from BEGIN CERTIFICATE",
            ],
        );
    }
}

#[test]
fn a_plugin_without_a_usable_credential_is_an_error() {
    let case = Case::new();
    let version = "client.authentication.k8s.io/v1";
    let printed = |version: &str, rest: &str| {
        format!("{{\"apiVersion\": \"{version}\", \"kind\": \"ExecCredential\"{rest}}}")
    };
    let status = |fields: &str| printed(version, &format!(", \"status\": {{{fields}}}"));
    let token = "\"token\": \"s3cret\"";
    let no_credential = "printed neither a token nor a certificate with its key";
    let half = "printed only a certificate or only a key";
    let other_version = "printed no ExecCredential of client.authentication.k8s.io/v1,";
    let cases = [
        (status(""), no_credential),
        (status("\"token\": \"\""), no_credential),
        (status("\"clientCertificateData\": \"s3cret\""), half),
        (status("\"clientKeyData\": \"s3cret\""), half),
        (status(&format!("{token}, \"clientKeyData\": \"s3cret\"")), half),
        (printed(version, ""), "printed no ExecCredential (JSON with a status)"),
        (printed(version, ", \"status\": null"), "printed no ExecCredential (JSON with a status)"),
        (String::new(), "printed no ExecCredential"),
        (
            printed("client.authentication.k8s.io/v1beta1", &format!(", \"status\": {{{token}}}")),
            other_version,
        ),
        (status(token).replace("apiVersion", "version"), other_version),
        (status(token).replace("ExecCredential", "Other"), other_version),
    ];
    case.home.write("config", case.kubeconfig(&format!("{{exec: {{{EXEC}}}}}")));
    for (printed, words) in &cases {
        case.home.write("plugin", format!("#!/bin/sh\nprintf %s '{printed}'\n"));
        assert_eq!(case.sent(&case.tls, "config", &[]), [None, None], "{printed}");
        let output = case.home.plugin(2, "config", &["images"]);
        assert_stderr_contains(&output, &["getting credentials: exec: executable ", words]);
    }
    for (fields, words) in [
        (EXEC.replace("/v1", "/v1alpha1"), "error: exec of user \"u\" has an unsupported apiVersion"),
        (EXEC.replace("apiVersion", "version"), "error: exec of user \"u\" has no apiVersion"),
    ] {
        case.home.write("config", case.kubeconfig(&format!("{{exec: {{{fields}}}}}")));
        assert_eq!(case.sent(&case.tls, "config", &[]), [None, None], "{fields}");
        assert_stderr_contains(&case.home.plugin(2, "config", &["images"]), &[words]);
    }
    let v1beta1 = EXEC.replace("/v1", "/v1beta1");
    let plugin = printed("client.authentication.k8s.io/v1beta1", ", \"status\": {\"token\": \"good\"}");
    for printed in [plugin.clone(), plugin.replace("\"kind\": \"ExecCredential\",", "")] {
        case.home.write("plugin", format!("#!/bin/sh\nprintf %s '{printed}'\n"));
        case.same(case.kubeconfig(&format!("{{exec: {{{v1beta1}}}}}")));
    }
}

#[test]
fn an_empty_flag_is_no_flag() {
    let case = Case::new();
    case.home.write("config", case.kubeconfig("{token: good, as: bob, as-uid: '3'}"));
    let [expected, _] = case.sent(&case.tls, "config", &[]);
    assert_eq!(expected.as_ref().unwrap().authorization.as_deref(), Some("Bearer good"));
    for flag in [
        "--context",
        "--user",
        "--cluster",
        "--server",
        "--tls-server-name",
        "--kubeconfig",
        "--certificate-authority",
        "--client-certificate",
        "--client-key",
        "--token",
        "--as",
        "--as-uid",
        "--request-timeout",
        "--namespace",
    ] {
        let home = &case.home;
        let joined = format!("{flag}=");
        let sent =
            case.tls.first(|| drop(kubectl(home.path(), "config", &["get", "--raw", "/api", &joined])));
        assert_eq!(sent, expected, "kubectl {flag}");
        for flag in [&[flag, ""][..], &[&joined]] {
            let sent = case.tls.first(|| drop(home.plugin(2, "config", &[&["images"], flag].concat())));
            assert_eq!(sent, expected, "{flag:?}");
        }
    }
    let sent = case.tls.first(|| drop(case.home.plugin(2, "config", &["images", "-l", ""])));
    assert_eq!(sent, expected);
}

#[test]
fn the_token_of_a_flag_replaces_other_credentials() {
    // kubectl sends the token of the file, and refuses the login: the user's own flag would be without effect.
    let case = Case::new();
    for user in ["{tokenFile: token}", "{token: good, tokenFile: token}", "{username: a, password: b}"] {
        case.home.write("config", case.kubeconfig(user));
        let sent =
            case.tls.first(|| drop(case.home.plugin(2, "config", &["images", "--token", "from-flag"])));
        assert_eq!(sent.unwrap().authorization.as_deref(), Some("Bearer from-flag"), "{user}");
    }
}

#[test]
fn the_login_in_the_servers_url_precedes_other_credentials() {
    let case = Case::new();
    let address = &case.tls.address;
    // Without any credentials, kubectl prompts for a name.
    for user in
        ["{client-certificate: c.pem, client-key: c.key}", "{token: good}", &format!("{{exec: {{{EXEC}}}}}")]
    {
        let text = case.kubeconfig(user);
        let with_login = format!("https://us%40er:p%3Aw@{address}");
        let sent = case.same(text.replace(&format!("https://{address}"), &with_login));
        assert_eq!(sent.authorization.as_deref(), Some("Basic dXNAZXI6cDp3"), "{user}");
    }
}

#[test]
fn flags_are_written_as_for_kubectl() {
    let case = Case::new();
    case.home.write("config", case.kubeconfig("{token: good}"));
    for flags in [
        &["--insecure-skip-tls-verify=false"][..],
        &["--insecure-skip-tls-verify=1"],
        &["--disable-compression", "--cache-dir=cache"],
        &["--token=one", "--token=two"],
        &["--request-timeout=1s", "--request-timeout=9s"],
    ] {
        let [expected, sent] = case.sent(&case.tls, "config", flags);
        assert_eq!(sent, expected, "{flags:?}");
        assert!(expected.is_some(), "kubectl {flags:?}");
    }
}
