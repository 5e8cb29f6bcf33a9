//! The same for objects that are not valid.

use serde_json::json;

use super::{Fault, NONE, Row, assert_all};
use crate::harness::{apply, kubectl, own_lab, sync, wait_until_ready};

#[test]
fn malformed_objects_of_cast_ai_need_attention_and_those_of_others_do_not() {
    let lab = own_lab();
    let pod = |namespace: &str| {
        let labels = json!({"helm.sh/chart": "castai-agent-0.161.1"});
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "broken", "namespace": namespace, "labels": labels},
            "spec": {"containers": [{"name": "main", "image": "Not/A:Name"}]}})
    };
    sync(&lab, 0, &[]);
    wait_until_ready(&lab);
    let manifest = lab.folder().home().join("broken.json");
    std::fs::write(&manifest, pod("anywhere").to_string()).unwrap();
    let path = manifest.display();
    let of_file = format!("images -f {path}");
    let sync_file = format!("sync-images --dry-run --no-rewrite --no-discover -f {path}");
    let words: &[&str] = &["incomplete: pod/broken", "container/main"];
    let field = ("/unreadable", "pod/broken");

    apply(&lab, &pod("shop"));
    let named = ("/notes", "pod/broken");
    let good: &[Row<'_>] = &[
        (Fault::Nothing, "images", 0, &[], named),
        (Fault::Nothing, "sync-images --yes", 0, &[], named),
        (Fault::Nothing, "status", 0, &["up to date"], named),
        (Fault::Nothing, "values kustomize", 0, &[], NONE),
    ];
    assert_all(&lab, good);
    apply(&lab, &pod("castai-agent"));
    let bad: &[Row<'_>] = &[
        (Fault::Nothing, "images", 1, words, field),
        (Fault::Nothing, &of_file, 1, &["hint: "], ("/unreadable", "Pod/broken")),
        (Fault::Nothing, &sync_file, 1, &["incomplete: Pod/broken"], NONE),
        (Fault::Nothing, "sync-images --yes", 1, words, field),
        (Fault::Nothing, "status", 1, words, field),
        (Fault::Nothing, "values kustomize", 1, words, NONE),
        (Fault::Nothing, "values patches", 1, words, NONE),
        (Fault::Nothing, "values policy", 1, words, NONE),
    ];
    assert_all(&lab, bad);
    kubectl(&lab, &["delete", "pod", "broken", "-n", "castai-agent", "--wait=true"]);

    // Without its record, a workload cannot be rolled back.
    let annotation = "privatelink.cast.ai/images=not JSON";
    let annotate = ["annotate", "--overwrite", "deployment/castai-agent", "-n", "castai-agent", annotation];
    kubectl(&lab, &annotate);
    let words: &[&str] = &["incomplete: the annotation", "deployment.apps/castai-agent"];
    let rows: &[Row<'_>] =
        &[(Fault::Nothing, "rollback --dry-run", 1, words, ("/unreadable", "deployment.apps/castai-agent"))];
    assert_all(&lab, rows);
}
