use super::*;
use crate::preflight::check::Outcome;

fn answer(reply: Reply) -> Answer {
    Answer { reply, aliases: Vec::new(), ttl: None }
}

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn every_pair_of_answers_has_its_result() {
    let found = || Reply::Addresses(addresses(&["10.0.0.1"]));
    let code = |text: &str| Reply::Code(text.to_owned());
    let cases = [
        (found(), Reply::NoRecords, "Pass"),
        (found(), found(), "Pass"),
        (Reply::NoRecords, found(), "Pass"),
        (found(), code("SERVFAIL"), "Warn"),
        (found(), Reply::TimedOut, "Warn"),
        (Reply::NoRecords, Reply::NoRecords, "Fail"),
        (code("NXDOMAIN"), code("NXDOMAIN"), "Fail"),
        (code("SERVFAIL"), code("SERVFAIL"), "Fail"),
        (code("REFUSED"), code("REFUSED"), "Fail"),
        (Reply::TimedOut, Reply::TimedOut, "Fail"),
        (Reply::Error("none".to_owned()), Reply::Error("none".to_owned()), "Unknown"),
    ];
    for (a, aaaa, expected) in cases {
        let answers = Answers { a: answer(a), aaaa: answer(aaaa) };
        assert_eq!(judge_resolution(&answers).outcome.name(), expected, "{answers:?}");
    }
}

#[test]
fn private_means_what_cannot_be_reached_from_the_internet() {
    let vpc: Vec<IpNet> = vec!["198.51.100.0/24".parse().unwrap(), "2600:1f18::/56".parse().unwrap()];
    let cases: [(&[&str], Outcome); 12] = [
        (&["10.0.1.5", "10.0.2.5"], Outcome::Pass),
        (&["172.16.0.1"], Outcome::Pass),
        (&["172.32.0.1"], Outcome::Fail),
        (&["192.168.3.4"], Outcome::Pass),
        (&["100.64.0.1"], Outcome::Pass),
        (&["100.127.255.254"], Outcome::Pass),
        (&["100.128.0.1"], Outcome::Fail),
        (&["fd00::1"], Outcome::Pass),
        (&["198.51.100.7", "2600:1f18::7"], Outcome::Pass),
        (&["104.16.81.56", "104.16.82.56"], Outcome::Fail),
        (&["10.0.1.5", "104.16.81.56"], Outcome::Fail),
        (&["10.0.1.5", "2606:4700::1"], Outcome::Warn),
    ];
    for (texts, expected) in cases {
        assert_eq!(judge_private(&addresses(texts), &vpc).outcome, expected, "{texts:?}");
    }
}
