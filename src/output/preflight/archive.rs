//! The report as an archive: the document, the text and the page, and a file for each finding.

use std::io;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use tar::{Builder, Header};

use super::{html, text};
use crate::preflight::report::Report;
use crate::printable::is_plain;

/// The folder in the archive that contains everything, so that unpacking it leaves no loose files.
const FOLDER: &str = "preflight-report";

/// Maximum length of a subject in a file name: names in the archive are limited to 100 bytes.
const NAME_LIMIT: usize = 48;

/// The archive, a gzipped tar file. The same report always gives the same bytes.
///
/// # Errors
/// The document cannot be written as JSON.
pub(super) fn bytes(report: &Report, is_redacted: bool) -> io::Result<Vec<u8>> {
    let mut archive = Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    let modified = u64::try_from(report.created.as_second()).unwrap_or_default();
    let mut add = |name: &str, content: &[u8]| {
        let mut header = Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(modified);
        archive.append_data(&mut header, format!("{FOLDER}/{name}"), content)
    };
    let document = serde_json::to_value(report.document()).map_err(io::Error::other)?;
    let json = |value: &Value| serde_json::to_vec_pretty(value).map_err(io::Error::other);
    add("report.json", &json(&document)?)?;
    let plain = anstream::adapter::strip_str(&text(report, false, None)).to_string();
    add("report.txt", plain.as_bytes())?;
    add("report.html", html::page(report, is_redacted).as_bytes())?;
    for (index, finding) in document["findings"].as_array().into_iter().flatten().enumerate() {
        add(&file_name(index + 1, finding), &json(finding)?)?;
    }
    archive.into_inner()?.finish()
}

/// `evidence/017-CPL211-api.cast.ai.json`: a path below the folder, whatever the subject is called.
fn file_name(number: usize, finding: &Value) -> String {
    let subject = finding["subject"]["name"].as_str().unwrap_or_default();
    let plain = |character: char| if is_plain(&format!("a{character}")) { character } else { '-' };
    let subject: String = subject.chars().take(NAME_LIMIT).map(plain).collect();
    format!("evidence/{number:03}-{}-{subject}.json", finding["code"].as_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use tar::Archive;

    use super::*;
    use crate::preflight::checks;
    use crate::preflight::finding::Finding;
    use crate::preflight::judgement::Judgement;
    use crate::preflight::subject::{Subject, SubjectKind, VantagePoint};

    #[test]
    fn the_archive_has_all_forms_and_a_file_for_each_finding() {
        let check = checks::find("CPL210").unwrap();
        let find = |name: &str| {
            let subject = Subject::new(SubjectKind::Host, name);
            Finding::new(check, check.severity, subject, VantagePoint::Here, Judgement::fail("NXDOMAIN"))
        };
        let long = "x/".repeat(200);
        let report = Report::new(
            None,
            None,
            vec![find("api.cast.ai"), find("../../etc/passwd"), find("é\u{0}b"), find(&long)],
        );
        let bytes = bytes(&report, true).unwrap();
        assert_eq!(bytes, super::bytes(&report, true).unwrap());
        let mut files = BTreeMap::new();
        for entry in Archive::new(GzDecoder::new(bytes.as_slice())).entries().unwrap() {
            let mut entry = entry.unwrap();
            assert_eq!(entry.header().mode().unwrap(), 0o600);
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            files.insert(entry.path().unwrap().display().to_string(), text);
        }
        let names: Vec<_> = files.keys().map(String::as_str).collect();
        let last = format!("preflight-report/evidence/004-CPL210-{}.json", "x-".repeat(24));
        assert_eq!(
            names,
            [
                "preflight-report/evidence/001-CPL210-api.cast.ai.json",
                "preflight-report/evidence/002-CPL210-..-..-etc-passwd.json",
                "preflight-report/evidence/003-CPL210---b.json",
                &last,
                "preflight-report/report.html",
                "preflight-report/report.json",
                "preflight-report/report.txt",
            ]
        );
        let document: Value = serde_json::from_str(&files["preflight-report/report.json"]).unwrap();
        let first: Value = serde_json::from_str(&files[names[0]]).unwrap();
        assert_eq!(document["findings"][0], first);
        assert!(files["preflight-report/report.txt"].contains("Fail CPL210"));
        assert!(!files["preflight-report/report.txt"].contains('\u{1b}'));
        assert!(files["preflight-report/report.html"].starts_with("<!DOCTYPE html>"));
    }
}
