//! What the pages say is what the sources say.

use std::fs;
use std::path::{Path, PathBuf};

/// What kubelets say, and not we.
const FOREIGN: [&str; 2] = ["ImagePullBackOff", "ErrImagePull"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All sources in one text, with literals that go on in the next line joined.
fn sources() -> String {
    let mut open: Vec<PathBuf> = vec![root().join("src")];
    let mut text = String::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if !path.ends_with("documentation.rs") {
                text += &fs::read_to_string(path).unwrap();
            }
        }
    }
    let mut lines = text.lines();
    let mut joined = String::new();
    while let Some(line) = lines.next() {
        let mut line = line.to_owned();
        while let (true, Some(next)) = (line.ends_with('\\'), lines.clone().next()) {
            line.pop();
            line += next.trim_start();
            lines.next();
        }
        joined += &line.replace("\\\"", "\"");
        joined.push('\n');
    }
    joined
}

/// The quoted texts in the first column of the page's tables.
fn messages(page: &str) -> Vec<String> {
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    rows.filter_map(|row| row.split(" | ").next())
        .flat_map(|column| column.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_message_in_troubleshooting_is_printed_somewhere() {
    let page = fs::read_to_string(root().join("docs/troubleshooting.md")).unwrap();
    let (messages, sources) = (messages(&page), sources());
    assert!(messages.len() > 30, "{messages:#?}");
    let is_said = |fragment: &str| {
        let fragment = fragment.trim_start_matches("error: ");
        sources.contains(fragment) || FOREIGN.contains(&fragment)
    };
    let unsaid: Vec<_> = messages
        .iter()
        .flat_map(|message| message.split('…'))
        .map(str::trim)
        .filter(|fragment| !is_said(fragment))
        .collect();
    assert!(unsaid.is_empty(), "these are printed nowhere: {unsaid:#?}");
}

#[test]
fn every_command_is_in_the_readme() {
    use clap::CommandFactory as _;
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let command = crate::cli::Arguments::command();
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        let line = format!("`kubectl castai-privatelink {}", subcommand.get_name());
        assert!(readme.contains(&line), "{line}` is missing");
    }
}
