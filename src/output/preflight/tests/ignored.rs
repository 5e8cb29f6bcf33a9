//! Problems that the user ignores.

use super::*;

#[test]
fn ignored_problems_stay_visible_and_do_not_count() {
    let ignored = |finding: Finding| Finding { ignored: true, ..finding };
    let public = |name: &str| host("CPL211", name, Judgement::fail("104.16.81.56: public"));
    let mut all = report(vec![
        inside(),
        host("CPL210", "api.cast.ai", Judgement::pass("A: 104.16.81.56")),
        ignored(public("api.cast.ai")),
        ignored(skipped("CPL220", "api.cast.ai", "CPL211")),
    ]);
    assert_eq!(
        plain(&all, false, None),
        "\
RESULT   CODE     CHECK                                      OBSERVED
Pass     CPL110   this machine is inside the cluster's VPC   2 of 2 nodes

HOST          DNS    PRIVATE   TCP   TLS   RESPONSE   NEEDED BY
api.cast.ai   Pass   Ignored   -     -     -          castai-agent +1

Ignored CPL211 api.cast.ai: Fail: 104.16.81.56: public

2 passed, 2 ignored
All checks passed except those ignored: api.cast.ai (CPL211); not checked: pods, endpoint service files
"
    );
    assert!(!all.needs_attention());
    assert!(plain(&all, true, None).contains("\nIgnored   CPL211   api.cast.ai "));

    all.narrowed = true;
    let verdict = "The selected checks passed except those ignored: api.cast.ai (CPL211)";
    assert_eq!(verdict_alone(&all), verdict);

    // Another problem counts as ever.
    all.findings.push(public("grpc.cast.ai"));
    let verdict = "Not ready for PrivateLink: grpc.cast.ai (CPL211); ignored: api.cast.ai (CPL211)";
    assert_eq!(verdict_alone(&all), verdict);
    assert!(all.needs_attention());
}
