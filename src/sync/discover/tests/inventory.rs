//! Inventories as a whole: several clusters, order, what could not be read.

use super::*;

#[test]
fn clusters_share_the_images_that_both_use() {
    let pod = serde_json::json!({"containers": [container("x", "castai/a:v1")]});
    let clusters = ["east", "west"].map(|cluster| {
        let mut workload = workload(WorkloadKind::Deployment, "castai-agent", &pod);
        workload.name.cluster = cluster.to_owned();
        [workload]
    });
    let found = clusters.each_ref().map(|workloads| Found { workloads, ..Found::default() });
    let inventory = discover(Vec::new(), &found, &ImageFilter::default(), Vec::new(), Timestamp::UNIX_EPOCH);
    let [image] = &inventory.images[..] else { panic!("{inventory:?}") };
    let places: Vec<_> = image.used_by.iter().map(|used_by| &used_by.place).collect();
    assert_eq!(
        places,
        [0, 1].map(|cluster| owners::place_of(&clusters[cluster][0])).iter().collect::<Vec<_>>()
    );
}

#[test]
fn the_inventory_is_sorted_and_lists_what_could_not_be_read() {
    let pod = |image: &str| serde_json::json!({"containers": [container("x", image)]});
    let workloads = [
        workload(WorkloadKind::Pod, "castai-agent", &pod("z:1")),
        workload(WorkloadKind::Deployment, "castai-agent", &pod("a:1")),
        workload(WorkloadKind::DaemonSet, "castai-agent", &pod("a:1")),
        workload(WorkloadKind::CronJob, "castai-agent", &pod("NOT AN IMAGE")),
    ];
    let inventory = discover(
        Vec::new(),
        &[Found { workloads: &workloads, ..Found::default() }],
        &ImageFilter::default(),
        Vec::new(),
        Timestamp::UNIX_EPOCH,
    );
    let names: Vec<_> =
        inventory.images.iter().map(|wanted| (wanted.image.as_written(), wanted.used_by.len())).collect();
    assert_eq!(names, [("a:1", 2), ("z:1", 1)]);
    assert!(
        inventory.unreadable[0]
            .starts_with("cronjob.batch/w in namespace castai-agent: container/x: invalid image"),
        "{:?}",
        inventory.unreadable
    );
    assert!(inventory.is_incomplete() && inventory.notes.is_empty(), "{:?}", inventory.notes);
}
