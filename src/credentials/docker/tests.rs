use std::os::unix::fs::PermissionsExt as _;

use secrecy::ExposeSecret as _;
use tempfile::TempDir;

use super::*;

/// Searches these texts, each a file, in this order.
async fn search(files: &[&str], host: &str) -> Result<Option<String>, String> {
    let folder = TempDir::new().unwrap();
    let path = |index: usize| folder.path().join(format!("{index}.json"));
    for (index, text) in files.iter().enumerate() {
        std::fs::write(path(index), text).unwrap();
    }
    let mut paths = vec![folder.path().join("absent.json")];
    paths.extend((0..files.len()).map(path));
    let credentials = Credentials { docker: Files { text: None, paths }, ..Credentials::default() };
    match credentials.find(host).await {
        Ok(found) => Ok(found.map(|found| shown(&found.login))),
        Err(error) => {
            assert_eq!(error.consequence, Consequence::Anonymous);
            Err(error.message.replace(folder.path().to_str().unwrap(), "FOLDER"))
        }
    }
}

fn shown(login: &Login) -> String {
    match login {
        Login::Password(basic) => {
            let decoded = STANDARD.decode(basic.expose_secret()).unwrap();
            format!("password {}", String::from_utf8(decoded).unwrap())
        }
        Login::IdentityToken(token) => format!("identity {}", token.expose_secret()),
        Login::RegistryToken(token) => format!("registry {}", token.expose_secret()),
        Login::Immediate { .. } => panic!("only ECR's passwords are sent unasked"),
    }
}

