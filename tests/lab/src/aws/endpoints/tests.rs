//! Rules and states of VPC endpoints, through the requests of clients.

mod topologies;

use super::*;
use crate::aws::services::cast_ai_services;
use crate::aws::{CLUSTER_GROUP, ROUTE_TABLE, SUBNETS};

const NEW_SUBNET: &str = "subnet-new";

type Fields<'a> = &'a [(&'a str, &'a str)];

fn around() -> Surroundings {
    let mut zones: BTreeMap<_, _> =
        SUBNETS.map(|(id, zone, _)| (id.to_owned(), zone.to_owned())).into_iter().collect();
    zones.insert(NEW_SUBNET.to_owned(), SUBNETS[0].1.to_owned());
    zones.insert("subnet-c".to_owned(), "us-east-1c".to_owned());
    Surroundings {
        caller: address::ACCOUNT.to_owned(),
        vpc_exists: true,
        dns_enabled: true,
        zones,
        groups: [CLUSTER_GROUP, "sg-default", "sg-2"].map(str::to_owned).into(),
        default_group: "sg-default".to_owned(),
        route_tables: [ROUTE_TABLE.to_owned()].into(),
        ..Surroundings::default()
    }
}

/// Name of the `index`-th Cast AI service.
fn service(index: usize) -> String {
    cast_ai_services().swap_remove(index).0
}

/// Parameters for an interface endpoint of the first service in both subnets, and others.
fn interface(more: Fields<'_>) -> Form {
    let mut form = Form::of(&[
        ("VpcId", address::VPC_ID),
        ("VpcEndpointType", "Interface"),
        ("ServiceName", &service(0)),
        ("SubnetId.1", SUBNETS[0].0),
        ("SubnetId.2", SUBNETS[1].0),
        ("SecurityGroupId.1", CLUSTER_GROUP),
        ("PrivateDnsEnabled", "true"),
    ]);
    form.extend(more);
    form
}

fn gateway(more: Fields<'_>) -> Form {
    let service = "com.amazonaws.us-east-1.s3";
    let mut form = Form::of(&[
        ("VpcId", address::VPC_ID),
        ("VpcEndpointType", "Gateway"),
        ("ServiceName", service),
        ("RouteTableId.1", ROUTE_TABLE),
    ]);
    form.extend(more);
    form
}

fn create(endpoints: &mut Endpoints, form: &Form) -> Result<String, Refusal> {
    endpoints.create(form, &around(), "2026-01-01T00:00:00.000Z".to_owned())
}

fn modify(endpoints: &mut Endpoints, id: &str, fields: Fields<'_>) -> Result<String, Refusal> {
    let mut form = Form::of(&[("VpcEndpointId", id)]);
    form.extend(fields);
    endpoints.modify(&form, &around())
}

fn describe(endpoints: &mut Endpoints, fields: Fields<'_>) -> Result<String, Refusal> {
    endpoints.describe(&Form::of(fields), address::ACCOUNT)
}

/// The texts of all elements with this name.
fn texts<'t>(document: &'t str, name: &str) -> Vec<&'t str> {
    let start = format!("<{name}>");
    let parts = document.split(&start).skip(1);
    parts.map(|part| part.split('<').next().unwrap()).collect()
}

fn states(endpoints: &mut Endpoints) -> Vec<String> {
    texts(&describe(endpoints, &[]).unwrap(), "state").into_iter().map(str::to_owned).collect()
}

fn course(state: State) -> BTreeMap<String, State> {
    [(service(0), state)].into()
}

#[track_caller]
fn assert_refused(result: Result<String, Refusal>, code: &str, part: &str) {
    let refusal = result.unwrap_err();
    assert_eq!(refusal.code, code, "{}", refusal.message);
    assert!(refusal.message.contains(part), "{}", refusal.message);
}

