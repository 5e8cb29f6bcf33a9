//! The resolver's responses, by zone, behaviour, transport and query.

use hickory_proto::op::Query;

use super::*;

fn ask(zone: &mut Zone, name: &str, query_type: RecordType, transport: Transport) -> Option<Message> {
    let mut query = Message::query();
    query.add_query(Query::query(absolute(name).unwrap(), query_type));
    zone.answer(&query, transport, None)
}

/// Response code and answer records, each as `NAME TYPE DATA`.
fn shown(message: &Message) -> (ResponseCode, Vec<String>) {
    let records = message.answers.iter();
    let lines = records.map(|record| format!("{} {} {}", record.name, record.record_type(), record.data));
    (message.metadata.response_code, lines.collect())
}

#[test]
fn the_zone_responds_like_a_vpc_resolver() {
    let cases: &[(&str, RecordType, ResponseCode, &[&str])] = &[
        ("api.cast.ai", RecordType::A, ResponseCode::NoError, &["api.cast.ai. A 10.0.1.100"]),
        ("API.Cast.AI", RecordType::A, ResponseCode::NoError, &["API.Cast.AI. A 10.0.1.100"]),
        ("api.cast.ai", RecordType::AAAA, ResponseCode::NoError, &[]),
        ("api.cast.ai", RecordType::HTTPS, ResponseCode::NoError, &[]),
        ("api.eu.cast.ai", RecordType::A, ResponseCode::NoError, &["api.eu.cast.ai. A 10.0.1.105"]),
        ("ghcr.io", RecordType::A, ResponseCode::NoError, &["ghcr.io. A 203.0.113.20"]),
        ("files.cast.ai", RecordType::A, ResponseCode::NXDomain, &[]),
    ];
    for (name, query_type, code, records) in cases {
        let message = ask(&mut Zone::default(), name, *query_type, Transport::Udp).unwrap();
        let expected = (*code, records.iter().map(ToString::to_string).collect());
        assert_eq!(shown(&message), expected, "{name} {query_type}");
        assert_eq!(message.authorities.len(), usize::from(records.is_empty()), "{name} {query_type}: SOA");
    }
}

