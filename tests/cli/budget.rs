//! The requests of a run: every request at the front servers belongs to a term, and the expected number of each term is
//! calculated from the content of the lab's registries, not from the plugin's output.

use std::collections::{BTreeMap, BTreeSet};

use lab::address;
use lab::host::Lab;
use lab::registry::ecr::state::{Repository, State};
use lab::registry::fixture;
use lab::registry::image::{Form, Recipe};
use lab::registry::traffic::Record;
use lab::settings::{Fixture, Settings};
use serde_json::{Value, json};

use crate::harness::{PATH, clear_traffic, ecr_state, publish, set_tag, sync, traffic, write_file};

/// Images that the cluster does not have: one without an index, and a second tag of an existing image.
const EXTRA: &str = "ghcr.io/castai/kvisor/kvisor-single:v1";
const FIRST_TAG: &str = "ghcr.io/castai/kvisor/kvisor-agent:v1.164.8";
const SECOND_TAG: &str = "ghcr.io/castai/kvisor/kvisor-agent:v1.164.9";
/// Nodes pull from ECR too, so nothing is rewritten while requests are counted.
const RUN: &[&str] = &["--no-rewrite", "-f", "more.yaml"];

#[test]
fn a_run_without_mounting_sends_the_expected_requests() {
    let lab = &start(&Settings::default());
    let first = wanted(lab, &recipe(4));
    cost_of(lab, "into an empty registry", &first, false);

    // Up to date: up to date.
    cost_of(lab, "up to date", &first, false);

    // One tag moves: its own layers are new, the base layers exist already.
    let moved = wanted(lab, &Recipe { revision: 1, ..recipe(4) });
    assert_ne!(moved, first);
    cost_of(lab, "one tag moved", &moved, false);
}

#[test]
fn a_run_with_mounting_uploads_each_blob_only_once() {
    let lab = &start(&Settings::default());
    lab.control().put("/ecr/settings", &json!({"blob_mounting": true})).unwrap();
    cost_of(lab, "into an empty registry", &wanted(lab, &recipe(4)), true);
}

/// The terms of a registry other than ECR. It mounts blobs without a setting.
#[test]
fn a_run_to_another_registry_sends_the_expected_requests() {
    let lab = &start(&Settings::default());
    // The lab can read the content of images only from ECR.
    let before = mirror(lab);
    sync(lab, 0, RUN);
    let need = Need::of(&wanted(lab, &recipe(4)), &before, &mirror(lab));
    let registry = [RUN, &["--registry", address::OCI_REGISTRY.0]].concat();

    clear_traffic(lab);
    sync(lab, 0, &registry);
    let pairs = need.pairs.len();
    let (uploads, mounts) = (need.blobs.len(), pairs - need.blobs.len());
    let seen = traffic(lab, "oci");
    let mut terms = vec![
        Term::new("a HEAD per tag", need.tags, |record| is(record, "HEAD", "/manifests/")),
        // A HEAD response alone does not prove that a tag is absent, so another request follows before it is written.
        Term::new("a GET per tag that is absent", need.tags, |record| is(record, "GET", "/manifests/")),
        // A HEAD response does not distinguish a missing repository from one in which a killed run left blobs. Uploading
        // those again would cost more, so each blob is looked up in every repository.
        Term::new("a HEAD per repository and blob", pairs, |record| is(record, "HEAD", "/blobs/")),
        Term::new("a POST per mounted blob", mounts, |record| is(record, "POST", "?mount=")),
        Term::new("a POST per uploaded blob", uploads, |record| {
            is(record, "POST", "/blobs/uploads/") && !record.path.contains("?mount=")
        }),
        Term::new("a PUT per uploaded blob", uploads, |record| is(record, "PUT", "/blobs/uploads/")),
        // The digests in the responses are the proof, so there are no further requests.
        Term::new("a PUT per manifest", need.puts, |record| is(record, "PUT", "/manifests/")),
    ];
    check("into another registry: destination", &terms, &seen);
    assert_eq!(received(&seen, "/blobs/uploads/"), need.blobs.values().sum::<u64>());
    check("into another registry: source", &source_terms(&need), &traffic(lab, "source"));

    clear_traffic(lab);
    sync(lab, 0, &registry);
    terms.truncate(1);
    check("another registry, up to date: destination", &terms, &traffic(lab, "oci"));
    check("another registry, up to date: source", &up_to_date(&need), &traffic(lab, "source"));
}

