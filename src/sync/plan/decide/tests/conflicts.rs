//! Several sources for one name in the destination.

use super::*;

#[test]
fn the_more_trusted_of_two_sources_gets_the_name() {
    use Provenance::{Given, Known, Unknown};
    let cases = [
        (Known, Unknown, ["copy", "failed"]),
        (Unknown, Known, ["failed", "copy"]),
        (Given, Unknown, ["copy", "failed"]),
        (Known, Known, ["failed", "failed"]),
        (Unknown, Unknown, ["failed", "failed"]),
    ];
    for (one, other, expected) in cases {
        let facts = facts(
            &[("xy", None)],
            &[("ghcr.io/a/x:v1", resolved("one", &[])), ("ghcr.io/b/x:v1", resolved("two", &[]))],
        );
        let candidate = |name: &str, provenance| Assignment {
            provenance: Some(provenance),
            ..known(&format!("ghcr.io/{name}/x:v1"), "ECR/xy:v1", &format!("ghcr.io/{name}/x:v1"))
        };
        let plan = planned(vec![candidate("a", one), candidate("b", other)], &facts);
        let outcome_of = |name: &str| {
            let written = image(&format!("ghcr.io/{name}/x:v1"));
            let of = |planned: &&PlannedImage| planned.used_by.iter().any(|used| used.image == written);
            let found: Vec<_> = plan.images.iter().filter(of).collect();
            assert_eq!((found.len(), found[0].used_by.len()), (1, 1));
            match &found[0].step {
                Step::Failed { error } => {
                    let rival = if name == "a" { "ghcr.io/b/x:v1" } else { "ghcr.io/a/x:v1" };
                    assert!(error.contains(rival), "{error}");
                    assert_eq!(found[0].destination, written, "the refused one is named");
                    "failed"
                }
                _ => "copy",
            }
        };
        assert_eq!([outcome_of("a"), outcome_of("b")], expected, "{one:?} {other:?}");
    }
}

#[test]
fn two_spellings_of_one_source_are_one() {
    let source = "docker.io/castai/x:v1";
    let facts = facts(&[("xy", None)], &[(source, resolved("one", &[]))]);
    let both = vec![known(source, "ECR/xy:v1", source), known("castai/x:v1", "ECR/xy:v1", "castai/x:v1")];
    let plan = planned(both, &facts);
    assert_eq!((outcome(&plan).as_str(), plan.images[0].used_by.len()), ("copy", 2));
}
