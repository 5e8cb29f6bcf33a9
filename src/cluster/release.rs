//! Helm releases as stored in the cluster: manifests, and hooks, whose images appear nowhere else between two runs of
//! Helm.

mod set;
mod storage;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::Deserialize;

use self::set::SetValues;
use self::storage::Storage;
use super::connect::Connection;
use super::error::{Error, ErrorKind};
use crate::parse;

/// Maximum uncompressed size of a release, in bytes. A Secret holds 1 MiB, of which Base64 leaves three quarters, and
/// YAML compresses to about a tenth. Parsing takes up to thirty times as much memory.
const MAX_RELEASE_BYTES: u64 = 16 << 20;

/// Number of releases that are read concurrently.
const CONCURRENCY: usize = 8;

/// One revision of a Helm release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    pub name: ReleaseName,
    pub chart: Chart,
    /// The applied manifest, as YAML documents.
    pub manifest: String,
    /// The hooks, in the release's order.
    pub hooks: Vec<Hook>,
    /// Names of the values that the user has set, as dotted paths. The values themselves may be secret and are never
    /// stored. Null and empty values count as not set.
    pub set: BTreeSet<String>,
}

/// A manifest that Helm runs as a hook instead of keeping it (helm/helm `pkg/release/v1/hook.go`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Hook {
    /// The template that it comes from, as in the `# Source:` comment of other manifests.
    #[serde(default)]
    pub path: String,
    /// YAML documents.
    #[serde(default)]
    pub manifest: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReleaseName {
    pub cluster: String,
    pub namespace: String,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Chart {
    pub name: String,
    pub version: String,
}

/// The object that holds a revision, by its metadata only.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Revision {
    release: (String, String),
    number: u64,
    status: String,
    storage: Storage,
    object: String,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Releases {
    pub releases: Vec<Release>,
    /// What is forbidden or cannot be read, one sentence each.
    pub notes: Vec<String>,
    /// Releases that workloads name and that are not stored in the cluster, by namespace and name: Helm's SQL driver
    /// stores them elsewhere.
    pub not_stored: Vec<(String, String)>,
    /// Whether listing Secrets is forbidden, at least in a namespace, so that releases are missing.
    pub is_forbidden: bool,
    /// Whether listing `ConfigMaps` is forbidden, and a release that a workload names is not in a Secret.
    pub are_maps_forbidden: bool,
    /// Releases that were found, and whose content cannot be read or parsed, one sentence each.
    pub unreadable: Vec<String>,
}

/// Where to search for releases, and which ones to read: other releases are not read, because their values may be
/// secret.
pub struct Search<'a> {
    /// Only this namespace; `None` for all.
    pub namespace: Option<&'a str>,
    /// Namespaces to try one by one if listing all namespaces is forbidden.
    pub likely: BTreeSet<String>,
    /// The releases that workloads name, by namespace and name.
    pub named: BTreeSet<(&'a str, &'a str)>,
    /// Selects a release by namespace and name.
    pub is_wanted: &'a (dyn Fn(&str, &str) -> bool + Sync),
}

