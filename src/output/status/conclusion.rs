//! The last line of `status`: what needs attention and what could not be read. It claims no more than was checked.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::inventory::{Place, WorkloadKind};
use crate::output::causes::Causes;
use crate::output::inventory::incompleteness;
use crate::output::sync::mirrors;
use crate::output::table::{count, first_names};
use crate::output::unchecked::{PUBLIC_TAGS, not_read, unchecked};
use crate::output::workloads::place;
use crate::printable::word;
use crate::sync::status::{ImageStatus, NotReady, State, StatusReport, Subject};

/// The conclusion; `None` if no image was found, which is reported as an error.
pub(super) fn conclusion(report: &StatusReport, has_flags: bool) -> Option<String> {
    let findings = [
        to_sync(report, has_flags),
        to_restore(report),
        cannot_pull(report),
        not_ready(report),
        unfinished(report),
        older_digests(report),
        withdrawn(report),
        not_at_source(report),
        other_registries(report),
        not_checked(report, Subject::Registry),
        not_checked(report, Subject::PublicTags),
        incompleteness(&report.unlisted, &report.unreadable),
    ];
    let mut parts: Vec<String> = findings.into_iter().flatten().collect();
    let is_skipped = |subject| report.skipped.contains(&subject);
    let cluster_only = is_skipped(Subject::Registry);
    if parts.is_empty() {
        report.destinations.first()?;
        let seen = match (report.notes.is_empty(), cluster_only) {
            (false, _) => " in the readable part of the cluster",
            (true, true) => " in the cluster",
            (true, false) => "",
        };
        parts.push(format!("up to date{seen}"));
        parts.extend(qualifiers(report));
    }
    parts.extend(unknown_sources(report));
    parts.extend(newer(report));
    if cluster_only {
        parts.push("the registry was not checked (--cluster-only)".to_owned());
    }
    if !report.selected_by.is_empty() {
        parts.push(format!("the rest of the cluster was not checked ({})", report.selected_by.join(", ")));
    }
    Some(parts.join("; ") + &not_read(&report.not_read))
}

/// The problems that `sync-images` fixes.
fn to_sync(report: &StatusReport, has_flags: bool) -> Option<String> {
    let of = |is: fn(&State) -> bool| number(report, is);
    let flags = if has_flags { " with the same flags" } else { "" };
    let counts = [
        (of(|state| matches!(state, State::Reverted(_))), "reverted"),
        (of(|state| matches!(state, State::Upgraded(_))), "upgraded"),
        (of(|state| *state == State::NotRewritten), "not rewritten"),
        (of(|state| *state == State::Missing), "missing in the registry"),
        (archived(report, true).count(), "archived in the registry"),
        (of(|state| matches!(state, State::Behind(_))), "behind the public tag"),
        (of(|state| matches!(state, State::InvalidName(_))), "without a valid name in the registry"),
        (
            report.images.iter().filter(|image| image.is_to_be_relinquished()).count(),
            "with field ownership to relinquish",
        ),
    ];
    let parts: Vec<_> = counts.iter().filter(|(number, _)| *number > 0).collect();
    if parts.is_empty() {
        return None;
    }
    if let Some(unused) = nothing_mirrored(report) {
        return Some(format!("{unused}: run kubectl castai-privatelink sync-images{flags}"));
    }
    let parts = parts.iter().map(|(number, what)| format!("{number} {what}")).collect::<Vec<_>>().join(", ");
    Some(format!("{parts}: run kubectl castai-privatelink sync-images{flags}"))
}

/// The registry before the first run: it has no image, and no workload uses it. `None` later.
fn nothing_mirrored(report: &StatusReport) -> Option<String> {
    // A workload that names the registry already would not find the image.
    let is_new = |image: &&ImageStatus| {
        image.restore_command.is_none()
            && (matches!(image.state, State::NotRewritten | State::NotRewritable(_))
                || (image.state == State::Missing && image.destination.is_some()))
    };
    let wanted = report.images.iter().filter(|image| image.mirrored.is_some());
    let (new, other): (Vec<_>, Vec<_>) = wanted.partition(is_new);
    let is_empty = new.iter().all(|image| image.mirrored == Some(false)) && other.is_empty();
    let is_known =
        report.images.iter().all(|image| image.mirrored.is_some() || !image.state.needs_attention());
    let images: BTreeSet<_> = new.iter().map(|image| name(image)).collect();
    (is_empty && is_known && !images.is_empty()).then(|| match images.len() {
        1 => "1 image is not mirrored yet, and not used from the registry".to_owned(),
        number => format!("{number} images are not mirrored yet, and not used from the registry"),
    })
}

/// The places of archived images that sync-images copies again, which restores them, or cannot copy.
fn archived(report: &StatusReport, is_copied: bool) -> impl Iterator<Item = &ImageStatus> {
    let archived = report.images.iter().filter(|image| image.state == State::Archived);
    archived.filter(move |image| image.source.is_some() == is_copied)
}