/// The content that a run had to transfer between the state `before` and the current state of the lab's ECR.
#[derive(Debug)]
struct Need {
    /// Hosts and repositories of the wanted images' sources, as registries name them.
    hosts: BTreeSet<&'static str>,
    repositories: BTreeSet<String>,
    /// R: number of wanted repositories; C: those created in the destination; and those written to.
    created: usize,
    written: BTreeSet<String>,
    /// T.
    tags: usize,
    /// M: children and tags. A tag is read and written even if another tag has the same manifest.
    puts: usize,
    put_bytes: u64,
    /// Tags whose digest had to be looked up because the tag existed with another digest.
    existing_tags: usize,
    /// P, with the size of each; and U.
    pairs: BTreeMap<(String, String), u64>,
    blobs: BTreeMap<String, u64>,
    /// Batches of up to a hundred blobs in repositories that existed before.
    batches: usize,
}

impl Need {
    /// `before` and `now` are states of the mirror. Asserts that exactly the wanted images were added between them.
    #[track_caller]
    fn of(wanted: &Tags, before: &State, now: &State) -> Self {
        assert_eq!(digests_by_tag(now), *wanted, "ECR has the content of the sources");
        let repositories: BTreeSet<String> =
            wanted.keys().map(|(repository, _)| repository.clone()).collect();
        let none = Repository::default();
        let mut need = Self {
            hosts: repositories.iter().map(|repository| source_host(repository)).collect(),
            created: 0,
            written: BTreeSet::new(),
            tags: wanted.len(),
            puts: 0,
            put_bytes: 0,
            existing_tags: 0,
            pairs: BTreeMap::new(),
            blobs: BTreeMap::new(),
            batches: 0,
            repositories,
        };
        for repository in &need.repositories {
            let (was, is) = (before.repositories.get(repository), &now.repositories[repository]);
            need.created += usize::from(was.is_none());
            let is_old = was.is_some();
            let was = was.unwrap_or(&none);
            let new_blobs: BTreeMap<_, _> =
                is.layers.iter().filter(|(digest, _)| !was.layers.contains_key(*digest)).collect();
            let fresh: Vec<_> =
                is.images.iter().filter(|(digest, _)| !was.images.contains_key(*digest)).collect();
            let mut asked = BTreeSet::new();
            for (_, image) in &fresh {
                asked.extend(&image.blobs);
            }
            if is_old {
                need.batches += asked.len().div_ceil(100);
            }
            let tags: Vec<_> =
                is.tags.iter().filter(|(tag, digest)| was.tags.get(*tag) != Some(digest)).collect();
            let roots: BTreeSet<_> = tags.iter().map(|(_, digest)| *digest).collect();
            let children = fresh.iter().filter(|(digest, _)| !roots.contains(*digest));
            let sizes: Vec<u64> = children
                .map(|(_, image)| image.manifest_size)
                .chain(tags.iter().map(|(_, digest)| is.images[*digest].manifest_size))
                .collect();
            need.puts += sizes.len();
            need.put_bytes += sizes.iter().sum::<u64>();
            if !sizes.is_empty() {
                need.written.insert(repository.clone());
            }
            for (digest, size) in new_blobs {
                need.pairs.insert((repository.clone(), digest.clone()), *size);
                need.blobs.insert(digest.clone(), *size);
            }
        }
        need.existing_tags = wanted
            .keys()
            .filter(|(repository, tag)| {
                before.repositories.get(repository).is_some_and(|was| was.tags.contains_key(tag))
            })
            .count();
        need
    }
}

/// The purpose of requests, the expected number, and the requests that were sent.
struct Term {
    name: &'static str,
    number: usize,
    is_its: Box<dyn Fn(&Record) -> bool>,
}

impl Term {
    fn new(name: &'static str, number: usize, is_its: impl Fn(&Record) -> bool + 'static) -> Self {
        Self { name, number, is_its: Box::new(is_its) }
    }
}

