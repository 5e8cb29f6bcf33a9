use probe::tls::Certificate;

use super::*;

fn certificate(issuer: &str, name: &str, not_after: i64) -> Certificate {
    Certificate {
        subject: format!("CN={name}"),
        issuer: issuer.to_owned(),
        names: vec![name.to_owned()],
        not_after: Timestamp::from_second(not_after).unwrap(),
    }
}

fn session(certificate: Option<Certificate>) -> Session {
    Session {
        address: "127.0.0.1:443".parse().unwrap(),
        version: "TLSv1_3".to_owned(),
        alpn: Some("h2".to_owned()),
        certificate,
    }
}

#[test]
fn a_trusted_certificate_passes_and_names_its_issuer() {
    let trusted = session(Some(certificate("CN=lab CA", "api.cast.ai", 1_800_000_000)));
    let judgement = judge("api.cast.ai", Ok(&trusted));
    assert_eq!(judgement.outcome.name(), "Pass");
    assert_eq!(judgement.observed, "TLSv1_3, h2, issued by CN=lab CA");
}

#[test]
fn each_class_of_failure_tells_what_was_shown() {
    let shown = || Some(certificate("CN=stranger", "grpc.cast.ai", 1_800_000_000));
    let cases = [
        (Class::UnknownIssuer, shown(), "CN=stranger"),
        (Class::WrongName, shown(), "grpc.cast.ai"),
        (Class::Expired, shown(), "expired at 2027"),
        (Class::NotYetValid, shown(), "not valid yet"),
        (Class::NotTls, None, "does not speak TLS"),
        (Class::Reset, None, "was reset"),
        (Class::TimedOut, None, "no answer"),
        (Class::Refused("UnrecognisedName".to_owned()), None, "UnrecognisedName"),
        (Class::Other("strange".to_owned()), None, "strange"),
    ];
    for (class, certificate, seen) in cases {
        let failure = Failure { address: "127.0.0.1:443".parse().unwrap(), class, certificate };
        let judgement = judge("api.cast.ai", Err(&failure));
        assert_eq!(judgement.outcome.name(), "Fail");
        assert!(judgement.observed.contains(seen), "{}", judgement.observed);
        assert_eq!(judgement.remedies.len(), 1, "{failure:?}");
    }
}

#[test]
fn a_certificate_about_to_end_does_not_pass() {
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let ends_in = |days: i64| session(Some(certificate("CN=x", "x", 1_800_000_000 + days * 86_400)));
    assert_eq!(judge_expiry(&ends_in(14), now).outcome.name(), "Pass");
    assert_eq!(judge_expiry(&ends_in(13), now).outcome.name(), "Fail");
    assert_eq!(judge_expiry(&session(None), now).outcome.name(), "Unknown");
}