/// Archived images of unknown source, which sync-images cannot copy.
fn to_restore(report: &StatusReport) -> Option<String> {
    let images: BTreeSet<_> = archived(report, false).map(name).collect();
    let archived = match images.len() {
        0 => return None,
        1 => "1 image of unknown source is archived in the registry".to_owned(),
        number => format!("{number} images of unknown source are archived in the registry"),
    };
    Some(format!("{archived}: restore with the hint above"))
}

/// How to restore them, one command each.
pub(super) fn restore_hint(report: &StatusReport) -> Vec<String> {
    let commands: BTreeSet<_> =
        archived(report, false).filter_map(|image| image.restore_command.as_deref()).collect();
    let hint = (!commands.is_empty()).then(|| "hint: restore archived images:".to_owned());
    hint.into_iter().chain(commands.iter().map(|command| format!("  {command}"))).collect()
}

/// The number of places with an image in such a state.
fn number(report: &StatusReport, is: impl Fn(&State) -> bool) -> usize {
    report.images.iter().filter(|image| is(&image.state)).count()
}

/// The distinct images in such a state.
fn images(report: &StatusReport, is: impl Fn(&State) -> bool) -> BTreeSet<&str> {
    let found = report.images.iter().filter(|image| is(&image.state));
    found.map(name).collect()
}

/// The image's name in the registry, so that it counts once wherever it is pulled from.
fn name(image: &ImageStatus) -> &str {
    image.destination.as_ref().unwrap_or(&image.image).as_written()
}

fn cannot_pull(report: &StatusReport) -> Option<String> {
    let (mut pods, mut workloads) = (BTreeSet::new(), BTreeMap::new());
    for failure in &report.pull_failures {
        let (namespace, name) = place(&failure.place);
        pods.extend(failure.pods.iter().map(|pod| (namespace.clone(), pod)));
        workloads.entry((namespace, name)).or_insert(&failure.reason);
    }
    let named = first_names(workloads.iter().map(|((_, name), reason)| format!("{name} ({reason})")));
    let verb = match pods.len() {
        0 => return None,
        1 => "cannot pull its image",
        _ => "cannot pull their images",
    };
    let next = if to_sync(report, false).is_some() { String::new() } else { pull_fix(report) };
    Some(format!("{} {verb}: {named}{next}", count(pods.len(), "pod")))
}

/// What to do about the first pod that cannot pull, if sync-images does not fix it.
fn pull_fix(report: &StatusReport) -> String {
    let Some(first) = report.pull_failures.first() else { return String::new() };
    let (namespace, _) = place(&first.place);
    let namespace = word(&namespace, "NAMESPACE");
    let is_job = matches!(&first.place, Place::Workload(name) if name.kind == WorkloadKind::Job);
    match first.pods.first() {
        _ if is_job => ": delete and recreate it with the private image".to_owned(),
        Some(pod) if first.outdated => {
            format!(": run kubectl delete pod -n {namespace} {}", word(pod, "POD"))
        }
        Some(pod) => format!(": run kubectl describe pod -n {namespace} {}", word(pod, "POD")),
        None => String::new(),
    }
}

fn not_ready(report: &StatusReport) -> Option<String> {
    let all: Vec<_> = report.not_ready.iter().filter(|one| !one.is_unfinished()).collect();
    let named = first_names(all.iter().map(|one| format!("{} ({})", one.workload, one.reason)));
    let workloads = match all.len() {
        1 => "1 workload is not ready".to_owned(),
        number => format!("{number} workloads are not ready"),
    };
    Some(format!("{workloads}: {named}: {}", to_describe(all.first()?)))
}

/// Workloads whose former pods still run.
fn unfinished(report: &StatusReport) -> Option<String> {
    let all: Vec<_> = report.not_ready.iter().filter(|one| one.is_unfinished()).collect();
    let named = first_names(all.iter().map(|one| one.workload.to_string()));
    let rollouts = match all.len() {
        1 => "1 rollout is not finished".to_owned(),
        number => format!("{number} rollouts are not finished"),
    };
    Some(format!("{rollouts}: {named}: {}", to_describe(all.first()?)))
}

/// The command that shows why a workload does not run.
fn to_describe(first: &NotReady) -> String {
    let namespace = word(&first.workload.namespace, "NAMESPACE");
    let object = match first.pods.first() {
        Some(pod) => format!("pod -n {namespace} {}", word(pod, "POD")),
        None => format!(
            "-n {namespace} {}/{}",
            first.workload.kind.resource(),
            word(&first.workload.name, "NAME")
        ),
    };
    format!("run kubectl describe {object}")
}

/// Pods run what their tag named when they were started.
fn older_digests(report: &StatusReport) -> Option<String> {
    let places: BTreeSet<_> = report.older_digests.iter().map(|older| place(&older.place)).collect();
    let pods: BTreeSet<_> = report
        .older_digests
        .iter()
        .flat_map(|older| older.pods.iter().map(|pod| (place(&older.place).0, pod)))
        .collect();
    let named = first_names(places.iter().map(|(_, name)| name.clone()));
    let verb = match pods.len() {
        0 => return None,
        1 => "runs",
        _ => "run",
    };
    let pods = count(pods.len(), "pod");
    Some(format!("{pods} of {named} {verb} an older digest of the image's tag: see the hint above"))
}

