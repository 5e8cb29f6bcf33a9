use super::*;

#[test]
fn tables_look_like_kubectls() {
    let rows = [["castai-agent".to_owned(), "2/2".to_owned()], ["a\u{1b}[31m".to_owned(), "0/1".to_owned()]];
    assert_eq!(
        render(["NAME", "READY"], &rows),
        "NAME           READY\ncastai-agent   2/2\na [31m         0/1\n"
    );
}

const IMAGES: [Column; 4] = [
    Column::wrapped("IMAGE", 16),
    Column::whole("DIGEST").yielding(0),
    Column::wrapped("SIZE", 5).yielding(1),
    Column::whole("RESULT"),
];

#[test]
fn narrow_tables_wrap_then_drop_then_stack_columns_and_pipes_get_all() {
    let cells = ["ghcr.io/castai/kvisor-agent:v1", "c979cb3027de", "20.02 MB", "copied"];
    let rows = [cells.map(str::to_owned)];
    let cases = [
        (
            None,
            "IMAGE                            DIGEST         SIZE       RESULT\n\
             ghcr.io/castai/kvisor-agent:v1   c979cb3027de   20.02 MB   copied\n",
        ),
        (
            Some(56),
            "IMAGE               DIGEST         SIZE    RESULT\n\
             ghcr.io/castai/     c979cb3027de   20.02   copied\n  kvisor-agent:v1                    MB\n",
        ),
        (
            Some(36),
            "IMAGE               SIZE    RESULT\n\
             ghcr.io/castai/     20.02   copied\n  kvisor-agent:v1     MB\n\
             not shown at this width: DIGEST (see\n-o yaml)\n",
        ),
        (
            Some(26),
            "IMAGE               RESULT\n\
             ghcr.io/castai/     copied\n  kvisor-agent:v1\n\
             not shown at this width:\nDIGEST, SIZE (see -o yaml)\n",
        ),
        (
            Some(18),
            "ghcr.io/castai/\n  kvisor-agent:v1\n  DIGEST\n  c979cb3027de,\n  SIZE 20.02 MB,\n  RESULT copied\n",
        ),
    ];
    for (width, expected) in cases {
        let text = fitted(IMAGES, &rows, width);
        assert_eq!(text, expected, "{width:?}");
    }
}

const USES: [Column; 4] = [
    Column::wrapped("IMAGE", 24),
    Column::whole("NAMESPACE").shared(),
    Column::wrapped("AS", 12).yielding(1).joined(),
    Column::wrapped("WHY", 12).yielding(0).repeated(),
];

/// Renders [`USES`] for a terminal.
fn uses(rows: &[[&str; 4]], width: Option<usize>) -> String {
    let rows: Vec<_> = rows.iter().map(|row| row.map(str::to_owned)).collect();
    fitted(USES, &rows, width)
}

#[test]
fn terminals_get_repeated_values_once() {
    let rows = [
        ["a:v1", "castai-agent", "container/x", "in Cast AI namespace castai-agent"],
        ["a:v1", "castai-agent", "container/y", "in Cast AI namespace castai-agent"],
        ["b:v1", "castai-agent", "container/x", "in Cast AI namespace castai-agent"],
        ["c:v1", "castai-agent", "container/x", "derived from b:v1"],
    ];
    assert_eq!(
        uses(&rows, Some(100)),
        "namespace: castai-agent\n\
         IMAGE   AS                         WHY\n\
         a:v1    container/x, container/y   in Cast AI namespace castai-agent\n\
         b:v1    container/x                \"\n\
         c:v1    container/x                derived from b:v1\n"
    );
    assert_eq!(
        uses(&rows[..3], Some(100)),
        "namespace: castai-agent\nwhy: in Cast AI namespace castai-agent\n\
         IMAGE   AS\n\
         a:v1    container/x, container/y\n\
         b:v1    container/x\n"
    );
    assert_eq!(
        uses(&rows[2..3], Some(100)),
        "IMAGE   NAMESPACE      AS            WHY\n\
         b:v1    castai-agent   container/x   in Cast AI namespace castai-agent\n"
    );
    assert_eq!(uses(&rows, None).lines().filter(|line| line.contains("castai-agent")).count(), 4);
}

