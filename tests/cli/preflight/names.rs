//! Results of DNS lookups.

use std::net::Ipv4Addr;

use lab::address::CASTAI_PUBLIC;
use lab::dns::Behaviour;

use super::{
    API, Expected, GRPC, KVISOR, TELEMETRY, UNUSED, dns, fails, finding, preflight, reset_lab, shows_exactly,
    text,
};
use crate::harness::{complete_lab, plugin};

#[test]
fn each_dns_failure_is_reported() {
    let lab = complete_lab();
    let private = Ipv4Addr::new(10, 0, 1, 101);

    dns(&lab, API, &Behaviour::public());
    dns(&lab, GRPC, &Behaviour::NameError);
    dns(&lab, KVISOR, &Behaviour::ServerFailure);
    dns(&lab, TELEMETRY, &Behaviour::Refused);
    shows_exactly(
        &preflight(&lab, 1, &[]),
        &[
            fails(API, "CPL211", "104.16.81.56: public", "another DNS record"),
            fails(GRPC, "CPL210", "A and AAAA: NXDOMAIN", "another DNS record"),
            fails(KVISOR, "CPL210", "A and AAAA: SERVFAIL", "the VPC's resolver"),
            fails(TELEMETRY, "CPL210", "A and AAAA: REFUSED", "the VPC's resolver"),
        ],
    );
    let table = plugin(&lab, 1, &["preflight"]).stdout;
    assert!(table.contains("\nFail CPL211 api.cast.ai\n"), "{table}");
    assert!(
        table.contains("skipped    CPL212, CPL220, CPL230, CPL231, CPL240 until this passes\n"),
        "{table}"
    );
    assert!(
        table.lines().last().unwrap().starts_with("Not ready for PrivateLink: grpc.cast.ai (CPL210), "),
        "{table}"
    );

    reset_lab(&lab);
    let mixed = Behaviour::addresses(&[private, CASTAI_PUBLIC]);
    let public_six = Behaviour::Addresses {
        v4: vec![Ipv4Addr::new(10, 0, 1, 103)],
        v6: vec!["2606:4700::6810:5138".parse().unwrap()],
        ttl: 60,
    };
    let chain = Behaviour::Alias {
        names: vec!["telemetry.corp.example".to_owned(), "vpce-1.vpce.amazonaws.com".to_owned()],
        target: Box::new(Behaviour::addresses(&[Ipv4Addr::new(10, 0, 1, 104)])),
    };
    dns(&lab, GRPC, &mixed);
    dns(&lab, KVISOR, &public_six);
    dns(&lab, TELEMETRY, &chain);
    dns(&lab, UNUSED, &Behaviour::NameError);
    let report = preflight(&lab, 1, &[]);
    shows_exactly(
        &report,
        &[
            fails(GRPC, "CPL211", "10.0.1.101: private; 104.16.81.56: public", "another DNS record"),
            Expected {
                result: "Warn",
                skips: false,
                ..fails(KVISOR, "CPL211", "2606:4700::6810:5138: public", "another DNS record")
            },
            Expected { result: "Warn", ..fails(UNUSED, "CPL210", "NXDOMAIN", "another DNS record") },
        ],
    );
    let seen = text(finding(&report, "CPL210", TELEMETRY), "observed");
    assert!(seen.starts_with("A: telemetry.corp.example → vpce-1.vpce.amazonaws.com → 10.0.1.104"), "{seen}");

    // A host that no component uses gives only a warning, unless a flag names it.
    reset_lab(&lab);
    dns(&lab, UNUSED, &Behaviour::NameError);
    let table = plugin(&lab, 0, &["preflight"]).stdout;
    assert!(table.contains("warning: no installed component needs it"), "{table}");
    let report = preflight(&lab, 1, &["--grpc", UNUSED]);
    assert_eq!(text(finding(&report, "CPL210", UNUSED), "result"), "Fail");
}
