//! The labels of probe pods: those by which network policies and security groups for pods select the component's pods,
//! and none by which a Service, a disruption budget or a controller would count the probe as one of them.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

pub type Labels = BTreeMap<String, String>;

/// An object that selects pods by their labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Selecting {
    /// In kubectl's notation: `service/castai-agent`.
    pub object: String,
    pub selector: LabelSelector,
}

/// What selects pods in the namespace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selectors {
    /// Services, disruption budgets and controllers.
    pub avoid: Vec<Selecting>,
    /// Network policies and security group policies.
    pub policies: Vec<Selecting>,
    /// Kinds that could not be listed.
    pub unread: Vec<String>,
}

/// The labels of the pods, and what they do not achieve.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    pub labels: Labels,
    /// Policies for the component that do not select the probe, with the reason.
    pub not_covered: Vec<String>,
    /// Objects that select every pod without our labels too: nothing keeps the probe out of them.
    pub selected_anyway: Vec<String>,
}

/// Chooses labels: `own`, and of the `component`'s those that its policies select by. A policy counts less than an object
/// to avoid. If those objects are not all known, the probe gets no label of the component.
pub fn choose(component: &Labels, own: &Labels, selectors: &Selectors) -> Chosen {
    let mut chosen = Chosen { labels: own.clone(), ..Chosen::default() };
    let selected_by = |labels: &Labels| -> Vec<&Selecting> {
        selectors.avoid.iter().filter(|one| matches(&one.selector, labels)).collect()
    };
    let anyway: Vec<&str> = selected_by(own).iter().map(|one| one.object.as_str()).collect();
    for policy in selectors.policies.iter().filter(|policy| matches(&policy.selector, component)) {
        if matches(&policy.selector, &chosen.labels) {
            continue;
        }
        if !selectors.unread.is_empty() {
            let why = format!("{}: cannot list {}", policy.object, selectors.unread.join(", "));
            chosen.not_covered.push(why);
            continue;
        }
        let mut labels = chosen.labels.clone();
        for key in keys(&policy.selector) {
            if let Some(value) = component.get(key) {
                labels.entry(key.to_owned()).or_insert_with(|| value.clone());
            }
        }
        let added = selected_by(&labels).into_iter().find(|one| !anyway.contains(&one.object.as_str()));
        match added {
            Some(other) => {
                chosen
                    .not_covered
                    .push(format!("{}: {} selects by the same labels", policy.object, other.object));
            }
            None if matches(&policy.selector, &labels) => chosen.labels = labels,
            // It selects by a label that has another value here.
            None => chosen.not_covered.push(format!("{}: it selects by labels of our own", policy.object)),
        }
    }
    chosen.selected_anyway = anyway.into_iter().map(str::to_owned).collect();
    chosen
}

fn keys(selector: &LabelSelector) -> BTreeSet<&str> {
    let labels = selector.match_labels.iter().flatten().map(|(key, _)| key.as_str());
    let expressions = selector.match_expressions.iter().flatten().map(|expression| expression.key.as_str());
    labels.chain(expressions).collect()
}

/// As the API server evaluates it; an empty selector matches everything.
pub fn matches(selector: &LabelSelector, labels: &Labels) -> bool {
    let has_all = selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    has_all && selector.match_expressions.iter().flatten().all(|expression| satisfies(expression, labels))
}

