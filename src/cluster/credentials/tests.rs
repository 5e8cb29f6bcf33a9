use std::collections::BTreeMap;

use super::*;
use crate::cluster::kubeconfig::parsed_user;

/// The user `u` of a kubeconfig with these fields.
fn user(fields: &str) -> User {
    parsed_user(&format!("users:\n- name: u\n  user: {fields}\n"))
}

fn flags() -> ConnectionFlags {
    ConnectionFlags::default()
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap()
}

async fn authorized(user: &User, flags: &ConnectionFlags) -> Result<Option<String>, Error> {
    let authorization = authorization(user, "u", flags)?;
    Ok(authorization.header().await?.map(|value| text(&value).to_owned()))
}

#[tokio::test]
async fn an_invalid_header_value_is_an_error_that_names_its_source_and_not_the_value() {
    let folder = std::env::temp_dir().join(format!("credentials-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("token");
    std::fs::write(&file, "s3cret\nline\n").unwrap();
    let file = format!("{{tokenFile: {}}}", file.display());
    let cases = [
        ("{token: \"s3cret\\n\"}", "error: token of user \"u\" is invalid: it has a line break"),
        ("{token: \"s3\\rcret\"}", "error: token of user \"u\" is invalid: it has a line break"),
        ("{token: \"s3cret\\0\"}", "error: token of user \"u\" is invalid: it has a control character"),
        ("{token: \"s3cret\\x7f\"}", "error: token of user \"u\" is invalid: it has a control character"),
        (file.as_str(), "error: tokenFile of user \"u\" is invalid: it has a line break"),
        (
            "{auth-provider: {name: oidc, config: {id-token: \"s3cret\\n\"}}}",
            "error: id-token of the auth-provider of user \"u\" is invalid: it has a line break",
        ),
    ];
    for (fields, words) in cases {
        let error = authorized(&user(fields), &flags()).await.unwrap_err();
        assert_eq!(error.to_string(), words, "{fields}");
        assert!(error.hint().is_some() && !error.hint().unwrap().contains("s3cret"), "{error:?}");
    }
    let token = Some("s3cret\n".to_owned());
    let error = authorized(&User::default(), &ConnectionFlags { token, ..flags() }).await.unwrap_err();
    assert_eq!(error.to_string(), "error: --token is invalid: it has a line break");
    for (fields, field) in [
        ("{as: \"s3cret\\n\"}", "as"),
        ("{as-uid: \"s3cret\\n\"}", "as-uid"),
        ("{as-groups: [a, \"s3cret\\n\"]}", "as-groups"),
        ("{as-user-extra: {k: [\"s3cret\\n\"]}}", "as-user-extra"),
    ] {
        let error = impersonation(&user(fields), "u", &flags()).unwrap_err().to_string();
        assert_eq!(error, format!("error: {field} of user \"u\" is invalid: it has a line break"));
    }
    for fields in ["{as-uid: a}", "{as-groups: [a]}", "{as-user-extra: {k: [v]}}"] {
        let error = impersonation(&user(fields), "u", &flags()).unwrap_err().to_string();
        assert!(
            error.starts_with("error: user \"u\": uid, groups or extra values are impersonated"),
            "{error}"
        );
    }
    let bad = || "s3cret\n".to_owned();
    for (flags, flag) in [
        (ConnectionFlags { impersonate: Some(bad()), ..flags() }, "--as"),
        (ConnectionFlags { impersonate_uid: Some(bad()), ..flags() }, "--as-uid"),
        (ConnectionFlags { impersonate_groups: vec![bad()], ..flags() }, "--as-group"),
    ] {
        let error = impersonation(&User::default(), "u", &flags).unwrap_err().to_string();
        assert_eq!(error, format!("error: {flag} is invalid: it has a line break"));
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_flag_replaces_the_users_credentials() {
    let folder = std::env::temp_dir().join(format!("token-file-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("token");
    // Files often end with a line break, which client-go trims too.
    std::fs::write(&file, "\n from-file \r\n").unwrap();
    let file = format!("{{tokenFile: {}}}", file.display());
    let both = file.replace('{', "{token: \"t\\n\", ");
    let flag = ConnectionFlags { token: Some("flag".to_owned()), ..flags() };
    let cases = [
        ("{token: t}", &flags(), Some("Bearer t")),
        ("{token: tä}", &flags(), Some("Bearer tä")),
        ("{token: t, tokenFile: /absent}", &flags(), Some("Bearer t")),
        ("{token: \"t \\t\"}", &flags(), Some("Bearer t")),
        (file.as_str(), &flags(), Some("Bearer from-file")),
        (both.as_str(), &flags(), Some("Bearer from-file")),
        (both.as_str(), &flag, Some("Bearer flag")),
        ("{password: b}", &flags(), None),
        ("{username: a}", &flags(), Some("Basic YTo=")),
        ("{username: a, password: \"b\\n\"}", &flags(), Some("Basic YTpiCg==")),
        ("{username: a, password: b}", &flag, Some("Bearer flag")),
        ("{auth-provider: {name: azure}}", &flag, Some("Bearer flag")),
        (
            "{auth-provider: {name: oidc, config: {id-token: t, client-secret: s}}}",
            &flags(),
            Some("Bearer t"),
        ),
        ("{}", &flags(), None),
    ];
    for (fields, flags, expected) in cases {
        let authorization = authorization(&user(fields), "u", flags).unwrap();
        let header = authorization.header().await.unwrap();
        assert_eq!(header.as_ref().map(HeaderValue::as_bytes), expected.map(str::as_bytes), "{fields}");
        assert!(!format!("{header:?}").contains("Bearer"), "it is marked as sensitive");
    }
    let error = authorized(&user("{auth-provider: {name: s3cret}}"), &flags()).await.unwrap_err();
    assert!(error.to_string().contains("unsupported auth-provider of user \"u\""), "{error}");
    for fields in
        ["{username: a, token: s3cret}", "{password: s3cret, token: t}", "{username: a, tokenFile: /absent}"]
    {
        let error = authorized(&user(fields), &flags()).await.unwrap_err().to_string();
        assert!(error.contains("user \"u\" has a username or password and a token"), "{error}");
        assert!(authorized(&user(fields), &flag).await.is_ok(), "a flag replaces them");
    }
    std::fs::write(folder.join("token"), " \n").unwrap();
    for fields in [file.as_str(), "{tokenFile: /absent}"] {
        let error = authorized(&user(fields), &flags()).await.unwrap_err();
        assert!(error.to_string().starts_with("error: tokenFile of user \"u\": /"), "{error}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn invalid_certificates_are_named_but_not_shown() {
    let encode = |text: &str| STANDARD.encode(text);
    let certificate = encode("-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n");
    let cases = [
        (
            format!("{{client-certificate-data: {}}}", encode("s3cret")),
            "client-certificate of user \"u\" has no key",
        ),
        (
            format!(
                "{{client-certificate-data: {}, client-key-data: {}}}",
                encode("s3cret"),
                encode("s3cret")
            ),
            "client-certificate of user \"u\" holds no valid PEM certificate",
        ),
        (
            format!("{{client-certificate-data: {certificate}, client-key-data: {}}}", encode("s3cret")),
            "client-key of user \"u\" holds no valid PEM private key",
        ),
        (
            format!(
                "{{client-certificate-data: {certificate}, client-key-data: {}}}",
                encode("-----BEGIN s3cret\n-----END PRIVATE KEY-----\n")
            ),
            "client-key of user \"u\" holds no valid PEM private key",
        ),
        (
            format!("{{client-certificate-data: {certificate}, client-key-data: s3cret!}}"),
            ": line 3: client-key of user \"u\": invalid Base64",
        ),
        (
            "{client-certificate: /absent, client-key-data: s3cret!}".to_owned(),
            "client-certificate of user \"u\": /absent: No such file",
        ),
    ];
    for (fields, words) in cases {
        let error = identity(&user(&fields), "u", &flags()).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(words) && !error.contains("s3cret"), "{fields}: {error}");
    }
    assert!(identity(&user("{client-key: /absent}"), "u", &flags()).unwrap().is_none(), "as in client-go");
}

#[test]
fn impersonation_comes_from_flags_and_the_users_entry() {
    let user = user("{as: a, as-uid: '1', as-groups: [g, h], as-user-extra: {Example.com/Scope: [x, y]}}");
    let headers = |flags: &ConnectionFlags| {
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in impersonation(&user, "u", flags).unwrap() {
            found.entry(name.to_string()).or_default().push(text(&value).to_owned());
        }
        found.into_iter().map(|(name, values)| format!("{name}={}", values.join(","))).collect::<Vec<_>>()
    };
    let extra = "impersonate-extra-example.com%2fscope=x,y";
    assert_eq!(
        headers(&flags()),
        [extra, "impersonate-group=g,h", "impersonate-uid=1", "impersonate-user=a"]
    );
    let flags = ConnectionFlags {
        impersonate: Some("b".to_owned()),
        impersonate_groups: vec!["i".to_owned()],
        impersonate_uid: Some("2".to_owned()),
        ..flags()
    };
    assert_eq!(headers(&flags), [extra, "impersonate-group=i", "impersonate-uid=2", "impersonate-user=b"]);
    let pair = |value: &str| ("k".to_owned(), value.to_owned());
    let flags = ConnectionFlags { impersonate_extra: vec![pair("v"), pair("w")], ..flags };
    assert_eq!(headers(&flags)[0], "impersonate-extra-k=v,w");
}
