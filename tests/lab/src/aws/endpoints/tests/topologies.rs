//! Endpoints where the VPC, its subnets or a service are not as in the beginning.

use serde_json::json;

use super::*;

/// Surroundings with services as a test sets them.
fn with_services(services: &serde_json::Value) -> Surroundings {
    Surroundings { services: serde_json::from_value(services.clone()).unwrap(), ..around() }
}

fn create_in(around: &Surroundings, more: Fields<'_>) -> Result<String, Refusal> {
    Endpoints::default().create(&interface(more), around, String::new())
}

#[test]
fn only_the_owner_of_a_vpc_creates_changes_and_lists_its_endpoints() {
    let shared = Surroundings { is_shared: true, ..around() };
    assert_refused(create_in(&shared, &[]), "OperationNotPermitted", "does not support shared VPCs");
    let mut endpoints = Endpoints::default();
    create(&mut endpoints, &interface(&[])).unwrap();
    let change = Form::of(&[("VpcEndpointId", "vpce-00000000000000001"), ("PrivateDnsEnabled", "false")]);
    assert_refused(endpoints.modify(&change, &shared), "OperationNotPermitted", "shared VPCs");
    let listed = endpoints.describe(&Form::default(), "999999999999").unwrap();
    assert!(!listed.contains("<item>"), "others do not see it: {listed}");
}

#[test]
fn addresses_depend_on_the_service_and_on_every_subnet() {
    let kind = |kind: &'static str| [("IpAddressType", kind)];
    let mut around = with_services(&json!({"rest-api": {"ip_types": ["ipv4", "ipv6"]}}));
    assert_refused(create_in(&around, &kind("ipv6")), "InvalidParameter", "The subnet subnet-");
    around.with_ipv6 = SUBNETS.map(|(id, ..)| id.to_owned()).into();
    assert!(create_in(&around, &kind("dualstack")).unwrap().contains("<ipAddressType>dualstack<"));
    around.without_ipv4.insert(SUBNETS[1].0.to_owned());
    assert_refused(create_in(&around, &kind("dualstack")), "InvalidParameter", SUBNETS[1].0);
    assert_refused(create_in(&around, &[]), "InvalidParameter", "type ipv4");
    assert!(create_in(&around, &kind("ipv6")).is_ok());
}

#[test]
fn a_service_accepts_subnets_in_its_zones_and_endpoints_from_its_regions() {
    let around = with_services(&json!({"rest-api": {"zones": ["us-east-1a", "us-east-1c"]}}));
    assert_refused(create_in(&around, &[]), "InvalidParameter", SUBNETS[1].0);
    create_in(&around, &[("SubnetId.2", "subnet-c")]).unwrap();

    let remote = "com.amazonaws.vpce.us-east-2.vpce-svc-0504dcd21f12037fe";
    let fields = [("ServiceName", remote), ("ServiceRegion", "us-east-2")];
    assert_refused(create_in(&around, &fields), "InvalidServiceName", remote);
    let around = with_services(&json!({remote: {"regions": ["us-east-1"]}}));
    assert!(create_in(&around, &fields).unwrap().contains("<serviceRegion>us-east-2<"));
    assert_refused(create_in(&around, &fields[..1]), "InvalidServiceName", remote);
}

#[test]
fn a_service_is_described_as_a_test_sets_it() {
    let around = with_services(
        &json!({"*": {"ip_types": ["ipv6"]}, "kvisor": {"hidden": true, "zones": ["us-east-1d"]}}),
    );
    let describe = |fields: Fields<'_>| around.services.describe(&Form::of(fields), &Endpoints::default());
    let [first, kvisor] = [0, 4].map(service);
    let described = describe(&[("ServiceName.1", &first)]).unwrap();
    assert!(described.contains("<supportedIpAddressTypeSet><item>ipv6</item></supportedIp"), "{described}");
    assert!(described.contains("<availabilityZoneSet><item>us-east-1a</item>"), "{described}");
    let hidden = describe(&[("ServiceName.1", &first), ("ServiceName.2", &kvisor)]);
    assert_refused(hidden, "InvalidServiceName", &kvisor);
    let remote = "com.amazonaws.vpce.us-east-2.vpce-svc-0504dcd21f12037fe";
    assert_refused(describe(&[("ServiceName.1", remote)]), "InvalidServiceName", remote);
    let described = describe(&[("ServiceName.1", remote), ("ServiceRegion.1", "us-east-2")]).unwrap();
    assert!(
        described.contains("<supportedRegionSet><item><region>us-east-2</region></item></"),
        "{described}"
    );
    assert!(described.contains("<item>us-east-2b</item>"), "{described}");
}
