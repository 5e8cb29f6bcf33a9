use jiff::Timestamp;

use super::*;
use crate::endpoint::Endpoint;
use crate::facts::{Connect, Fact, Layer};
use crate::tls;

fn target(index: u64) -> Target {
    Target {
        endpoint: Endpoint { host: format!("host-{index}.test"), port: 443 },
        layer: Layer::Https,
        connect: Connect::PrivateOnly,
    }
}

fn report(hosts: u64) -> PodReport {
    let facts = |index: u64| {
        let mut facts = HostFacts::new(target(index), Timestamp::UNIX_EPOCH);
        let failure = tls::Failure {
            address: ([10, 0, 1, 100], 443).into(),
            // A text that does not compress well.
            class: tls::Class::Other(format!("{:x}", (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))),
            certificate: None,
        };
        facts.tls = Fact::Gathered { milliseconds: index, value: Err(failure) };
        facts
    };
    PodReport {
        version: VERSION,
        probe: "0.1.0".to_owned(),
        name_servers: vec![[10, 100, 0, 10].into()],
        hosts: (0..hosts).map(facts).collect(),
        omitted: 0,
    }
}

#[test]
fn a_report_that_fits_is_read_back_unchanged() {
    for hosts in [0, 1, 5] {
        let report = report(hosts);
        let message = encode_message(&report, MESSAGE_BYTES);
        assert!(message.len() <= MESSAGE_BYTES, "{hosts} hosts take {} bytes", message.len());
        assert_eq!(decode_message(&message, 1 << 20), Ok(report.clone()));
        assert_eq!(decode_log(&format!("starting\n{}\n\n", encode_log(&report))), Ok(report));
    }
}

#[test]
fn a_large_report_is_cut_at_the_end_and_counts_what_is_omitted() {
    let full = report(300);
    let message = encode_message(&full, MESSAGE_BYTES);
    assert!(message.len() <= MESSAGE_BYTES, "{} bytes", message.len());
    let read = decode_message(&message, 1 << 20).unwrap();
    assert!(!read.hosts.is_empty() && read.omitted > 0);
    assert_eq!(read.hosts.len() + read.omitted, 300);
    assert_eq!(read.hosts, full.hosts[..read.hosts.len()]);
    // One more host would not fit.
    let more = PodReport {
        hosts: full.hosts[..=read.hosts.len()].to_vec(),
        omitted: read.omitted - 1,
        ..full.clone()
    };
    assert!(compress(&more).len() > MESSAGE_BYTES);
    // A limit that nothing meets leaves the shortest message.
    assert_eq!(decode_message(&encode_message(&full, 1), 1 << 20).unwrap().omitted, 300);
}

#[test]
fn texts_that_are_not_reports_are_rejected() {
    let bomb = {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![b' '; 1 << 20]).unwrap();
        format!("{PREFIX}{}", STANDARD.encode(encoder.finish().unwrap()))
    };
    let encoded = |text: &str| {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text.as_bytes()).unwrap();
        format!("{PREFIX}{}", STANDARD.encode(encoder.finish().unwrap()))
    };
    let cases = [
        (String::new(), "no report"),
        ("exec /probe: exec format error".to_owned(), "no report"),
        (format!("{PREFIX}%%"), "the report cannot be decoded: Invalid symbol 37, offset 0."),
        (format!("{PREFIX}AAAA"), "the report cannot be decoded: "),
        (bomb, "the report is larger than 65536 bytes"),
        (format!("{PREFIX}{}", "A".repeat(1 << 18)), "the report is larger than 65536 bytes"),
        (encoded("{}"), "the report is invalid: missing field `version`"),
        (encoded(r#"{"version":1}"#), "the report is invalid: missing field `probe`"),
        (
            encoded(r#"{"version":2,"hosts":0}"#),
            "version 2 of the report is not supported; this plugin reads version 1",
        ),
    ];
    for (message, expected) in cases {
        let error = decode_message(&message, 1 << 16).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}, not {expected}");
    }
    assert_eq!(decode_log(" \n"), Err(InvalidReport::Missing));
    assert!(matches!(decode_log("exec /probe: exec format error"), Err(InvalidReport::Json(_))));
}

#[test]
fn a_request_is_checked() {
    let request = PodRequest {
        version: VERSION,
        targets: vec![target(0)],
        private: vec!["100.64.0.0/16".parse().unwrap()],
        timeout_milliseconds: 5000,
        user_agent: "kubectl-castai-privatelink/0.1.0 (preflight)".to_owned(),
    };
    let parse = |request: &PodRequest| PodRequest::parse(&serde_json::to_vec(request).unwrap());
    assert_eq!(parse(&request), Ok(request.clone()));
    let run = Request::from(request.clone());
    assert_eq!((run.timeout, &run.name_servers), (Duration::from_secs(5), &NameServers::System));
    assert_eq!(PodRequest::new(&run), request);

    let base = || request.clone();
    let cases = [
        (PodRequest { version: 2, ..base() }, InvalidRequest::Version(2)),
        (PodRequest { targets: vec![target(0); 1001], ..base() }, InvalidRequest::TooManyTargets(1001)),
        (PodRequest { timeout_milliseconds: 0, ..base() }, InvalidRequest::Timeout),
        (PodRequest { timeout_milliseconds: 300_001, ..base() }, InvalidRequest::Timeout),
        (PodRequest { user_agent: "a\r\nHost: b".to_owned(), ..base() }, InvalidRequest::UserAgent),
    ];
    for (request, expected) in cases {
        assert_eq!(parse(&request), Err(expected));
    }
    for text in ["", "[]", "{}", r#"{"version":1,"targets":[]}"#, r#"{"version":-1}"#] {
        assert!(matches!(PodRequest::parse(text.as_bytes()), Err(InvalidRequest::Json(_))), "{text}");
    }
}