#[test]
fn a_new_endpoint_is_pending_in_one_description_and_then_available() {
    let mut endpoints = Endpoints::default();
    let tags = [
        ("TagSpecification.1.ResourceType", "vpc-endpoint"),
        ("TagSpecification.1.Tag.1.Key", "Name"),
        ("TagSpecification.1.Tag.1.Value", "a<b"),
    ];
    let created = create(&mut endpoints, &interface(&tags)).unwrap();
    let id = "vpce-00000000000000001";
    assert_eq!(texts(&created, "vpcEndpointId"), [id]);
    assert_eq!(id.len(), "vpce-0".len() + 16);
    assert_eq!((texts(&created, "state"), texts(&created, "value")), (vec!["pending"], vec!["a&lt;b"]));
    assert_eq!(texts(&created, "groupId"), [CLUSTER_GROUP]);
    assert!(created.contains(&format!("<subnetIdSet><item>{}</item>", SUBNETS[0].0)), "{created}");
    let names = texts(&created, "dnsName");
    let domain = format!("{}.us-east-1.vpce.amazonaws.com", service(0).rsplit('.').next().unwrap());
    assert_eq!(
        names,
        [
            &format!("{id}-00000001.{domain}"),
            &format!("{id}-00000001-us-east-1a.{domain}"),
            &format!("{id}-00000001-us-east-1b.{domain}"),
            "api.cast.ai"
        ]
    );
    assert!(endpoints.private_names().is_empty());
    assert_eq!(states(&mut endpoints), ["pending"]);
    assert_eq!(endpoints.private_names(), ["api.cast.ai".to_owned()].into());
    assert_eq!(states(&mut endpoints), ["available"]);
}

#[test]
fn a_client_token_creates_one_endpoint() {
    let mut endpoints = Endpoints::default();
    let form = interface(&[("ClientToken", "t")]);
    let first = create(&mut endpoints, &form).unwrap();
    let id = texts(&first, "vpcEndpointId")[0].to_owned();
    assert_eq!(texts(&first, "clientToken"), ["t"]);
    states(&mut endpoints);
    let again = create(&mut endpoints, &form).unwrap();
    assert_eq!(texts(&again, "vpcEndpointId"), [&id]);
    assert_eq!(texts(&again, "state"), ["available"]);
    assert_eq!(endpoints.list().len(), 1);
    let other = interface(&[("ClientToken", "t"), ("PrivateDnsEnabled", "false")]);
    assert_refused(create(&mut endpoints, &other), "IdempotentParameterMismatch", "'t'");
    // The token outlives its endpoint.
    endpoints.delete(&Form::of(&[("VpcEndpointId.1", &id)]));
    states(&mut endpoints);
    assert_eq!(texts(&create(&mut endpoints, &form).unwrap(), "vpcEndpointId"), [&id]);
    assert!(endpoints.list().is_empty());
}