fn satisfies(expression: &LabelSelectorRequirement, labels: &Labels) -> bool {
    let value = labels.get(&expression.key);
    let is_one_of = |value: &String| expression.values.iter().flatten().any(|other| other == value);
    match expression.operator.as_str() {
        "In" => value.is_some_and(is_one_of),
        "NotIn" => !value.is_some_and(is_one_of),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        // The server accepts no other operator; a newer one might match.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn selecting(object: &str, selector: &str) -> Selecting {
        Selecting { object: object.to_owned(), selector: serde_json::from_str(selector).unwrap() }
    }

    #[test]
    fn selectors_match_as_in_kubernetes() {
        let pod = labels(&[("app", "a"), ("tier", "x")]);
        for (selector, expected) in [
            ("{}", true),
            (r#"{"matchLabels": {"app": "a"}}"#, true),
            (r#"{"matchLabels": {"app": "b"}}"#, false),
            (r#"{"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]}"#, true),
            (r#"{"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["a"]}]}"#, false),
            (r#"{"matchExpressions": [{"key": "z", "operator": "NotIn", "values": ["a"]}]}"#, true),
            (r#"{"matchExpressions": [{"key": "tier", "operator": "Exists"}]}"#, true),
            (
                r#"{"matchLabels": {"app": "a"}, "matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}"#,
                false,
            ),
        ] {
            assert_eq!(matches(&serde_json::from_str(selector).unwrap(), &pod), expected, "{selector}");
        }
    }

    #[test]
    fn policies_select_the_probe_and_nothing_else_does() {
        const APP: &str = r#"{"matchLabels": {"app": "agent"}}"#;
        const BOTH: &str = r#"{"matchLabels": {"app": "agent", "release": "r"}}"#;
        let component = labels(&[("app", "agent"), ("release", "r"), ("pod-template-hash", "1")]);
        let own = labels(&[("probe", "1")]);
        let choose = |avoid: &[Selecting], policies: &[Selecting], unread: &[&str]| {
            let unread = unread.iter().map(ToString::to_string).collect();
            choose(
                &component,
                &own,
                &Selectors { avoid: avoid.to_vec(), policies: policies.to_vec(), unread },
            )
        };
        let deployment = || selecting("deployment.apps/agent", BOTH);
        let policy = |selector: &str| selecting("networkpolicy/p", selector);

        // No policy: none of the component's labels.
        assert_eq!(choose(&[deployment()], &[], &[]), Chosen { labels: own.clone(), ..Chosen::default() });
        // The label of the policy, but not those of the controller.
        let chosen = choose(&[deployment()], &[policy(APP)], &[]);
        assert_eq!(chosen.labels, labels(&[("probe", "1"), ("app", "agent")]));
        assert!(chosen.not_covered.is_empty());
        // The policy selects by the labels of a Service.
        let chosen = choose(&[selecting("service/agent", APP)], &[policy(APP), policy(BOTH)], &[]);
        assert_eq!(chosen.labels, own);
        assert_eq!(
            chosen.not_covered,
            ["networkpolicy/p: service/agent selects by the same labels"; 2].map(str::to_owned)
        );
        // Two policies that are fine alone, but not together.
        let release = policy(r#"{"matchLabels": {"release": "r"}}"#);
        let chosen = choose(&[deployment()], &[policy(APP), release], &[]);
        assert_eq!(chosen.labels, labels(&[("probe", "1"), ("app", "agent")]));
        assert_eq!(chosen.not_covered, ["networkpolicy/p: deployment.apps/agent selects by the same labels"]);
        // A policy for all pods needs no label; a budget for all pods cannot be avoided and hides nothing else.
        let chosen = choose(&[selecting("pdb/all", "{}"), deployment()], &[policy("{}"), policy(APP)], &[]);
        assert_eq!(chosen.labels, labels(&[("probe", "1"), ("app", "agent")]));
        assert_eq!((chosen.not_covered.len(), chosen.selected_anyway), (0, vec!["pdb/all".to_owned()]));
        // A policy for other pods.
        let chosen = choose(&[], &[policy(r#"{"matchLabels": {"app": "web"}}"#)], &[]);
        assert_eq!(chosen, Chosen { labels: own.clone(), ..Chosen::default() });
        // Where Services cannot be listed, a label might select the probe for one.
        let chosen = choose(&[], &[policy(APP)], &["services"]);
        assert_eq!(chosen.labels, own);
        assert_eq!(chosen.not_covered, ["networkpolicy/p: cannot list services"]);
    }
}