/// Lists Helm releases. What is forbidden or cannot be read becomes a note.
///
/// Helm stores a release as gzip in Base64 under `release` in a Secret of type `helm.sh/release.v1`, or in a
/// `ConfigMap` (helm/helm `pkg/storage/driver/secrets.go` and `cfgmaps.go`).
///
/// # Errors
/// The server cannot be reached.
pub async fn list_releases(connection: &Connection, search: Search<'_>) -> Result<Releases, Error> {
    let (secrets, maps) = futures::join!(
        search_revisions(connection, &search, Storage::Secrets),
        search_revisions(connection, &search, Storage::ConfigMaps),
    );
    let ((mut revisions, forbidden), (in_maps, maps_forbidden)) = (secrets?, maps?);
    revisions.extend(in_maps);
    let stored: BTreeSet<_> = revisions.iter().map(|revision| revision.release.clone()).collect();
    let is_here = |namespace: &str| search.namespace.is_none_or(|wanted| wanted == namespace);
    let named = search.named.iter().filter(|(namespace, _)| is_here(namespace));
    let missing = named.map(|(namespace, name)| ((*namespace).to_owned(), (*name).to_owned()));
    let missing: BTreeSet<_> = missing.filter(|release| !stored.contains(release)).collect();
    let mut found = Releases::default();
    let unseen = |kind: &str, Refusal { error, namespaces }: &Refusal| {
        let namespaces = match &namespaces[..] {
            [] | [_] => String::new(),
            namespaces => format!(" in namespaces {}", namespaces.join(", ")),
        };
        format!(
            "cannot list {kind}{namespaces}: {error}; images of Helm releases and their hooks are not found there"
        )
    };
    found.is_forbidden = forbidden.is_some();
    found.notes.extend(forbidden.iter().map(|refusal| unseen("secrets", refusal)));
    if forbidden.is_none() && !missing.is_empty() {
        // Almost no cluster has releases in ConfigMaps: the permission is only missed where one was not found.
        found.are_maps_forbidden = maps_forbidden.is_some();
        found.notes.extend(maps_forbidden.iter().map(|refusal| unseen("configmaps", refusal)));
        if maps_forbidden.is_none() {
            found.not_stored = missing.into_iter().collect();
        }
    }
    let wanted = current(revisions)
        .into_iter()
        .filter(|revision| (search.is_wanted)(&revision.release.0, &revision.release.1));
    let read: Vec<_> = stream::iter(wanted)
        .map(async |revision| {
            let described = described(&revision.release);
            Ok((described, read(connection, revision).await?))
        })
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;
    for (described, release) in read {
        match release {
            Ok(release) => found.releases.push(release),
            Err(note) => {
                found.unreadable.push(format!("{described} cannot be read"));
                found.notes.push(note);
            }
        }
    }
    Ok(found)
}

/// A kind that must not be listed.
struct Refusal {
    error: Error,
    /// Where, if not in the whole cluster.
    namespaces: Vec<String>,
}

/// The revisions in the whole cluster or, if that is forbidden, in the likely namespaces; and what was forbidden.
async fn search_revisions(
    connection: &Connection,
    search: &Search<'_>,
    storage: Storage,
) -> Result<(Vec<Revision>, Option<Refusal>), Error> {
    let refusal = match storage.revisions(connection, search.namespace).await {
        Err(error) if error.kind() == ErrorKind::Forbidden => error,
        done => return Ok((done?, None)),
    };
    if search.namespace.is_some() || search.likely.is_empty() {
        return Ok((Vec::new(), Some(Refusal { error: refusal, namespaces: Vec::new() })));
    }
    let (mut found, mut forbidden) = (Vec::new(), None::<Refusal>);
    for namespace in &search.likely {
        match storage.revisions(connection, Some(namespace)).await {
            Ok(revisions) => found.extend(revisions),
            Err(error) if error.kind() == ErrorKind::Forbidden => {
                // The errors differ in the namespace alone.
                let refusal = forbidden.get_or_insert(Refusal { error, namespaces: Vec::new() });
                refusal.namespaces.push(namespace.clone());
            }
            Err(error) => return Err(error),
        }
    }
    Ok((found, forbidden))
}

fn described((namespace, name): &(String, String)) -> String {
    format!("Helm release {name} in namespace {namespace}")
}

/// The outer error ends the run; the inner one becomes a note.
async fn read(connection: &Connection, revision: Revision) -> Result<Result<Release, String>, Error> {
    let described = described(&revision.release);
    let (namespace, name) = revision.release;
    let content = match revision.storage.content(connection, &namespace, &revision.object).await {
        Ok(content) => content,
        Err(error) if matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::NotFound) => {
            return Ok(Err(format!("{described} cannot be read: {error}; its images are not found")));
        }
        Err(error) => return Err(error),
    };
    let name = ReleaseName { cluster: connection.name.clone(), namespace, name };
    Ok(unpack(name, content.as_deref())
        .map_err(|why| format!("{described} cannot be parsed: {why}; only its running images are found")))
}

