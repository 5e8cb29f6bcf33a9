use std::path::Path;

use secrecy::ExposeSecret;

use super::*;

#[test]
fn unreadable_files_give_line_and_cause_but_no_content() {
    let tab = "\
apiVersion: v1
kind: Config
current-context: x
clusters:
- name: c
  cluster: {server: \"https://127.0.0.1:6901\"}
contexts:
- name: x
  context: {cluster: c, user: u}
users:
- name: u
  user:
    token: s3cret-token-of-user-one
    password: s3cret-password
\tas: bob
";
    let user = |user: &str| format!("users:\n- name: u\n  user:\n{user}\n");
    let cases: Vec<(String, &str)> = vec![
        (tab.to_owned(), "line 15: a tab in the indentation, where YAML allows only spaces"),
        (user("    token: [s3cret]"), "line 4: token: expected a string"),
        (user("    token: {s3cret: s3cret}"), "line 4: token: "),
        (user("    token:\n      s3cret: s3cret"), "line 5: token: "),
        (user("    token:\n    - s3cret"), "line 5: token: "),
        (user("    password: [s3cret]"), "line 4: password: "),
        (user("    client-key-data: [s3cret]"), "line 4: client-key-data: "),
        (user("    as-user-extra: {s3cret: s3cret}"), "line 4: "),
        (user("    as-groups: s3cret"), "line 4: as-groups: "),
        (user("    exec: s3cret"), "line 4: exec: "),
        (user("    exec: {args: s3cret}"), "line 4: args: "),
        (user("    exec: {env: [s3cret]}"), "line 4: "),
        (user("    exec: {env: {s3cret: s3cret}}"), "line 4: env: "),
        (user("    exec: {provideClusterInfo: s3cret}"), "line 4: provideClusterInfo: "),
        (user("    auth-provider: {config: [s3cret]}"), "line 4: config: "),
        (user("    auth-provider: s3cret"), "line 4: auth-provider: "),
        (user("    token: *s3cret"), "line 4: token: an alias without an anchor"),
        (user("    token: s3cret: s3cret"), "line 4: "),
        (user("    token: \"s3cret"), "line "),
        (user("    token: \"\\s3cret\""), "line 4: "),
        (user("    token: @s3cret"), "line 4: "),
        (user("    token: !!binary s3cret!"), "line 4: token: invalid Base64"),
        (user("    token: !!int s3cret"), "line 4: token: "),
        (user("    token: s3cret\n   password: s3cret"), "line 5: "),
        ("users: s3cret\n".to_owned(), "line 1: users: "),
        ("users:\n- s3cret\n".to_owned(), "line 2: "),
        ("users:\n- name: [s3cret]\n".to_owned(), "line 2: name: "),
        ("users:\n- user: s3cret\n".to_owned(), "line 2: user: "),
        (
            "clusters:\n- cluster: {insecure-skip-tls-verify: s3cret}\n".to_owned(),
            "line 2: insecure-skip-tls-verify: ",
        ),
        ("clusters:\n- cluster: {proxy-url: [s3cret]}\n".to_owned(), "line 2: proxy-url: "),
        ("s3cret\n".to_owned(), "line 1: "),
        ("- s3cret\n".to_owned(), "line 1: "),
        ("-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY-----\n".to_owned(), "line "),
        ("AWS_SECRET_ACCESS_KEY=s3cret\n".to_owned(), "line 1: "),
        ("a: s3cret\nusers: [}\n".to_owned(), "line 2: "),
        ("current-context: {s3cret: 1}\n".to_owned(), "line 1: current-context: "),
        ("{\"users\": [{\"user\": {\"token\": [\"s3cret\"]}}]}".to_owned(), "line 1: "),
        ("x: 1\n---\nusers: s3cret\n".to_owned(), "line 3: users: "),
    ];
    for (text, words) in &cases {
        let fault = parse(text.as_bytes()).map(|_| ()).unwrap_err().to_string();
        assert!(fault.starts_with(words) && !fault.contains("s3cret"), "{text}: {fault}");
    }
    for (bytes, words) in [
        (&b"users: \xff s3cret"[..], "not valid UTF-8"),
        (b"\xff\xfes\x00x", "not valid UTF-16"),
        (b"\xfe\xff\xd8\x00", "not valid UTF-16"),
        (b"u\x00s\x00", "UTF-16 without a byte order mark"),
    ] {
        let fault = parse(bytes).map(|_| ()).unwrap_err();
        assert_eq!(fault.to_string(), words, "{bytes:?}");
    }
}

#[test]
fn yaml_is_read_as_kubectl_reads_it() {
    for text in [
        "users:\n- name: u\n  user: {token: other, token: good}\n",
        "users: [\n\t{name: u, user: {\n\t\t\"token\": \"good\"\n\t}}\n]\n",
        "created: !!timestamp 2024-01-01\nusers:\n- name: u\n  user: {token: good}\n",
        "users:\n- name: u\n  user:\n    token: &t good\n    password: ''\nx: *t\n",
    ] {
        let read = parse(text.as_bytes()).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        let token = read.users[0].user.token.as_ref().map(ExposeSecret::expose_secret);
        assert_eq!(token, Some("good"), "{text}");
    }
    let line = |level| format!("a{level}: &a{level} [{}]", vec![format!("*a{}", level - 1); 10].join(", "));
    let bomb = (1..10).map(line).collect::<Vec<_>>().join("\n");
    let fault = parse(format!("a0: &a0 s3cret\n{bomb}").as_bytes()).map(|_| ()).unwrap_err().to_string();
    assert!(fault.contains("too many aliases") && !fault.contains("s3cret"), "{fault}");
}

#[test]
fn empty_strings_null_and_unknown_fields_count_as_absent() {
    let text = "\
current-context: ''
preferences: {}
clusters:
- cluster: {server: 'https://c', certificate-authority: '', certificate-authority-data: '', proxy-url: '', tls-server-name: '', insecure-skip-tls-verify: ~, extensions: ~}
- {name: d, cluster: ~}
contexts: ~
users:
- name: u
  user: {token: good, tokenFile: '', username: '', password: ~, client-certificate: '', client-certificate-data: '', client-key: '', client-key-data: ~, as: '', as-groups: ~, exec: ~, auth-provider: ~, colour: red}
- name: v
  user: ~
";
    let read = parse(text.as_bytes()).unwrap();
    assert_eq!(read.current_context, None);
    let [cluster, empty] = &read.clusters[..] else { panic!("two clusters") };
    assert_eq!((cluster.name.as_str(), cluster.cluster.server.as_deref()), ("", Some("https://c")));
    let cluster = &cluster.cluster;
    assert!(cluster.certificate_authority.is_none() && cluster.certificate_authority_data.is_none());
    assert!(cluster.proxy_url.is_none() && cluster.tls_server_name.is_none());
    assert!(!cluster.insecure_skip_tls_verify && empty.cluster.server.is_none());
    let user = &read.users[0].user;
    assert_eq!(user.token.as_ref().map(ExposeSecret::expose_secret), Some("good"));
    assert!(user.token_file.is_none() && user.username.is_none() && user.password.is_none());
    assert!(user.client_certificate.is_none() && user.client_certificate_data.is_none());
    assert!(user.client_key.is_none() && user.client_key_data.is_none());
    assert!(user.impersonate.is_none() && user.exec.is_none() && user.auth_provider.is_none());
    assert!(read.users[1].user.token.is_none());
    for nothing in ["", "# comment", "---\n---\n", "~"] {
        let read = parse(nothing.as_bytes()).unwrap();
        assert!(read.users.is_empty() && read.clusters.is_empty() && read.contexts.is_empty(), "{nothing:?}");
    }
}

#[test]
fn two_entries_with_one_name_are_refused() {
    for (text, expected) in [
        (
            "clusters: [{name: c, cluster: {server: s3cret}}, {name: c}]",
            Some("duplicate name \"c\" in clusters"),
        ),
        ("contexts: [{name: x}, {name: y}, {name: x}]", Some("duplicate name \"x\" in contexts")),
        ("users: [{name: u, user: {token: s3cret}}, {name: u}]", Some("duplicate name \"u\" in users")),
        ("users: [null, null]", Some("duplicate name \"\" in users")),
        ("users: [{name: u}]\nclusters: [{name: u}]\n---\nusers: [{name: u}]", None),
    ] {
        let fault = parse(text.as_bytes()).err().map(|fault| fault.to_string());
        assert_eq!(fault.as_deref(), expected, "{text}");
    }
}

#[test]
fn a_null_entry_of_a_list_has_no_values() {
    let read = parse(
        b"clusters: [null, {name: c, cluster: {extensions: [null]}}]\ncontexts: [null]\nusers: [null, {name: u, user: \
          {as-groups: [null], exec: {args: [a, null], env: [null]}}}]",
    )
    .unwrap();
    assert_eq!((read.clusters.len(), read.contexts.len(), read.users.len()), (2, 1, 2));
    let exec = read.users[1].user.exec.as_ref().unwrap();
    assert_eq!((exec.args.as_slice(), exec.env.len()), (&["a".to_owned(), String::new()][..], 1));
}

#[test]
fn the_first_file_that_sets_a_value_takes_precedence() {
    let first = parse(b"current-context: ''\nusers: [{name: u, user: {token: one}}]").unwrap();
    let second = "current-context: x\nusers: [{name: u, user: {token: two}}, {name: v}]";
    let third = parse(b"current-context: y").unwrap();
    let merged = first.merge(parse(second.as_bytes()).unwrap()).merge(third);
    assert_eq!(merged.current_context.as_deref(), Some("x"));
    let users: Vec<_> = merged.users.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(users, ["u", "v"]);
    let token = merged.users[0].user.token.as_ref().unwrap();
    assert_eq!(token.expose_secret(), "one");
}

#[test]
fn base64_is_decoded_like_go_and_errors_quote_nothing() {
    let data = |value: &str| {
        let text = format!("users:\n- name: u\n  user:\n    client-key-data: {value}\n");
        let read = parse(text.as_bytes()).unwrap();
        read.users[0].user.client_key_data.as_ref().unwrap().decode(Path::new("/f"))
    };
    for value in [
        "aGVsbG8=",
        "|\n      aGVs\n      bG8=",
        "\"aGVs\\r\\nbG8=\\r\\n\"",
        // Go ignores the excess bits.
        "aGVsbG9=",
        // YAML decodes it first.
        "!!binary YUdWc2JHOD0=",
    ] {
        assert_eq!(data(value).unwrap(), b"hello", "{value}");
    }
    assert_eq!(data("!!binary LS0tLS1CRUdJTiBYLS0tLS0=").unwrap(), b"-----BEGIN X-----");
    for value in ["s3cret!", "s3cret", "a b=", "aGVsbG8", "-----s3cret-----"] {
        assert_eq!(data(value).unwrap_err().to_string(), "/f: line 4", "{value}");
    }
}

#[test]
fn byte_order_marks_and_utf_16_are_read() {
    let text = "current-context: é";
    let utf16 = |to_bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        ['\u{feff}']
            .into_iter()
            .chain(text.chars())
            .collect::<String>()
            .encode_utf16()
            .flat_map(to_bytes)
            .collect()
    };
    let marked = format!("\u{feff}{text}").into_bytes();
    for bytes in [marked, utf16(u16::to_le_bytes), utf16(u16::to_be_bytes)] {
        assert_eq!(parse(&bytes).unwrap().current_context.as_deref(), Some("é"), "{bytes:?}");
    }
}

#[test]
fn paths_are_relative_to_their_file() {
    let mut read = parse(
        b"clusters: [{cluster: {certificate-authority: ca.pem}}]\nusers: [{name: u, user: {tokenFile: /t, client-key: k, exec: {command: bin/x}}}, {name: v, user: {exec: {command: aws}}}]",
    )
    .unwrap();
    read.locate(Path::new("/home/u/config"));
    let (cluster, user) = (&read.clusters[0].cluster, &read.users[0].user);
    assert_eq!(cluster.certificate_authority.as_deref(), Some("/home/u/ca.pem"));
    assert_eq!(user.token_file.as_deref(), Some("/t"));
    assert_eq!(user.client_key.as_deref(), Some("/home/u/k"));
    let command = |index: usize| read.users[index].user.exec.as_ref().unwrap().command.as_deref();
    assert_eq!((command(0), command(1)), (Some("/home/u/bin/x"), Some("aws")));
}
