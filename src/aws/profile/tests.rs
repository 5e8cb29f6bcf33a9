use super::*;

fn file(kind: Kind, text: &str) -> File {
    let path = if matches!(kind, Kind::Config) { "/config" } else { "/credentials" };
    File { kind, path: path.into(), text: text.to_owned() }
}

async fn read(config: &str, credentials: &str, name: &str) -> Result<Profile, String> {
    let files = [file(Kind::Config, config), file(Kind::Credentials, credentials)];
    let read = Profiles::parse(&files, Some(name.to_owned())).await;
    read.map(|read| read.profile).map_err(|error| error.to_string())
}

#[tokio::test]
async fn the_origin_of_credentials_is_read() {
    let config = "[default]\nregion = us-east-1\n[profile role]\nrole_arn = r\nsource_profile = keys\nmfa_serial = m\n\
                  [profile web]\nrole_arn = r\nweb_identity_token_file = /t\n[profile sso]\nsso_session = s\n\
                  [profile login]\nlogin_session = l\n[profile process]\ncredential_process = c\n[plain]\n[profile \"my prof\"]\n";
    let credentials = "[keys]\naws_access_key_id = s3cret\naws_secret_access_key = s3cret\n[profile wrong]\n";
    let web = Origin::WebIdentity { file: "/t".to_owned(), role: "r".to_owned() };
    for (name, origin, ignored) in [
        ("default", Origin::Nothing, None),
        ("role", Origin::Role("r".to_owned()), None),
        ("web", web, None),
        ("sso", Origin::IdentityCenter, None),
        ("login", Origin::Login, None),
        ("process", Origin::Process, None),
        ("keys", Origin::Keys, None),
        ("absent", Origin::Missing, None),
        ("plain", Origin::Missing, Some(("/config", "[plain]"))),
        ("my prof", Origin::Missing, Some(("/config", "[profile \"my prof\"]"))),
        ("wrong", Origin::Missing, Some(("/credentials", "[profile wrong]"))),
    ] {
        let profile = read(config, credentials, name).await.unwrap();
        assert_eq!((&profile.origin, profile.requires_mfa), (&origin, name == "role"), "{name}");
        if origin == Origin::Missing {
            let ignored = ignored.map(|(path, section)| (path.into(), section.to_owned()));
            assert_eq!(profile.ignored, ignored, "{name}");
        }
        assert!(!format!("{profile:?}").contains("s3cret"));
    }
}

#[tokio::test]
async fn an_invalid_file_is_named_with_line_and_cause() {
    for (config, credentials, expected) in [
        ("\ns3cret = x\n", "", "/config: line 2: Expected a profile definition"),
        ("[default\n", "", "/config: line 1: Profile definition must end with ']'"),
        (
            "[default]\n",
            "[default]\ns3cret\n",
            "/credentials: line 2: Expected an '=' sign defining a property",
        ),
        ("[default]\n", "[default]\n= s3cret\n", "/credentials: line 2: Property did not have a name"),
    ] {
        let error = read(config, credentials, "default").await.unwrap_err();
        assert_eq!(error, format!("invalid AWS configuration {expected}"));
    }
}

#[tokio::test]
async fn endpoints_of_the_profile_are_checked_and_empty_ones_are_absent() {
    let invalid = "invalid endpoint_url of the AWS profile p: expected a URL";
    for (settings, is_valid) in [
        ("endpoint_url =", true),
        ("endpoint_url = # none", true),
        ("services = s\n[services s]\necr =\n  endpoint_url =", true),
        ("endpoint_url = http://localhost", true),
        ("services = s\n[services s]\necr =\n  endpoint_url = https://localhost", true),
        ("services = other\n[services s]\necr =\n  endpoint_url = s3cret", true),
        ("endpoint_url = s3cret:junk", false),
        ("services = s\n[services s]\necr =\n  endpoint_url = s3cret", false),
        ("services = s\n[services s]\nsts =\n  endpoint_url = http://", false),
    ] {
        match read(&format!("[profile p]\n{settings}\n"), "", "p").await {
            Ok(_) => assert!(is_valid, "{settings}"),
            Err(error) => assert!(!is_valid && error.starts_with(invalid), "{settings}: {error}"),
        }
        assert!(read(&format!("[profile q]\n{settings}\n"), "", "p").await.is_ok(), "another profile's");
    }
    let text =
        without_empty_endpoints("[default]\nendpoint_url=\nregion=x\n  endpoint_url = \nendpoint_url=u");
    assert_eq!(text, "[default]\n\nregion=x\n\nendpoint_url=u");
}

#[test]
fn other_encodings_are_read_or_named() {
    let utf16: Vec<u8> = "\u{feff}[default]".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, expected) in [
        (utf16, Ok("[default]")),
        (b"\xef\xbb\xbf[default]".to_vec(), Ok("[default]")),
        (b"[default]\n# \xe9\n".to_vec(), Err("invalid AWS configuration /f: line 2: not valid UTF-8")),
        (b"\xff\xfe[".to_vec(), Err("invalid AWS configuration /f: not valid UTF-16")),
    ] {
        let text = decoded(Path::new("/f"), bytes).map_err(|error| error.to_string());
        assert_eq!(text.as_deref().map_err(String::as_str), expected);
    }
}

#[test]
fn a_path_may_begin_with_the_home_folder() {
    let home = Some(Path::new("/home/u"));
    for (path, home, expected) in
        [("~/x", home, "/home/u/x"), ("/x", home, "/x"), ("~u/x", home, "~u/x"), ("~/x", None, "~/x")]
    {
        assert_eq!(expanded(path.into(), home), Path::new(expected));
    }
}