/// The relevant revisions of each release: the newest and, if that one failed, also the newest that succeeded, because
/// that one is running.
fn current(revisions: Vec<Revision>) -> Vec<Revision> {
    let mut releases: BTreeMap<_, Vec<Revision>> = BTreeMap::new();
    for revision in revisions {
        releases.entry(revision.release.clone()).or_default().push(revision);
    }
    let counting = |mut revisions: Vec<Revision>| {
        revisions.sort_by_key(|revision| revision.number);
        let running = revisions.iter().rposition(|revision| revision.status == "deployed");
        let last = revisions.len() - 1;
        let counts = move |index: usize, revision: &Revision| {
            Some(index) == running || (index == last && revision.status != "uninstalled")
        };
        revisions.into_iter().enumerate().filter(move |(index, revision)| counts(*index, revision))
    };
    releases.into_values().flat_map(counting).map(|(_, revision)| revision).collect()
}

#[derive(Deserialize)]
struct Content {
    chart: ChartContent,
    #[serde(default)]
    manifest: String,
    #[serde(default)]
    hooks: Option<Vec<Hook>>,
    #[serde(default)]
    config: SetValues,
}

#[derive(Deserialize)]
struct ChartContent {
    metadata: Chart,
}

fn unpack(name: ReleaseName, content: Option<&[u8]>) -> Result<Release, String> {
    let content = content.ok_or("missing `release`")?;
    // The decoder's own error quotes a byte of the text.
    let packed = STANDARD.decode(content).map_err(|_| "invalid Base64")?;
    // Helm 2 and early releases of Helm 3 did not compress.
    let text = if packed.starts_with(&[0x1f, 0x8b]) {
        let mut text = Vec::new();
        let mut unpacked = GzDecoder::new(packed.as_slice()).take(MAX_RELEASE_BYTES);
        unpacked.read_to_end(&mut text).map_err(|error| format!("invalid gzip: {error}"))?;
        if text.len() as u64 == MAX_RELEASE_BYTES {
            return Err(format!("larger than {} MiB", MAX_RELEASE_BYTES >> 20));
        }
        text
    } else {
        packed
    };
    // The error must not quote values, which may be secret.
    let content: Content = parse::json::from_slice(&text).map_err(|error| error.to_string())?;
    Ok(Release {
        name,
        chart: content.chart.metadata,
        manifest: content.manifest,
        hooks: content.hooks.unwrap_or_default(),
        set: content.config.0,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn revision(release: &str, number: u64, status: &str) -> Revision {
        Revision {
            release: ("n".to_owned(), release.to_owned()),
            number,
            status: status.to_owned(),
            storage: Storage::Secrets,
            object: format!("sh.helm.release.v1.{release}.v{number}"),
        }
    }

    #[test]
    fn the_newest_and_the_running_revision_count() {
        let cases = [
            (vec![(1, "superseded"), (2, "deployed")], vec![2]),
            (vec![(10, "deployed"), (9, "superseded"), (2, "superseded")], vec![10]),
            (vec![(1, "deployed"), (2, "failed"), (3, "pending-upgrade")], vec![1, 3]),
            (vec![(1, "pending-install")], vec![1]),
            (vec![(1, "superseded"), (2, "uninstalling")], vec![2]),
            (vec![(1, "superseded"), (2, "uninstalled")], vec![]),
        ];
        for (given, expected) in cases {
            let revisions = given.iter().map(|(number, status)| revision("r", *number, status)).collect();
            let numbers: Vec<u64> = current(revisions).iter().map(|revision| revision.number).collect();
            assert_eq!(numbers, expected, "{given:?}");
        }
        let two = vec![revision("b", 1, "deployed"), revision("a", 3, "deployed")];
        assert_eq!(current(two).len(), 2, "each release counts for itself");
    }

    fn pack(content: &[u8], compress: bool) -> Vec<u8> {
        let packed = if compress {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        } else {
            content.to_vec()
        };
        STANDARD.encode(packed).into_bytes()
    }

    #[test]
    fn a_release_is_unpacked_or_its_error_is_reported() {
        let name =
            || ReleaseName { cluster: "c".to_owned(), namespace: "n".to_owned(), name: "r".to_owned() };
        let content = serde_json::json!({
            "name": "r", "chart": {"metadata": {"name": "castai-evictor", "version": "0.35.143"}, "values": {}},
            "manifest": "kind: A\n", "hooks": [{"name": "h", "kind": "B", "path": "castai-evictor/templates/b.yaml", "manifest": "kind: B\n",
                "events": ["post-install"]}],
            "config": {"apiKey": "secret", "image": {"repository": "e.example/x", "tag": "", "pullPolicy": null}},
        });
        let text = content.to_string().into_bytes();
        for compress in [true, false] {
            let release = unpack(name(), Some(&pack(&text, compress))).unwrap();
            let chart = Chart { name: "castai-evictor".to_owned(), version: "0.35.143".to_owned() };
            assert_eq!((&release.chart, release.manifest.as_str()), (&chart, "kind: A\n"));
            let path = "castai-evictor/templates/b.yaml".to_owned();
            assert_eq!(release.hooks, [Hook { path, manifest: "kind: B\n".to_owned() }]);
            assert_eq!(release.set.iter().collect::<Vec<_>>(), ["apiKey", "image.repository"]);
            assert!(!format!("{release:?}").contains("secret"), "{release:?}");
        }
        // Helm writes null for an empty value.
        let bare =
            br#"{"chart": {"metadata": {"name": "c", "version": "1"}}, "hooks": null, "config": null}"#;
        let bare = unpack(name(), Some(&pack(bare, true))).unwrap();
        assert!(bare.hooks.is_empty() && bare.set.is_empty());
        assert_eq!(unpack(name(), None).unwrap_err(), "missing `release`");
        let faults = [
            (pack(b"{}", true), "missing field `chart`"),
            (pack(&[0x1f, 0x8b, 1, 2], false), "gzip"),
            (b"s3cret!".to_vec(), "invalid Base64"),
            (
                pack(br#"{"chart": {"metadata": {"name": "c", "version": "1"}}, "hooks": "s3cret"}"#, true),
                "line 1",
            ),
            (pack(br#"{"chart": "s3cret", "config": {"apiKey": "s3cret"}}"#, true), "line 1 column 18"),
            (pack(br#"{"chart": {"metadata": ["s3cret", {"s3cret": 1}]}}"#, true), "line 1"),
            (pack(br#"{"config": {"apiKey": "s3cret", "s3cret"}"#, true), "line 1 column 41"),
            (pack(br#"{"config": {"apiKey": "s3cret"#, true), "EOF while parsing a string"),
            (pack(b"config: s3cret", false), "expected value at line 1 column 1"),
            (pack(b"{\"manifest\": \"\xff s3cret\"}", true), "line 1"),
        ];
        for (content, words) in faults {
            let error = unpack(name(), Some(&content)).unwrap_err();
            assert!(error.contains(words) && !error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn over_nested_releases_are_an_error_and_their_names_are_bounded() {
        let name =
            || ReleaseName { cluster: "c".to_owned(), namespace: "n".to_owned(), name: "r".to_owned() };
        let release = |member: &str, value: &str| {
            let text = format!(
                r#"{{"chart": {{"metadata": {{"name": "c", "version": "1"}}}}, "{member}": {value}}}"#
            );
            unpack(name(), Some(&pack(text.as_bytes(), true)))
        };
        for member in ["config", "info", "hooks"] {
            for (open, close) in [("[", "]"), (r#"{"a":"#, "}"), (r#"{"a":["#, "]}")] {
                for text in [open.repeat(100_000) + "1" + &close.repeat(100_000), open.repeat(100_000)] {
                    let error = release(member, &text).unwrap_err();
                    assert!(error.starts_with("nested deeper than 256 levels"), "{error}");
                }
            }
        }
        let nested = |depth| r#"{"a":"#.repeat(depth) + "1" + &"}".repeat(depth);
        let set = release("config", &nested(200)).unwrap().set;
        assert_eq!(set.iter().collect::<Vec<_>>(), [&"a.".repeat(200).trim_end_matches('.')]);

        // A text of one megabyte whose names would take a gigabyte.
        let values: Vec<_> = (0..1_000).map(|index| format!(r#""{index}": 1"#)).collect();
        let config =
            format!(r#"{{"{}": {{{}}}, "b": {{"c": [1]}}}}"#, "x".repeat(1_000_000), values.join(","));
        let set = release("config", &config).unwrap().set;
        assert_eq!(set.into_iter().collect::<Vec<_>>(), ["b.c"]);
    }
}
