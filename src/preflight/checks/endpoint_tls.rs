//! CPL230: the endpoint presents a trusted certificate for its name.

use probe::Layer;
use probe::tls::{Class, Failure, Session};
use serde_json::json;

use crate::preflight::check::{Category, Check, FactSource, Judge, Requires, Severity, Step};
use crate::preflight::facts::ProbedTarget;
use crate::preflight::judgement::{Fix, Judgement, Symptom};
use crate::preflight::target::Target;

pub static CHECK: Check = Check {
    code: "CPL230",
    title: "the endpoint presents a trusted certificate for its name",
    category: Category::Endpoints,
    severity: Severity::Error,
    requires: &[Requires::Same("CPL220")],
    explains: &[],
    source: FactSource::VantagePoint,
    permissions: &[],
    explanation: "TLS is terminated by Cast AI, not by the endpoint. A certificate with another issuer or \
                  name means that another server responds.",
    remediation: "exempt the host from TLS inspection, and check that the host name belongs to this endpoint",
    judge: Judge::Network { layer: Layer::Tls, step: Step::Tls, applies: Target::is_cast_ai, judge },
};

pub(super) fn judge(probed: &ProbedTarget<'_>) -> Judgement {
    let host = &probed.target.endpoint.host;
    ProbedTarget::judge(&probed.facts.tls, |result| judge_handshake(host, result.as_ref()))
}

/// Whether the handshake proves that the server is the host itself.
fn judge_handshake(host: &str, result: Result<&Session, &Failure>) -> Judgement {
    let expected = format!("a certificate for {host} from an issuer that this machine trusts");
    let failure = match result {
        Ok(session) => {
            let issuer =
                session.certificate.as_ref().map_or("an unknown issuer", |shown| shown.issuer.as_str());
            let alpn = session.alpn.as_deref().unwrap_or("no ALPN");
            let seen = format!("{}, {alpn}, issued by {issuer}", session.version);
            return Judgement::pass(seen).expected(expected).evidence(json!(session));
        }
        Err(failure) => failure,
    };
    let shown = failure.certificate.as_ref();
    let issuer = shown.map_or_else(String::new, |shown| format!(" ({})", shown.issuer));
    let (seen, fix) = match &failure.class {
        Class::UnknownIssuer => (
            format!("certificate signed by unknown authority{issuer}"),
            "if a proxy inspects TLS, exempt this host; if this is your own authority, set SSL_CERT_FILE \
             to its PEM file (components need it too)",
        ),
        Class::WrongName => {
            let names =
                shown.map_or_else(String::new, |shown| format!(" but for {}", shown.names.join(", ")));
            (
                format!("the certificate is not valid for this host name{names}"),
                "the name resolves to the endpoint of another service: check that the endpoint's service \
                 is the one of this host",
            )
        }
        Class::Expired => (
            shown.map_or_else(
                || "the certificate has expired".to_owned(),
                |shown| format!("the certificate expired at {}", shown.not_after),
            ),
            "check this machine's clock; if it is right, the responding server is not Cast AI or AWS",
        ),
        Class::NotYetValid => ("the certificate is not yet valid".to_owned(), "check this machine's clock"),
        Class::TimedOut => (
            "connected, but the TLS handshake timed out".to_owned(),
            "look for a firewall that blocks TLS, and for an MTU that drops large packets",
        ),
        Class::Reset => (
            "connection reset during the TLS handshake".to_owned(),
            "look for a firewall that filters by server name (SNI), and allow this host in it",
        ),
        Class::NotTls => (
            "the responding server does not speak TLS".to_owned(),
            "the name resolves to a server that is not Cast AI or AWS: compare the address with the \
             endpoint's network interfaces",
        ),
        Class::Refused(alert) => (
            format!("the server aborted the TLS handshake: {alert}"),
            "the server does not serve this host name: check that the endpoint's service is the one of \
             this host",
        ),
        Class::Other(problem) => (problem.clone(), "look for a proxy or firewall that modifies TLS"),
    };
    let judgement = Judgement::fail(seen).expected(expected).evidence(json!(failure)).fix(Fix::text(fix));
    match failure.class {
        Class::WrongName | Class::NotTls | Class::Refused(_) => judgement.symptom(Symptom::OtherServer),
        Class::UnknownIssuer | Class::Expired | Class::NotYetValid => judgement.symptom(Symptom::Untrusted),
        _ => judgement,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{certificate, session};
    use super::*;

    #[test]
    fn a_trusted_certificate_passes_and_names_its_issuer() {
        let trusted = session(Some(certificate("CN=lab CA", "api.cast.ai", 1_800_000_000)));
        let judgement = judge_handshake("api.cast.ai", Ok(&trusted));
        assert_eq!(judgement.outcome.name(), "Pass");
        assert_eq!(judgement.observed, "TLS 1.3, h2, issued by CN=lab CA");
    }

    #[test]
    fn each_class_of_failure_reports_the_certificate() {
        let shown = || Some(certificate("CN=stranger", "grpc.cast.ai", 1_800_000_000));
        let cases = [
            (Class::UnknownIssuer, shown(), "CN=stranger"),
            (Class::WrongName, shown(), "grpc.cast.ai"),
            (Class::Expired, shown(), "expired at 2027"),
            (Class::NotYetValid, shown(), "not yet valid"),
            (Class::NotTls, None, "does not speak TLS"),
            (Class::Reset, None, "connection reset"),
            (Class::TimedOut, None, "time"),
            (Class::Refused("UnrecognisedName".to_owned()), None, "UnrecognisedName"),
            (Class::Other("strange".to_owned()), None, "strange"),
        ];
        for (class, certificate, seen) in cases {
            let failure = Failure { address: "127.0.0.1:443".parse().unwrap(), class, certificate };
            let judgement = judge_handshake("api.cast.ai", Err(&failure));
            assert_eq!(judgement.outcome.name(), "Fail");
            assert!(judgement.observed.contains(seen), "{}", judgement.observed);
            assert_eq!(judgement.fixes.len(), 1, "{failure:?}");
        }
    }
}
