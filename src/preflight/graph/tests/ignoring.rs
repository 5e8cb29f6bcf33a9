//! Findings that the user ignores.

use super::*;

#[test]
fn an_ignored_finding_does_not_block_what_has_facts() {
    // A name that resolves to a public and a private address was not connected to: there are no later facts.
    let host = ("CPL211", "api.cast.ai");
    let chain = ["CPL211", "CPL220", "CPL230", "CPL231", "CPL240"];
    let results = |flags: &[&str], facts: &Facts| -> Vec<String> {
        let ignores: Vec<_> = flags.iter().map(|flag| flag.parse().unwrap()).collect();
        let findings = judge_ignoring(CHECKS, facts, &ignores);
        let of_host = findings.into_iter().filter(|finding| finding.subject.name == host.1);
        let of_host = of_host.filter(|finding| chain.contains(&finding.check.code));
        of_host
            .map(|finding| {
                let root = match finding.outcome {
                    Outcome::Skipped { blocked_by } => format!(" {blocked_by}"),
                    _ => String::new(),
                };
                format!("{}{root}{}", finding.result(), if finding.ignored { "!" } else { "" })
            })
            .collect()
    };
    let components = vec![component("castai-agent", &[host.1], &[])];
    let mut facts = facts(components, Vec::new(), Some(vec![public_host(host.1)]));
    let skipped = "Skipped CPL211";
    assert_eq!(results(&[], &facts), ["Fail", skipped, skipped, skipped, skipped]);
    let ignored = "Ignored CPL211!";
    for flag in ["CPL211", "cpl211=api.cast.ai"] {
        assert_eq!(results(&[flag], &facts), ["Ignored!", ignored, ignored, ignored, ignored], "{flag}");
    }
    assert_eq!(results(&["CPL211=other", "CPL105"], &facts)[0], "Fail");
    // Only the named consequence is ignored, not its cause.
    assert_eq!(results(&["CPL230"], &facts), ["Fail", skipped, ignored, skipped, skipped]);

    // There are facts: a connection was refused.
    let hosts = facts.views[0].hosts.as_mut().unwrap();
    hosts[0].tcp = serde_json::from_value(json!({"gathered": {"milliseconds": 1, "value": [
        {"address": "104.16.81.56:443", "milliseconds": 1, "failure": "refused"},
    ]}}))
    .unwrap();
    let seen = results(&["CPL211"], &facts);
    assert_eq!(seen[..2], ["Ignored!", "Fail"], "{seen:?}");
    assert_eq!(seen[2], "Skipped CPL220");

    // A connection that works does not prove that the name was right.
    let hosts = facts.views[0].hosts.as_mut().unwrap();
    hosts[0].tcp = serde_json::from_value(json!({"gathered": {"milliseconds": 1, "value": [
        {"address": "104.16.81.56:443", "milliseconds": 1, "failure": null},
    ]}}))
    .unwrap();
    assert_eq!(results(&["CPL211"], &facts), ["Ignored!", "Pass", ignored, ignored, ignored]);
}