fn withdrawn(report: &StatusReport) -> Option<String> {
    match images(report, |state| matches!(state, State::TagRemoved(_))).len() {
        0 => None,
        1 => Some("the public tag of 1 image was removed".to_owned()),
        number => Some(format!("the public tags of {number} images were removed")),
    }
}

/// Images that sync-images cannot copy.
fn not_at_source(report: &StatusReport) -> Option<String> {
    let missing = report.images.iter().filter(|image| image.not_at_source).map(name);
    match missing.collect::<BTreeSet<_>>().len() {
        0 => None,
        1 => Some("1 image has a tag that its source does not have: use another version".to_owned()),
        number => {
            Some(format!("{number} images have tags that their sources do not have: use other versions"))
        }
    }
}

fn other_registries(report: &StatusReport) -> Option<String> {
    let mut registries: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for image in &report.images {
        if let State::OtherRegistry(registry) = &image.state {
            registries.entry(registry).or_default().insert(name(image));
        }
    }
    let parts = registries.iter().map(|(registry, images)| {
        let images = count(images.len(), "image");
        format!("{images} in {registry} (check with --registry {registry})")
    });
    let parts: Vec<_> = parts.collect();
    (!parts.is_empty()).then(|| format!("not checked: {}", parts.join(", ")))
}

/// The number of images whose state is unknown, and the most frequent cause.
fn not_checked(report: &StatusReport, subject: Subject) -> Option<String> {
    let causes = causes(report, subject);
    let (what, place) = match (subject, &report.destinations[..]) {
        (Subject::Registry, []) => ("not checked:", String::new()),
        (Subject::Registry, destinations) => ("not checked:", format!(" in {}", mirrors(destinations))),
        (Subject::PublicTags, _) => (PUBLIC_TAGS, String::new()),
    };
    unchecked(what, &place, &causes)
}

/// The images of which a subject could not be read, by cause.
fn causes(report: &StatusReport, subject: Subject) -> Causes<'_, &str> {
    let mut causes = Causes::new();
    for image in &report.images {
        for not_checked in image.not_checked.iter().filter(|not_checked| not_checked.subject == subject) {
            let names = [Some(&image.image), image.source.as_ref(), image.destination.as_ref()];
            causes.add(&not_checked.cause, names.into_iter().flatten(), name(image));
        }
    }
    causes
}

/// The causes for a table whose rows do not have them, with their images. A single cause is in the verdict.
pub(super) fn not_checked_notes(report: &StatusReport) -> Vec<String> {
    let mut notes = Vec::new();
    for (subject, what) in
        [(Subject::Registry, "cannot read the registry"), (Subject::PublicTags, "cannot read the public tag")]
    {
        let causes = causes(report, subject);
        for cause in causes.all().iter().filter(|_| causes.all().len() > 1) {
            let images = cause.items.iter().copied().collect::<Vec<_>>().join(", ");
            notes.push(format!("note: {what} of {images}: {}", cause.message));
        }
    }
    notes
}

/// Images that cannot be compared, even with `--upstream`, which reports them as not checked.
fn unknown_sources(report: &StatusReport) -> Option<String> {
    let is_unread =
        |image: &&ImageStatus| image.not_checked.iter().any(|one| one.subject == Subject::PublicTags);
    let unknown = report.images.iter().filter(|image| matches!(image.state, State::SourceUnknown(_)));
    let unknown: BTreeSet<_> = unknown.filter(|image| !is_unread(image)).map(name).collect();
    let images = count(unknown.len(), "image");
    (!unknown.is_empty()).then(|| format!("{images} of unknown source (set it with --map)"))
}

/// Images with newer versions at their source: this is news, and nothing to fix.
fn newer(report: &StatusReport) -> Option<String> {
    let images: BTreeSet<_> = report.images.iter().filter(|image| image.newer.is_some()).map(name).collect();
    match images.len() {
        0 => None,
        1 => Some("1 image has newer versions at its source".to_owned()),
        number => Some(format!("{number} images have newer versions at their sources")),
    }
}

/// What "up to date" does not cover.
fn qualifiers(report: &StatusReport) -> Vec<String> {
    let mut parts = Vec::new();
    let is_skipped = |subject| report.skipped.contains(&subject);
    if is_skipped(Subject::PublicTags) && !is_skipped(Subject::Registry) {
        parts.push("public tags not checked (use --upstream)".to_owned());
    }
    let skipped_images = images(report, |state| matches!(state, State::Skipped(_)));
    if !skipped_images.is_empty() {
        let images = count(skipped_images.len(), "image");
        parts.push(format!("{images} skipped, in registries that are not checked"));
    }
    parts
}

#[cfg(test)]
mod tests;