/// Runs once, and asserts requests and bytes on both sides.
#[track_caller]
fn cost_of(lab: &Lab, situation: &str, wanted: &Tags, mounting: bool) {
    let before = mirror(lab);
    clear_traffic(lab);
    lab.control().delete("/aws/requests").unwrap();
    sync(lab, 0, RUN);
    let (seen, read) = (traffic(lab, "ecr"), traffic(lab, "source"));
    let identity: Vec<Value> = lab.control().get("/aws/requests").unwrap();
    let need = Need::of(wanted, &before, &mirror(lab));

    let shared = need.pairs.len() > need.blobs.len();
    let uploads = if mounting { &need.blobs.len() } else { &need.pairs.len() };
    let mounts = need.pairs.len() - uploads;
    let called = |action: &'static str| {
        move |record: &Record| {
            record.host == address::ECR_API.0 && record.operation.as_deref() == Some(action)
        }
    };
    let terms = [
        Term::new("a token", usize::from(need.puts > 0), called("GetAuthorizationToken")),
        Term::new(
            "a listing per repository, and one of what was written, to verify it",
            need.repositories.len() + need.written.len(),
            called("ListImages"),
        ),
        Term::new(
            "the creation templates, if a repository is missing",
            usize::from(need.created > 0),
            called("DescribeRepositoryCreationTemplates"),
        ),
        Term::new("a creation per missing repository", need.created, called("CreateRepository")),
        Term::new(
            "a check per hundred blobs where a repository is there",
            need.batches,
            called("BatchCheckLayerAvailability"),
        ),
        // Only ECR knows whether the account mounts blobs: then one upload in all is enough, else one per repository.
        Term::new(
            "the account's setting where blobs are shared",
            usize::from(shared),
            called("GetAccountSetting"),
        ),
        Term::new("a POST per mounted blob", mounts, |record| is(record, "POST", "?mount=")),
        Term::new("a POST per uploaded blob", *uploads, |record| {
            is(record, "POST", "/blobs/uploads/") && !record.path.contains("?mount=")
        }),
        Term::new("a PUT per uploaded blob", *uploads, |record| is(record, "PUT", "/blobs/uploads/")),
        Term::new("a PUT per manifest", need.puts, |record| is(record, "PUT", "/manifests/")),
    ];
    check(&format!("{situation}: destination"), &terms, &seen);
    let moved: u64 = if mounting { need.blobs.values().sum() } else { need.pairs.values().sum() };
    assert_eq!(received(&seen, "/blobs/uploads/"), moved, "{situation}: bytes of blobs uploaded");
    assert_eq!(received(&seen, "/manifests/"), need.put_bytes, "{situation}: bytes of manifests written");

    let terms = if need.puts == 0 { up_to_date(&need) } else { source_terms(&need) };
    check(&format!("{situation}: source"), &terms, &read);
    let sent = |kind: fn(&Record) -> bool| {
        read.iter()
            .filter(|record| record.status == 200 && kind(record))
            .map(|record| record.sent)
            .sum::<u64>()
    };
    assert_eq!(sent(is_of_blob_host), need.blobs.values().sum::<u64>(), "{situation}: bytes of blobs read");
    let manifests = sent(|record| is(record, "GET", "/manifests/"));
    assert_eq!(manifests, need.put_bytes, "{situation}: bytes of manifests read");
    // The account of the destination ECR is the caller's, which only STS knows.
    assert_eq!(identity.len(), 1, "{situation}: calls of STS and EC2: {identity:?}");
    assert_eq!(identity[0]["action"], "GetCallerIdentity");
}

fn source_terms(need: &Need) -> Vec<Term> {
    // Tags that existed with another digest are looked up first.
    let mut terms = up_to_date(need);
    terms[2].number = need.existing_tags;
    terms.push(Term::new("a GET per manifest", need.puts, |record| {
        is(record, "GET", "/manifests/") && record.status != 401
    }));
    terms.push(Term::new("a GET per blob", need.blobs.len(), |record| {
        is(record, "GET", "/blobs/") && !is_of_blob_host(record)
    }));
    terms.push(Term::new("a redirect per blob", need.blobs.len(), is_of_blob_host));
    terms
}

fn up_to_date(need: &Need) -> Vec<Term> {
    vec![
        Term::new("a token per repository", need.repositories.len(), |record| record.path.contains("token?")),
        // The first response of a registry names its token service.
        Term::new("a refusal per registry", need.hosts.len(), |record| record.status == 401),
        Term::new("a HEAD per tag whose digest is not known", need.tags, |record| {
            is(record, "HEAD", "/manifests/") && record.status != 401
        }),
    ]
}

/// Asserts that every request belongs to a term, and that each term has its expected number.
#[track_caller]
fn check(situation: &str, terms: &[Term], seen: &[Record]) {
    let mut by_term: Vec<Vec<&Record>> = terms.iter().map(|_| Vec::new()).collect();
    let mut others = Vec::new();
    for record in seen {
        match terms.iter().position(|term| (term.is_its)(record)) {
            Some(index) => by_term[index].push(record),
            None => others.push(record),
        }
    }
    assert!(others.is_empty(), "{situation}: requests that belong to no term:\n{}", request_lines(&others));
    for (term, records) in terms.iter().zip(by_term) {
        let (seen, number) = (records.len(), term.number);
        assert!(
            seen == number,
            "{situation}: {}: {seen} requests instead of {number}:\n{}",
            term.name,
            request_lines(&records)
        );
    }
}

