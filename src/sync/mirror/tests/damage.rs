//! Images in a destination that lack something that their tag does not reveal.

use super::lab::Lab;
use super::*;

/// Removes a child of an index from a repository below `prefix`; its tag stays. Returns the repository and the child.
fn lose_child(lab: &Lab, prefix: &str) -> (String, Digest) {
    let mut target = lab.target.lock().unwrap();
    let tagged: BTreeSet<_> = target.tags.values().cloned().collect();
    let is_child = |(path, digest): &&(String, Digest)| path.starts_with(prefix) && !tagged.contains(digest);
    let child = target.manifests.keys().find(is_child).unwrap().clone();
    target.manifests.remove(&child);
    child
}

#[tokio::test]
async fn mirrored_images_are_read_on_request_and_repaired_if_damaged() {
    with_lab(World::default(), async |lab| {
        let first = lab.run().await;
        let again = lab.run_with(Detail::Content).await;
        assert_eq!(again.notes, Vec::<String>::new());
        assert!(again.mirrored.is_empty(), "all is there");
        let locked = |run: &Ran| {
            let images = run.verified.locked.images.iter();
            images.map(|image| (image.platforms.clone(), image.size)).collect::<Vec<_>>()
        };
        assert_eq!(locked(&again), locked(&first), "a lock is the same for present and copied images");
        // A child of an index is missing, which the index's tag does not reveal.
        let child = lose_child(lab, "mirror/");
        let repaired = lab.run_with(Detail::Content).await;
        assert!(repaired.notes.len() == 1 && repaired.notes[0].contains(&child.0), "{:?}", repaired.notes);
        assert_eq!(repaired.mirrored.len(), 1);
        assert_eq!(repaired.verified.failures, Vec::new());
        lab.assert_equal();
    })
    .await;
}

#[tokio::test]
async fn a_saved_plan_repairs_a_damaged_image() {
    for world in [ecr_world(), World::default()] {
        with_lab(world, async |lab| {
            lab.run().await;
            let child = lose_child(lab, "mirror/");
            let plan = lab.saved_plan(Detail::Content).await;
            let repairs = plan.images.iter().filter(|image| image.step.to_write().is_some());
            assert_eq!(repairs.map(|image| image.destination.path()).collect::<Vec<_>>(), [&child.0]);

            let run = lab.run_saved(&plan).await;
            assert_eq!(run.mirrored.len(), 1, "{:?}", run.plan.images);
            assert_eq!((run.verified.failures.len(), run.verified.locked.images.len()), (0, 3));
            lab.assert_equal();

            lab.forget_log();
            let again = lab.run_saved(&plan).await;
            assert_eq!((again.mirrored.len(), lab.sent(&["PUT"])), (0, 0), "it is complete");
        })
        .await;
    }
}

#[tokio::test]
async fn a_second_destination_is_repaired_although_the_first_is_complete() {
    with_lab(World::default(), async |lab| {
        lab.run_to_two(Detail::Digest).await;
        let (path, digest) = lose_child(lab, "second/");
        let (_, mirrored) = lab.run_to_two(Detail::Content).await;
        assert_eq!(mirrored.keys().map(Image::path).collect::<Vec<_>>(), [&path]);
        assert!(lab.target.lock().unwrap().manifests.contains_key(&(path, digest)));
    })
    .await;
}
