//! What `endpoints delete` removes, and what it keeps.

use super::*;
use crate::endpoints::facts::Tags;

fn ours() -> Tags {
    Tags::from([(MANAGED_BY.to_owned(), PLUGIN.to_owned())])
}

fn endpoint(id: &str, groups: &[&str], tags: Tags) -> Endpoint {
    Endpoint {
        id: id.to_owned(),
        service_name: cast_ai(REGION, None, &[])[0].service_name.clone(),
        state: "available".to_owned(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        tags,
        ..Endpoint::default()
    }
}

fn group(id: &str, tags: Tags) -> SecurityGroup {
    SecurityGroup { id: id.to_owned(), name: id.to_owned(), tags, ingress: Vec::new() }
}

#[test]
fn what_create_made_is_removed_and_nothing_else() {
    let before = facts();
    let created = applied(before.clone(), &decide(&before, &cast_ai_settings()));
    let plan = decide_removal(&created, &cast_ai_settings());
    assert_eq!(lines(&plan).last().unwrap(), "untag subnet-a subnet-b");
    assert_eq!(plan.endpoints.len(), 6);
    assert!(plan.endpoints.iter().all(|endpoint| endpoint.change == EndpointChange::Delete));
    assert_eq!(applied(created, &plan), before);
    assert!(decide_removal(&before, &cast_ai_settings()).is_complete(), "nothing of ours is left");
}

#[test]
fn what_others_made_stays() {
    let mut facts = facts();
    facts.endpoints = vec![
        endpoint("vpce-ours", &["sg-ours"], ours()),
        endpoint("vpce-theirs", &["sg-theirs", "sg-ours"], Tags::new()),
        endpoint("vpce-gone", &["sg-ours"], ours()),
        endpoint("vpce-other-tool", &[], Tags::from([(MANAGED_BY.to_owned(), "terraform".to_owned())])),
    ];
    facts.endpoints[2].state = "deleting".to_owned();
    facts.security_groups = vec![group("sg-ours", ours()), group("sg-theirs", Tags::new())];
    // The user's own tag, and one of ours whose value was changed.
    facts.subnets[0].tags.insert(ROUTABLE.to_owned(), "true".to_owned());
    facts.subnets[1]
        .tags
        .extend([(ROUTABLE.to_owned(), "false".to_owned()), (TAGGED_BY.to_owned(), PLUGIN.to_owned())]);
    let plan = decide_removal(&facts, &cast_ai_settings());
    assert_eq!(
        lines(&plan),
        ["delete vpce-ours", "detach sg-ours from vpce-theirs", "delete sg-ours", "untag subnet-b"]
    );
    let names: Vec<_> = plan.endpoints.iter().map(|endpoint| endpoint.id.clone().unwrap()).collect();
    assert_eq!(names, ["vpce-ours", "vpce-gone"]);
    facts.endpoints.remove(2);
    let left = applied(facts.clone(), &plan);
    assert_eq!(left.subnets[0].tags[ROUTABLE], "true");
    assert_eq!(left.subnets[1].tags, Tags::from([(ROUTABLE.to_owned(), "false".to_owned())]));

    // The only group of an endpoint cannot be taken away.
    facts.endpoints[1].groups = vec!["sg-ours".to_owned()];
    let plan = decide_removal(&facts, &cast_ai_settings());
    assert_eq!(lines(&plan), ["delete vpce-ours", "untag subnet-b"]);
    assert_eq!(
        plan.problems[0].message,
        "vpce-theirs, which this plugin did not create, has no security group but sg-ours"
    );
}
