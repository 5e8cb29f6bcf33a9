//! Faults of a connection after DNS: TCP, TLS, HTTP and gRPC.

use std::time::{Duration, Instant};

use lab::address::{self, REFUSING, SILENT};
use lab::castai::Fault;
use lab::dns::{Behaviour, Question};

use super::{
    API, ECR_API, Expected, GRPC, KVISOR, TELEMETRY, UNUSED, dns, fails, fault, finding, preflight,
    reset_lab, shows_exactly, text,
};
use crate::harness::complete_lab;

#[test]
fn each_connection_failure_is_reported() {
    let lab = complete_lab();

    dns(&lab, API, &Behaviour::addresses(&[REFUSING]));
    fault(&lab, GRPC, &Fault::OtherName { name: "api.example.com".to_owned() });
    fault(&lab, KVISOR, &Fault::Expired);
    fault(&lab, TELEMETRY, &Fault::UnknownAuthority);
    shows_exactly(
        &preflight(&lab, 1, &[]),
        &[
            fails(API, "CPL220", "connection refused", "nothing listens"),
            fails(GRPC, "CPL230", "not valid for this host name but for api.example.com", "another service"),
            fails(KVISOR, "CPL230", "the certificate expired at", "clock"),
            fails(TELEMETRY, "CPL230", "signed by unknown authority (CN=", "SSL_CERT_FILE"),
        ],
    );

    reset_lab(&lab);
    fault(&lab, API, &Fault::Http { status: 503 });
    fault(&lab, GRPC, &Fault::Http1Only);
    fault(&lab, KVISOR, &Fault::Reset);
    fault(&lab, TELEMETRY, &Fault::Grpc { status: 14 });
    let report = preflight(&lab, 1, &[]);
    shows_exactly(
        &report,
        &[
            fails(API, "CPL240", "HTTP 503", "the connection works"),
            fails(GRPC, "CPL241", "instead of h2", "HTTP/2"),
            fails(KVISOR, "CPL230", "reset during the TLS handshake", "SNI"),
        ],
    );
    // Any status of a gRPC server proves the connection.
    assert_eq!(text(finding(&report, "CPL241", TELEMETRY), "observed"), "grpc-status 14 (UNAVAILABLE)");

    // A certificate that ends soon is a warning. Nothing requires it.
    reset_lab(&lab);
    fault(&lab, API, &Fault::Expiring { days: 10 });
    fault(&lab, GRPC, &Fault::Expiring { days: 30 });
    fault(&lab, KVISOR, &Fault::Tls12Only);
    let report = preflight(&lab, 0, &[]);
    let ends = Expected { result: "Warn", ..fails(API, "CPL231", "valid until 20", "renewed") };
    shows_exactly(&report, &[ends]);
    let version = |host| text(finding(&report, "CPL230", host), "observed");
    assert!(version(KVISOR).starts_with("TLS 1.2, h2"), "{}", version(KVISOR));
    assert!(version(GRPC).starts_with("TLS 1.3, h2"), "{}", version(GRPC));

    // All silent hosts in one run, because each of them waits for a timeout.
    reset_lab(&lab);
    dns(&lab, API, &Behaviour::Silent);
    dns(&lab, GRPC, &Behaviour::addresses(&[SILENT]));
    fault(&lab, KVISOR, &Fault::Silent);
    fault(&lab, TELEMETRY, &Fault::Http { status: 404 });
    shows_exactly(
        &preflight(&lab, 1, &[]),
        &[
            fails(API, "CPL210", "timed out", "check security groups and network ACLs for port 53"),
            fails(GRPC, "CPL220", "10.0.250.1:443 timed out", "authorize-security-group-ingress"),
            fails(KVISOR, "CPL230", "the TLS handshake timed out", "firewall"),
            fails(TELEMETRY, "CPL241", "HTTP 404 without a grpc-status", "does not speak gRPC"),
        ],
    );
}

#[test]
#[expect(clippy::disallowed_methods, reason = "polls with a limit, outside of any runtime")]
fn silent_endpoints_time_out_concurrently() {
    let lab = complete_lab();
    let hosts = [API, GRPC, UNUSED, KVISOR, TELEMETRY, ECR_API, address::ECR.0];
    for host in hosts {
        dns(&lab, host, &Behaviour::Silent);
    }
    // All connections start before the first timeout ends, although each timeout is longer than that of this test.
    let mut running = lab.spawn_plugin(&["preflight", "--probe-timeout", "10m"]).unwrap();
    let end = Instant::now() + Duration::from_mins(5);
    loop {
        let asked: Vec<Question> = lab.control().get("/dns/queries").unwrap();
        let waiting = hosts.iter().filter(|host| {
            ["A", "AAAA"].iter().all(|kind| {
                asked.iter().any(|question| question.name == **host && question.query_type == *kind)
            })
        });
        if waiting.count() == hosts.len() {
            break;
        }
        assert!(running.try_wait().unwrap().is_none(), "exited before all names were resolved");
        assert!(Instant::now() < end, "not all names were resolved concurrently: {asked:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    running.kill().unwrap();
}