#[test]
fn reasons_and_fields_give_way_before_names_are_wrapped() {
    let rows = [
        ["castai/kvisor-agent:v1.164.8", "castai-agent", "container/kvisor", "part of castai-kvisor"],
        ["castai/hibernate:v0.14", "castai-agent", "container/pauser", "label app=hibernate"],
    ];
    let cases = [
        (
            60,
            "IMAGE                          AS           WHY\n\
             castai/kvisor-agent:v1.164.8   container/   part of\n\
             \x20                                kvisor       castai-\n",
        ),
        (50, "IMAGE                          AS\ncastai/kvisor-agent:v1.164.8   container/kvisor\n"),
        (36, "IMAGE\ncastai/kvisor-agent:v1.164.8\n"),
        (26, "IMAGE\ncastai/\n  kvisor-agent:v1.164.8\n"),
    ];
    for (width, expected) in cases {
        let table = uses(&rows, Some(width));
        let expected = format!("namespace: castai-agent\n{expected}");
        assert!(table.starts_with(&expected), "{width}:\n{table}\nexpected:\n{expected}");
    }
}

#[test]
fn rows_of_one_workload_keep_the_field_that_tells_them_apart() {
    const IMAGES: [Column; 3] = [
        Column::wrapped("WORKLOAD", 16),
        Column::wrapped("FIELD", 12).yielding(0).joined(),
        Column::whole("STATUS"),
    ];
    let rows = [
        ["deployment.apps/a", "container/one", "mirrored"],
        ["deployment.apps/a", "container/two", "missing"],
        ["deployment.apps/b", "container/one", "mirrored"],
    ];
    let rows: Vec<_> = rows.iter().map(|row| row.map(str::to_owned)).collect();
    assert_eq!(
        fitted(IMAGES, &rows, Some(30)),
        "WORKLOAD            STATUS\n\
         deployment.apps/a   mirrored\n  container/one\n\
         deployment.apps/a   missing\n  container/two\n\
         deployment.apps/b   mirrored\n\
         not shown at this width: FIELD\n(see -o yaml)\n"
    );
}

#[test]
fn a_shared_first_column_becomes_headings_before_a_column_is_dropped() {
    const PODS: [Column; 4] = [
        Column::wrapped("NAMESPACE", 12).yielding(1).shared(),
        Column::wrapped("WORKLOAD", 16),
        Column::wrapped("FIELD", 12).yielding(0),
        Column::whole("STATUS"),
    ];
    let rows = [
        ["castai-agent", "deployment.apps/castai-agent", "container/agent", "mirrored"],
        ["castai-agent", "job.batch/hook", "container/x", "mirrored"],
        ["castai-live", "daemonset.apps/live", "container/live", "missing"],
    ];
    let rows: Vec<_> = rows.iter().map(|row| row.map(str::to_owned)).collect();
    let cases = [
        (
            46,
            "WORKLOAD              FIELD         STATUS\n\
             namespace: castai-agent\n\
             deployment.apps/      container/    mirrored\n  castai-agent          agent\n\
             job.batch/hook        container/x   mirrored\n\
             namespace: castai-live\n\
             daemonset.apps/live   container/    missing\n\x20                       live\n",
        ),
        (
            30,
            "WORKLOAD              STATUS\n\
             namespace: castai-agent\n\
             deployment.apps/      mirrored\n  castai-agent\n\
             job.batch/hook        mirrored\n\
             namespace: castai-live\n\
             daemonset.apps/live   missing\n\
             not shown at this width: FIELD\n(see -o yaml)\n",
        ),
        (
            22,
            "namespace:\n  castai-agent\n\
             deployment.apps/\n  castai-agent\n  FIELD\n  container/agent,\n  STATUS mirrored\n\
             job.batch/hook\n  FIELD container/x,\n  STATUS mirrored\n\
             namespace: castai-live\n\
             daemonset.apps/live\n  FIELD\n  container/live,\n  STATUS missing\n",
        ),
    ];
    for (width, expected) in cases {
        let text = fitted(PODS, &rows, Some(width));
        assert_eq!(text, expected, "{width}");
    }
}