#[tokio::test]
async fn logins_are_found_as_docker_and_podman_write_them() {
    let hub = r#"{"auths": {"https://index.docker.io/v1/": {"auth": "dTpw"}}}"#;
    let cases: &[(&str, &str, Option<&str>)] = &[
        (hub, "registry-1.docker.io", Some("password u:p")),
        (hub, "ghcr.io", None),
        (r#"{"auths": {"docker.io": {"auth": "dTpw"}}}"#, "registry-1.docker.io", Some("password u:p")),
        (r#"{"auths": {"ghcr.io": {"auth": "dTpw"}}}"#, "ghcr.io", Some("password u:p")),
        (r#"{"auths": {"https://GHCR.io/v2/": {"auth": "dTpw"}}}"#, "ghcr.io", Some("password u:p")),
        (r#"{"auths": {"http://ghcr.io": {"auth": "dTpw"}}}"#, "ghcr.io", Some("password u:p")),
        (r#"{"auths": {"ghcr.io": {"auth": "dTpw"}}}"#, "notghcr.io", None),
        (r#"{"auths": {"ghcr.io": {"auth": "dTpw"}}}"#, "ghcr.io:5000", None),
        (r#"{"auths": {"h:5000": {"auth": "dTpw"}}}"#, "h:5000", Some("password u:p")),
        (r#"{"auths": {"h.io:443": {"auth": "dTpw"}}}"#, "h.io", Some("password u:p")),
        (r#"{"auths": {"h.io": {"auth": "Og=="}}}"#, "h.io", None),
        // A helper that cannot run does not hide a login in the file.
        (r#"{"auths": {"h.io": {"auth": "dTpw"}}, "credsStore": "none"}"#, "h.io", Some("password u:p")),
        // Podman's key for one namespace.
        (r#"{"auths": {"quay.io/team": {"auth": "dTpw"}}}"#, "quay.io", None),
        (r#"{"auths": {"Quay.io/team/": {"auth": "dTpw"}}}"#, "quay.io/team", Some("password u:p")),
        (
            r#"{"auths": {"docker.io/castai": {"auth": "dTpw"}}}"#,
            "registry-1.docker.io/castai",
            Some("password u:p"),
        ),
        (r#"{"auths": {"quay.io": {"auth": "dTpw"}}}"#, "quay.io/team", Some("password u:p")),
        (
            r#"{"auths": {"quay.io/team": {}, "quay.io": {"auth": "dTpw"}}}"#,
            "quay.io/team",
            Some("password u:p"),
        ),
        // Only the host of a URL counts, and the host itself takes precedence.
        (r#"{"auths": {"https://h.io/path": {"auth": "dTpw"}}}"#, "h.io", Some("password u:p")),
        (r#"{"auths": {"https://h.io/v1/path/": {"auth": "dTpw"}}}"#, "h.io", Some("password u:p")),
        (r#"{"auths": {"https://h.io:5000/v1/": {"auth": "dTpw"}}}"#, "h.io:5000", Some("password u:p")),
        (r#"{"auths": {"https://h.io/path": {"auth": "dTpw"}}}"#, "h.io/path", Some("password u:p")),
        (r#"{"auths": {"https://h.io/path": {"auth": "dTpw"}}}"#, "other.io", None),
        (
            r#"{"auths": {"https://q.io/x": {"auth": "dTpx"}, "q.io": {"auth": "dTpw"}}}"#,
            "q.io",
            Some("password u:p"),
        ),
        // Base64 on several lines.
        (r#"{"auths": {"h.io": {"auth": "dT\npw"}}}"#, "h.io", Some("password u:p")),
        (r#"{"auths": {"h.io": {"auth": " d Tp\r\n\tw\n"}}}"#, "h.io", Some("password u:p")),
        // A password with colons, without padding, and padded with NUL.
        (r#"{"auths": {"h.io": {"auth": "dTpwOnE"}}}"#, "h.io", Some("password u:p:q")),
        (r#"{"auths": {"h.io": {"auth": "dTpwAAA="}}}"#, "h.io", Some("password u:p")),
        (r#"{"auths": {"h.io": {"username": "u", "password": "p"}}}"#, "h.io", Some("password u:p")),
        (r#"{"auths": {"h.io": {"auth": "dTo=", "identitytoken": "t"}}}"#, "h.io", Some("identity t")),
        (r#"{"auths": {"h.io": {"registrytoken": "t"}}}"#, "h.io", Some("registry t")),
        (r#"{"auths": {"h.io": {}, "https://h.io/v1/": {"auth": "dTpw"}}}"#, "h.io", Some("password u:p")),
        (r#"{"auths": {"h.io": null}, "credsStore": null, "credHelpers": null}"#, "h.io", None),
        (r#"{"auths": {"h.io": {"auth": null, "email": "x"}}, "HttpHeaders": {}}"#, "h.io", None),
        (
            r#"{"auths": {"h.io": {"auth": "dTpw"}}, "credHelpers": {"x": null}}"#,
            "h.io",
            Some("password u:p"),
        ),
        // As in Go, the case of keys does not matter.
        (r#"{"Auths": {"h.io": {"AUTH": "dTpw"}}}"#, "h.io", Some("password u:p")),
        (r#"{"auths": {"HTTPS://h.io/v1/": {"auth": "dTpw"}}}"#, "h.io", Some("password u:p")),
        ("{}", "h.io", None),
        ("", "h.io", None),
        ("\u{feff}{\"auths\": {\"h.io\": {\"auth\": \"dTpw\"}}}", "h.io", Some("password u:p")),
    ];
    for (text, host, expected) in cases {
        let found = search(&[text], host).await;
        assert_eq!(found, Ok(expected.map(str::to_owned)), "{text} {host}");
    }
    let after_broken = search(&["s3cret", hub], "registry-1.docker.io").await;
    assert_eq!(after_broken, Ok(Some("password u:p".to_owned())));
    let both = search(&[r#"{"auths": {"a.io": {}}}"#, hub], "registry-1.docker.io").await;
    assert_eq!(both, Ok(Some("password u:p".to_owned())));
}

#[tokio::test]
async fn errors_name_the_file_and_never_its_text() {
    for (text, expected) in [
        ("{\n\"auths\": s3cret}", "FOLDER/0.json: invalid JSON at line 2 column 10"),
        (r#"["s3cret"]"#, "FOLDER/0.json: the file is not an object"),
        (r#"{"auths": "s3cret"}"#, "FOLDER/0.json: auths is not an object"),
        (r#"{"auths": {"h.io": "s3cret"}}"#, "FOLDER/0.json: h.io in auths is not an object"),
        (
            r#"{"auths": {"u:s3cret@h.io": {"auth": ["s3cret"]}}}"#,
            "FOLDER/0.json: auth in …@h.io in auths is not a string",
        ),
        (r#"{"credHelpers": {"h.io": 5}}"#, "FOLDER/0.json: h.io in credHelpers is not a string"),
        (r#"{"credsStore": {}}"#, "FOLDER/0.json: credsStore in the file is not a string"),
        (
            r#"{"auths": {"h.io": {"auth": "s3cret!"}}}"#,
            "FOLDER/0.json: auth of h.io is not the Base64 of user:password",
        ),
        (
            r#"{"auths": {"h.io": {"auth": "dXA="}}}"#,
            "FOLDER/0.json: auth of h.io is not the Base64 of user:password",
        ),
    ] {
        assert_eq!(search(&[text], "h.io").await, Err(expected.to_owned()), "{text}");
    }
    let large = " ".repeat(1_048_577);
    assert_eq!(search(&[&large], "h.io").await, Err("FOLDER/0.json: longer than 1 MiB".to_owned()));
    let folder = TempDir::new().unwrap();
    let files = Files { text: None, paths: vec![folder.path().to_owned()] };
    let credentials = Credentials { docker: files, ..Credentials::default() };
    let error = find(&credentials, "h.io").await.unwrap_err();
    assert!(error.message.ends_with(": not a regular file"), "{error}");
}

#[tokio::test]
async fn the_variable_precedes_the_files() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("config.json");
    std::fs::write(&path, r#"{"auths": {"h.io": {"auth": "dTpw"}, "other.io": {"auth": "dTpw"}}}"#).unwrap();
    for (text, host, expected) in [
        (r#"{"auths": {"h.io": {"auth": "dTpx"}}}"#, "h.io", Ok("password u:q")),
        (r#"{"auths": {"h.io": {"auth": "dTpx"}}}"#, "other.io", Ok("password u:p")),
        ("s3cret", "h.io", Ok("password u:p")),
        ("s3cret", "absent.io", Err("DOCKER_AUTH_CONFIG: invalid JSON at line 1 column 1")),
    ] {
        let docker = Files { text: Some(text.to_owned().into()), paths: vec![path.clone()] };
        assert!(!format!("{docker:?}").contains("s3cret"));
        let credentials = Credentials { docker, ..Credentials::default() };
        let found = find(&credentials, host).await.map(|found| shown(&found.unwrap().login));
        assert_eq!(found.map_err(|error| error.message), expected.map(str::to_owned).map_err(str::to_owned));
    }
}

/// The answer of a helper with this script.
async fn answered(script: &str) -> Result<Option<String>, String> {
    let folder = TempDir::new().unwrap();
    let name = format!("test-{}", rand::random::<u64>());
    let program = folder.path().join(format!("docker-credential-{name}"));
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let answer = helper::get_from(&program, &name, "h.io").await;
    let answer = answer.map_err(|error| error.replace(&name, "NAME"))?;
    Ok(answer.map(|answer| shown(&login(&answer.username, &answer.secret))))
}

#[tokio::test]
async fn helpers_are_asked_by_their_protocol() {
    let echo = r#"test "$1" = get && read server; printf '{"ServerURL":"x","Username":"u","Secret":"%s"}' "$server""#;
    assert_eq!(answered(echo).await, Ok(Some("password u:h.io".to_owned())));
    let token = r#"cat >/dev/null; echo '{"Username":"<token>","Secret":"t"}'"#;
    assert_eq!(answered(token).await, Ok(Some("identity t".to_owned())));
    let empty = r#"echo '{"ServerURL":"x","Username":"","Secret":""}'"#;
    assert_eq!(answered(empty).await, Ok(None));
    let unknown = "echo credentials not found in native keychain; exit 1";
    assert_eq!(answered(unknown).await, Ok(None));
    let by_hand = "; try it by hand: echo h.io | docker-credential-NAME get";
    for (script, expected) in [
        ("echo s3cret; exit 1", format!("docker-credential-NAME failed{by_hand}")),
        ("echo s3cret", format!("docker-credential-NAME printed no login{by_hand}")),
        ("yes '{'", format!("docker-credential-NAME failed{by_hand}")),
    ] {
        assert_eq!(answered(script).await, Err(expected), "{script}");
    }
    let absent = search(&[r#"{"credsStore": "not-installed"}"#], "h.io").await.unwrap_err();
    assert!(
        absent.starts_with("FOLDER/0.json (docker-credential-not-installed could not be run: "),
        "{absent}"
    );
    let path = search(&[r#"{"credHelpers": {"h.io": "../x"}}"#], "h.io").await.unwrap_err();
    assert!(path.contains("characters other than letters"), "{path}");
}

#[test]
fn namespaces_with_a_login_of_their_own_are_listed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("auth.json");
    let text = r#"{"auths": {"https://index.docker.io/v1/": {}, "ghcr.io": {}, "h.io:443/v2/": {}, "Quay.io/team/": {}, "https://h.io/path": {},
        "docker.io/castai": {}, "localhost:5000/a/b": {}}}"#;
    std::fs::write(&path, text).unwrap();
    let paths = vec![folder.path().join("absent.json"), path];
    let mut namespaces = Files { text: None, paths }.namespaces();
    namespaces.sort();
    assert_eq!(namespaces, ["localhost:5000/a/b", "quay.io/team", "registry-1.docker.io/castai"]);
}