#[test]
fn invalid_requests_are_refused_with_the_codes_of_ec2() {
    let services = cast_ai_services();
    let cases: &[(Fields<'_>, &str, &str)] = &[
        (&[("ServiceName", "com.amazonaws.vpce.us-east-1.vpce-svc-0")], "InvalidServiceName", "vpce-svc-0'"),
        (&[("SubnetId.2", "subnet-gone")], "InvalidSubnetId.NotFound", "'subnet-gone'"),
        (&[("SubnetId.2", NEW_SUBNET)], "DuplicateSubnetsInSameZone", NEW_SUBNET),
        (&[("SubnetId.3", "subnet-c")], "InvalidParameter", "availability zone of the subnet: subnet-c"),
        (&[("SecurityGroupId.2", "sg-gone")], "InvalidGroup.NotFound", "'sg-gone'"),
        (&[("VpcEndpointType", "Gateway")], "InvalidParameter", "available service types ([Interface])"),
        (&[("VpcEndpointType", "Other")], "InvalidParameter", "Other"),
        (&[("IpAddressType", "dualstack")], "InvalidParameter", "dualstack"),
        (&[("TagSpecification.1.ResourceType", "subnet")], "InvalidParameter", "'subnet' is not a valid"),
    ];
    for (fields, code, part) in cases {
        assert_refused(create(&mut Endpoints::default(), &interface(fields)), code, part);
    }
    assert!(services.iter().all(|(name, _)| {
        create(&mut Endpoints::default(), &interface(&[("ServiceName", name)])).is_ok()
    }));
    let nowhere = Surroundings { vpc_exists: false, ..around() };
    let result = Endpoints::default().create(&interface(&[]), &nowhere, String::new());
    assert_refused(result, "InvalidVpcId.NotFound", address::VPC_ID);
}

#[test]
fn private_dns_requires_the_attributes_and_a_free_name() {
    let mut endpoints = Endpoints::default();
    let off = Surroundings { dns_enabled: false, ..around() };
    let attributes = "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for vpc-";
    assert_refused(endpoints.create(&interface(&[]), &off, String::new()), "InvalidParameter", attributes);
    let without = interface(&[("PrivateDnsEnabled", "false")]);
    endpoints.create(&without, &off, String::new()).unwrap();

    let hub = Surroundings { hosted_zones: vec!["api.cast.ai".to_owned()], ..around() };
    let conflict = "private-dns-enabled cannot be set because there is already a conflicting DNS domain for api.cast.ai \
                    in the VPC vpc-";
    assert_refused(endpoints.create(&interface(&[]), &hub, String::new()), "InvalidParameter", conflict);

    create(&mut endpoints, &interface(&[])).unwrap();
    assert_refused(create(&mut endpoints, &interface(&[])), "InvalidParameter", conflict);
    let [first, second] = [1, 2].map(|number| format!("vpce-0{number:016x}"));
    let on = [("PrivateDnsEnabled", "true")];
    assert_refused(modify(&mut endpoints, &first, &on), "InvalidParameter", conflict);
    create(&mut endpoints, &interface(&[("ServiceName", &service(1))])).unwrap();
    modify(&mut endpoints, &second, &on).unwrap();
    modify(&mut endpoints, &second, &[("PrivateDnsEnabled", "false")]).unwrap();
    let mut form = Form::of(&[("VpcEndpointId", &first)]);
    form.extend(&on);
    assert_refused(endpoints.modify(&form, &off), "InvalidParameter", attributes);
    modify(&mut endpoints, &first, &on).unwrap();
    // An endpoint that is being deleted gives its name back.
    endpoints.delete(&Form::of(&[("VpcEndpointId.1", &first)]));
    modify(&mut endpoints, &second, &on).unwrap();
}

#[test]
fn a_route_table_has_one_gateway_per_service() {
    let mut endpoints = Endpoints::default();
    let created = create(&mut endpoints, &gateway(&[])).unwrap();
    assert_eq!(texts(&created, "vpcEndpointType"), ["Gateway"]);
    assert_eq!(texts(&created, "privateDnsEnabled"), ["false"]);
    assert!(created.contains(&format!("<routeTableIdSet><item>{ROUTE_TABLE}</item>")), "{created}");
    let exists = "route table rtb-0a1b2c3d4e5f60001 already has a route with destination-prefix-list-id pl-";
    assert_refused(create(&mut endpoints, &gateway(&[])), "RouteAlreadyExists", exists);
    create(&mut endpoints, &gateway(&[("ServiceName", "com.amazonaws.us-east-1.dynamodb")])).unwrap();
    let gone = gateway(&[("RouteTableId.1", "rtb-gone")]);
    assert_refused(create(&mut endpoints, &gone), "InvalidRouteTableId.NotFound", "'rtb-gone'");
    let id = "vpce-00000000000000001";
    modify(&mut endpoints, id, &[("RemoveRouteTableId.1", ROUTE_TABLE)]).unwrap();
    create(&mut endpoints, &gateway(&[])).unwrap();
    let add = [("AddRouteTableId.1", ROUTE_TABLE)];
    assert_refused(modify(&mut endpoints, id, &add), "RouteAlreadyExists", exists);
    assert_refused(
        modify(&mut endpoints, id, &[("PrivateDnsEnabled", "true")]),
        "InvalidParameter",
        "gateway",
    );
}

#[test]
fn subnets_and_groups_are_added_and_removed() {
    let mut endpoints = Endpoints::default();
    let one = interface(&[]).with_list("SubnetId", &[SUBNETS[0].0.to_owned()]);
    create(&mut endpoints, &one).unwrap();
    let id = "vpce-00000000000000001";
    let both = [("AddSubnetId.1", SUBNETS[1].0), ("AddSecurityGroupId.1", "sg-2")];
    modify(&mut endpoints, id, &both).unwrap();
    assert_eq!(endpoints.list()[0].subnets, SUBNETS.map(|(subnet, ..)| subnet));
    assert_eq!(endpoints.list()[0].groups, [CLUSTER_GROUP, "sg-2"]);
    for (fields, code) in [
        ([("AddSubnetId.1", NEW_SUBNET)], "DuplicateSubnetsInSameZone"),
        ([("AddSubnetId.1", SUBNETS[0].0)], "DuplicateSubnetsInSameZone"),
        ([("AddSubnetId.1", "subnet-gone")], "InvalidSubnetId.NotFound"),
        ([("AddSecurityGroupId.1", "sg-gone")], "InvalidGroup.NotFound"),
        ([("VpcEndpointId", "vpce-gone")], "InvalidVpcEndpointId.NotFound"),
    ] {
        assert_refused(modify(&mut endpoints, id, &fields), code, "");
    }
    // The new one may replace the one in its zone.
    let replaced = [("AddSubnetId.1", NEW_SUBNET), ("RemoveSubnetId.1", SUBNETS[0].0)];
    modify(&mut endpoints, id, &replaced).unwrap();
    assert_eq!(endpoints.list()[0].subnets, [SUBNETS[1].0, NEW_SUBNET]);
    assert!(endpoints.uses_group("sg-2") && !endpoints.uses_group("sg-default"));
    modify(&mut endpoints, id, &[("RemoveSecurityGroupId.1", "sg-2")]).unwrap();
    assert!(!endpoints.uses_group("sg-2"));
    let last = [("RemoveSecurityGroupId.1", CLUSTER_GROUP)];
    assert_refused(modify(&mut endpoints, id, &last), "InvalidParameter", "at least one security group");

    let mut without_group = Endpoints::default();
    create(&mut without_group, &interface(&[]).with_list("SecurityGroupId", &[])).unwrap();
    assert_eq!(without_group.list()[0].groups, ["sg-default"]);
}

#[test]
fn a_deleted_endpoint_is_described_once_more() {
    let mut endpoints = Endpoints::default();
    create(&mut endpoints, &interface(&[])).unwrap();
    create(&mut endpoints, &gateway(&[])).unwrap();
    states(&mut endpoints);
    let (id, managed) = ("vpce-00000000000000001", "vpce-00000000000000002");
    let change = serde_json::from_str(r#"{"requester_managed": true}"#).unwrap();
    assert!(endpoints.set(managed, change));
    let ids = [("VpcEndpointId.1", id), ("VpcEndpointId.2", "vpce-gone"), ("VpcEndpointId.3", managed)];
    let deleted = endpoints.delete(&Form::of(&ids));
    assert_eq!(texts(&deleted, "resourceId"), ["vpce-gone", managed]);
    assert_eq!(texts(&deleted, "code"), ["InvalidVpcEndpoint.NotFound", "InvalidParameter"]);
    assert_refused(modify(&mut endpoints, managed, &[]), "InvalidParameter", "requester-managed");
    assert_refused(modify(&mut endpoints, id, &[]), "InvalidVpcEndpointId.NotFound", id);
    assert!(!endpoints.private_names().contains("api.cast.ai") && endpoints.uses_group(CLUSTER_GROUP));
    assert_eq!(states(&mut endpoints), ["deleting", "available"]);
    assert_eq!(states(&mut endpoints), ["available"]);
    assert!(!endpoints.uses_group(CLUSTER_GROUP));
    let gone = describe(&mut endpoints, &[("VpcEndpointId.1", id)]);
    assert_refused(gone, "InvalidVpcEndpointId.NotFound", "The Vpc Endpoint Id");
}

#[test]
fn a_course_of_a_service_applies_to_new_and_existing_endpoints() {
    for (state, first, then) in [
        (State::PendingAcceptance, "pendingAcceptance", "pendingAcceptance"),
        (State::Rejected, "pendingAcceptance", "rejected"),
        (State::Expired, "pendingAcceptance", "expired"),
        (State::Failed, "pending", "failed"),
        (State::Pending, "pending", "pending"),
        (State::Available, "available", "available"),
    ] {
        let mut endpoints = Endpoints::default();
        endpoints.set_courses(course(state));
        assert_eq!(endpoints.requires_acceptance(&service(0)), first == "pendingAcceptance");
        let created = create(&mut endpoints, &interface(&[])).unwrap();
        assert_eq!(texts(&created, "state"), [first]);
        assert_eq!(states(&mut endpoints), [first]);
        assert_eq!(states(&mut endpoints), [then]);
        let failed = describe(&mut endpoints, &[]).unwrap().contains("<lastError><code>");
        assert_eq!(failed, state == State::Failed);
        // As if its owner accepted it.
        endpoints.set_courses(BTreeMap::new());
        assert_eq!(states(&mut endpoints), ["available"]);
        endpoints.set_courses(course(state));
        assert_eq!(states(&mut endpoints), [then]);
    }
}

#[test]
fn a_deletion_may_never_end() {
    let mut endpoints = Endpoints::default();
    endpoints.set_courses(course(State::Deleting));
    create(&mut endpoints, &interface(&[])).unwrap();
    states(&mut endpoints);
    assert_eq!(states(&mut endpoints), ["available"]);
    endpoints.delete(&Form::of(&[("VpcEndpointId.1", "vpce-00000000000000001")]));
    for _ in 0..3 {
        assert_eq!(states(&mut endpoints), ["deleting"]);
    }
    endpoints.set_courses(BTreeMap::new());
    assert_eq!(states(&mut endpoints), ["deleting"]);
    assert!(states(&mut endpoints).is_empty());
}

#[test]
fn descriptions_are_filtered_and_paged() {
    let mut endpoints = Endpoints::default();
    let owned = |index: usize, owner: &str| {
        interface(&[
            ("ServiceName", &service(index)),
            ("TagSpecification.1.Tag.1.Key", "owner"),
            ("TagSpecification.1.Tag.1.Value", owner),
        ])
    };
    for (index, owner) in ["a", "b", "a"].into_iter().enumerate() {
        create(&mut endpoints, &owned(index, owner)).unwrap();
    }
    let (second, third) = (service(1), "vpce-00000000000000003");
    let cases: &[(&str, &[&str], &[usize])] = &[
        ("vpc-id", &[address::VPC_ID], &[1, 2, 3]),
        ("vpc-id", &["vpc-other"], &[]),
        ("service-name", &[&second, "x"], &[2]),
        ("tag:owner", &["a"], &[1, 3]),
        ("tag:none", &["a"], &[]),
        ("tag-key", &["owner"], &[1, 2, 3]),
        ("vpc-endpoint-id", &[third], &[3]),
        ("vpc-endpoint-type", &["Gateway"], &[]),
        ("vpc-endpoint-state", &["deleting"], &[]),
    ];
    for (name, values, expected) in cases {
        let values: Vec<_> = values.iter().map(ToString::to_string).collect();
        let form = Form::of(&[("Filter.1.Name", name)]).with_list("Filter.1.Value", &values);
        let found = endpoints.describe(&form, address::ACCOUNT).unwrap();
        let expected: Vec<_> = expected.iter().map(|number| format!("vpce-0{number:016x}")).collect();
        assert_eq!(texts(&found, "vpcEndpointId"), expected, "{name}");
    }
    assert_refused(describe(&mut endpoints, &[("Filter.1.Name", "x")]), "InvalidParameterValue", "'x'");

    let first = describe(&mut endpoints, &[("MaxResults", "2")]).unwrap();
    assert_eq!(texts(&first, "vpcEndpointId").len(), 2);
    let token = texts(&first, "nextToken")[0].to_owned();
    let second = describe(&mut endpoints, &[("MaxResults", "2"), ("NextToken", &token)]).unwrap();
    assert_eq!(texts(&second, "vpcEndpointId"), [third]);
    assert!(texts(&second, "nextToken").is_empty());
}

#[test]
fn tags_are_created_and_deleted() {
    let mut endpoints = Endpoints::default();
    create(&mut endpoints, &interface(&[])).unwrap();
    let id = "vpce-00000000000000001";
    let form = Form::of(&[
        ("ResourceId.1", id),
        ("ResourceId.2", "subnet-1"),
        ("Tag.1.Key", "a"),
        ("Tag.1.Value", "1"),
        ("Tag.2.Key", "b"),
        ("Tag.2.Value", "2"),
    ]);
    let ids = [id.to_owned(), "subnet-1".to_owned()];
    endpoints.check_exist(&ids).unwrap();
    assert_eq!(
        endpoints.check_exist(&["vpce-gone".to_owned()]).unwrap_err().code,
        "InvalidVpcEndpointId.NotFound"
    );
    endpoints.change_tags("CreateTags", &ids, &form);
    let keys = |endpoints: &Endpoints| endpoints.list()[0].tags.keys().cloned().collect::<String>();
    assert_eq!(keys(&endpoints), "ab");
    endpoints.change_tags("DeleteTags", &ids, &Form::of(&[("Tag.1.Key", "a"), ("Tag.1.Value", "other")]));
    assert_eq!(keys(&endpoints), "ab");
    endpoints.change_tags("DeleteTags", &ids, &Form::of(&[("Tag.1.Key", "a")]));
    assert_eq!(keys(&endpoints), "b");
    endpoints.change_tags("DeleteTags", &ids, &Form::default());
    assert_eq!(keys(&endpoints), "");
}

#[test]
fn a_change_by_hand_is_not_checked() {
    let mut endpoints = Endpoints::default();
    create(&mut endpoints, &interface(&[])).unwrap();
    let id = "vpce-00000000000000001";
    let change =
        r#"{"state": "available", "private_dns": false, "subnets": ["subnet-x"], "tags": {"k": "v"}}"#;
    assert!(endpoints.set(id, serde_json::from_str(change).unwrap()));
    assert!(!endpoints.set("vpce-gone", Change::default()));
    let shown = serde_json::to_value(&endpoints.list()[0]).unwrap();
    assert_eq!(
        (&shown["id"], &shown["state"], &shown["private_dns"]),
        (&id.into(), &"available".into(), &false.into())
    );
    assert_eq!(shown["subnets"], serde_json::json!(["subnet-x"]));
    assert_eq!(shown["groups"], serde_json::json!([CLUSTER_GROUP]));
    assert_eq!(shown["tags"], serde_json::json!({"k": "v"}));
    assert!(endpoints.private_names().is_empty());
    assert!(serde_json::from_str::<Change>(r#"{"colour": 1}"#).is_err());
}