#[test]
fn control_sets_every_behaviour() {
    let name = "api.cast.ai";
    let cases = [
        (r#"{"answer": "name-error"}"#, ResponseCode::NXDomain, vec![]),
        (r#"{"answer": "server-failure"}"#, ResponseCode::ServFail, vec![]),
        (r#"{"answer": "refused"}"#, ResponseCode::Refused, vec![]),
        (
            r#"{"answer": "addresses", "v4": ["10.0.0.7", "10.0.0.8"], "ttl": 5}"#,
            ResponseCode::NoError,
            vec!["api.cast.ai. A 10.0.0.7", "api.cast.ai. A 10.0.0.8"],
        ),
        (
            r#"{"answer": "alias", "names": ["a.example", "b.example"], "target": {"answer": "name-error"}}"#,
            ResponseCode::NXDomain,
            vec!["api.cast.ai. CNAME a.example.", "a.example. CNAME b.example."],
        ),
        (
            r#"{"answer": "by-type", "a": {"answer": "addresses"}, "aaaa": {"answer": "server-failure"}}"#,
            ResponseCode::NoError,
            vec![],
        ),
    ];
    for (behaviour, code, records) in cases {
        let mut zone = Zone::default();
        zone.set(name, serde_json::from_str(behaviour).unwrap()).unwrap();
        let message = ask(&mut zone, name, RecordType::A, Transport::Udp).unwrap();
        let expected = (code, records.into_iter().map(ToString::to_string).collect());
        assert_eq!(shown(&message), expected, "{behaviour}");
    }
}

#[test]
fn behaviours_differ_by_transport_record_type_and_query() {
    let mut zone = Zone::default();
    let private = Behaviour::addresses(&[address::castai_endpoint(0)]);
    zone.set("*", Behaviour::Silent).unwrap();
    assert_eq!(ask(&mut zone, "ghcr.io", RecordType::A, Transport::Udp), None);

    zone.set("split.example", Behaviour::Rotating { answers: vec![private.clone(), Behaviour::public()] })
        .unwrap();
    let mut turn = || shown(&ask(&mut zone, "split.example", RecordType::A, Transport::Udp).unwrap()).1;
    assert_eq!(turn(), ["split.example. A 10.0.1.100"]);
    assert_eq!(turn(), ["split.example. A 104.16.81.56"]);
    assert_eq!(turn(), ["split.example. A 10.0.1.100"]);

    zone.set("big.example", Behaviour::TruncatedOverUdp { then: Box::new(private) }).unwrap();
    let udp = ask(&mut zone, "big.example", RecordType::A, Transport::Udp).unwrap();
    assert!(udp.metadata.truncation && udp.answers.is_empty());
    let tcp = ask(&mut zone, "big.example", RecordType::A, Transport::Tcp).unwrap();
    assert_eq!(shown(&tcp).1, ["big.example. A 10.0.1.100"]);

    zone.reset();
    let message = ask(&mut zone, "ghcr.io", RecordType::A, Transport::Udp).unwrap();
    assert_eq!(shown(&message).1, ["ghcr.io. A 203.0.113.20"]);
}

#[test]
fn names_that_follow_endpoints_are_private_or_public() {
    let mut zone = Zone::default();
    let mut answer = |private: Option<&[&str]>, name: &str| {
        let private = private.map(|names| names.iter().map(ToString::to_string).collect());
        zone.set_private_names(private.as_ref());
        let (code, records) = shown(&ask(&mut zone, name, RecordType::A, Transport::Udp).unwrap());
        (code == ResponseCode::NoError).then(|| records.concat())
    };
    let a = |record: &str| Some(record.to_owned());
    let (rest, files) = ("api.cast.ai", FILES_HOST);
    assert_eq!(answer(Some(&[rest, files]), rest), a("api.cast.ai. A 10.0.1.100"));
    assert_eq!(answer(Some(&[rest, files]), "grpc.cast.ai"), a("grpc.cast.ai. A 104.16.81.56"));
    assert_eq!(answer(Some(&[rest]), "api.eu.cast.ai"), a("api.eu.cast.ai. A 104.16.81.56"));
    assert_eq!(answer(Some(&[rest, files]), files), a("files.castai.example. A 10.0.1.110"));
    assert_eq!(answer(Some(&[]), files), None);
    assert_eq!(answer(Some(&[]), "ghcr.io"), a("ghcr.io. A 203.0.113.20"));
    assert_eq!(answer(None, "grpc.cast.ai"), a("grpc.cast.ai. A 10.0.1.101"));
    assert_eq!(answer(None, files), None);

    zone.set_private_names(Some(&BTreeSet::new()));
    assert_eq!(zone.records()[rest], Behaviour::public());
    zone.set(rest, Behaviour::NameError).unwrap();
    assert_eq!(zone.records()[rest], Behaviour::NameError);
}

#[test]
fn a_name_in_an_alias_chain_resolves_too() {
    let mut zone = Zone::default();
    let target = Box::new(Behaviour::addresses(&[address::castai_endpoint(0)]));
    zone.set("api.cast.ai", Behaviour::Alias { names: vec!["vpce-1.example".into()], target }).unwrap();
    let message = ask(&mut zone, "VPCE-1.example", RecordType::A, Transport::Udp).unwrap();
    assert_eq!(shown(&message).1, ["VPCE-1.example. A 10.0.1.100"]);
    let message = ask(&mut zone, "api.cast.ai", RecordType::CNAME, Transport::Udp).unwrap();
    assert_eq!(shown(&message).1, ["api.cast.ai. CNAME vpce-1.example."]);
}

#[test]
fn an_invalid_record_is_rejected() {
    let mut zone = Zone::default();
    let bad = Behaviour::Alias { names: vec!["a..b".into()], target: Box::new(Behaviour::NameError) };
    assert!(zone.set("api.cast.ai", bad).is_err());
    assert!(zone.set("api.cast.ai", Behaviour::Rotating { answers: vec![] }).is_err());
    assert!(zone.set("a..b", Behaviour::Silent).is_err());
}