/// Requests as lines; those that were sent more than once come first.
fn request_lines(records: &[&Record]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for record in records {
        let operation = record.operation.as_deref().unwrap_or_default();
        let path = record.path.split('?').next().unwrap();
        let line = format!("{} {}{path} {operation} {}", record.method, record.host, record.status);
        *counts.entry(line).or_default() += 1;
    }
    let mut lines: Vec<_> = counts.into_iter().collect();
    lines.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    lines.iter().map(|(line, count)| format!("  {count} × {line}")).collect::<Vec<_>>().join("\n")
}

fn is(record: &Record, method: &str, part: &str) -> bool {
    record.method == method && record.path.contains(part)
}

fn is_of_blob_host(record: &Record) -> bool {
    [address::GAR_BLOBS.0, address::GHCR_BLOBS.0, address::DOCKER_HUB_BLOBS.0].contains(&record.host.as_str())
}

fn received(records: &[Record], part: &str) -> u64 {
    let written = records.iter().filter(|record| is(record, "PUT", part) && record.status == 201);
    written.map(|record| record.received).sum()
}

fn source_host(repository: &str) -> &'static str {
    [address::GAR.0, address::GHCR.0]
        .into_iter()
        .find(|host| repository.starts_with(host))
        .unwrap_or(address::DOCKER_HUB.0)
}

fn recipe(megabytes: usize) -> Recipe {
    Recipe { form: Form::Single, size: megabytes * 1_000_000, ..Recipe::default() }
}

/// A lab with additional images that its cluster does not use.
fn start(settings: &Settings) -> Lab {
    let lab = Lab::start(settings).unwrap();
    publish(&lab, EXTRA, &recipe(4));
    set_tag(&lab, SECOND_TAG, "v1.164.8");
    let containers: Vec<Value> = [EXTRA, SECOND_TAG]
        .iter()
        .enumerate()
        .map(|(index, image)| json!({"name": format!("c{index}"), "image": image}))
        .collect();
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "more"}, "spec": {"containers": containers}});
    write_file(&lab, "more.yaml", &pod.to_string());
    lab
}

/// Digests by repository and tag.
type Tags = BTreeMap<(String, String), String>;

/// Images that a run has to copy, as the sources publish them: the cluster's images, and those of `more.yaml`. The images
/// in `extra` are published here.
fn wanted(lab: &Lab, extra: &Recipe) -> Tags {
    // An existing image is not created again; its digest is returned.
    let mut images: BTreeMap<String, String> = fixture::sources(Fixture::FirstCluster)
        .iter()
        .map(|image| {
            let name = format!("{}/{}:{}", image.host, image.repository, image.tag);
            let digest = publish(lab, &name, &image.recipe);
            // Docker Hub's images are written without a host.
            (name.trim_start_matches("docker.io/").to_owned(), digest)
        })
        .collect();
    images.insert(EXTRA.to_owned(), publish(lab, EXTRA, extra));
    images.insert(SECOND_TAG.to_owned(), images[FIRST_TAG].clone());
    let parts = |image: &str| image.rsplit_once(':').map(|(name, tag)| (name.to_owned(), tag.to_owned()));
    images.into_iter().map(|(image, digest)| (parts(&image).unwrap(), digest)).collect()
}

/// The content of ECR below the mirror's path, by public name. All other content is older than any run.
#[track_caller]
fn mirror(lab: &Lab) -> State {
    let mut state = ecr_state(lab);
    let below = |name: &str| Some(name.strip_prefix(PATH)?.strip_prefix('/')?.to_owned());
    let is_of_others = |name: &str| ["shop/", "platform/"].iter().any(|own| name.starts_with(own));
    let stray = state.repositories.keys().find(|name| below(name).is_none() && !is_of_others(name));
    assert_eq!(stray, None, "a repository outside of the mirror's path");
    let repositories = std::mem::take(&mut state.repositories).into_iter();
    state.repositories =
        repositories.filter_map(|(name, existing)| Some((below(&name)?, existing))).collect();
    state
}

fn digests_by_tag(state: &State) -> Tags {
    state
        .repositories
        .iter()
        .flat_map(|(name, existing)| {
            existing.tags.iter().map(move |(tag, digest)| ((name.clone(), tag.clone()), digest.clone()))
        })
        .collect()
}
