use std::net::Ipv4Addr;
use std::sync::Arc;

use hickory_resolver::proto::op::{Message, MessageType, OpCode};
use hickory_resolver::proto::rr::Record;
use hickory_resolver::proto::rr::rdata::{A, CNAME};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::*;

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// Responds by name on a loopback port; there is no response for names that start with `silent`.
async fn name_server(tasks: &mut JoinSet<()>) -> SocketAddr {
    let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let address = socket.local_addr().unwrap();
    tasks.spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
            let request = Message::from_vec(&buffer[..length]).unwrap();
            let query = request.queries[0].clone();
            let name = query.name().to_ascii();
            if name.starts_with("silent") {
                continue;
            }
            let mut response = Message::new(request.metadata.id, MessageType::Response, OpCode::Query);
            response.metadata.recursion_available = true;
            response.queries.push(query.clone());
            response.metadata.response_code = match name.as_str() {
                "broken.test." => ResponseCode::ServFail,
                "refused.test." => ResponseCode::Refused,
                "gone.test." => ResponseCode::NXDomain,
                _ => ResponseCode::NoError,
            };
            if name == "api.test." && query.query_type() == RecordType::A {
                let alias = Name::from_ascii("vpce-1.test.").unwrap();
                let target = RData::CNAME(CNAME(alias.clone()));
                response.answers.push(Record::from_rdata(query.name().clone(), 60, target));
                let address = RData::A(A(Ipv4Addr::new(10, 0, 0, 9)));
                response.answers.push(Record::from_rdata(alias, 20, address));
            }
            let _ = socket.send_to(&response.to_vec().unwrap(), client).await;
        }
    });
    address
}

#[tokio::test]
async fn responses_of_a_real_name_server_are_classified() {
    let mut tasks = JoinSet::new();
    let server = name_server(&mut tasks).await;
    let timeout = Duration::from_millis(800);
    let resolver = resolver(&NameServers::These(vec![server]), timeout).unwrap();
    let found = look_up(&resolver, "api.test", timeout).await;
    assert_eq!(
        found.a,
        Answer {
            reply: Reply::Addresses(addresses(&["10.0.0.9"])),
            aliases: vec!["vpce-1.test".to_owned()],
            ttl: Some(20),
        }
    );
    assert_eq!(found.aaaa.reply, Reply::NoRecords);
    let cases = [
        ("gone.test", Reply::Code("NXDOMAIN".to_owned())),
        ("broken.test", Reply::Code("SERVFAIL".to_owned())),
        ("refused.test", Reply::Code("REFUSED".to_owned())),
        ("silent.test", Reply::TimedOut),
        ("empty.test", Reply::NoRecords),
    ];
    for (host, expected) in cases {
        let answers = look_up(&resolver, host, timeout).await;
        assert_eq!((answers.a.reply, answers.aaaa.reply), (expected.clone(), expected), "{host}");
    }
}
