//! Tests that the messages quoted in docs exist in the sources.

use std::fs;
use std::path::{Path, PathBuf};

/// Messages of kubelets, not of the plugin.
const FOREIGN: [&str; 2] = ["ImagePullBackOff", "ErrImagePull"];

/// Files that are compiled only for tests, like those that end with `_tests.rs`.
const ONLY_TESTS: [&str; 6] =
    ["architecture.rs", "documentation.rs", "http_server.rs", "krew_manifest.rs", "testing.rs", "tests.rs"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The part of a source that can be printed: without tests and comments.
fn product_code(source: &str) -> String {
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// The product's code as one text, with string literals that continue on the next line joined.
fn sources() -> String {
    let mut open: Vec<PathBuf> = vec![root().join("src"), root().join("probe/src")];
    let mut text = String::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let is_test = name.ends_with("_tests.rs") || ONLY_TESTS.contains(&name);
            if path.is_dir() {
                open.push(path);
            } else if !is_test {
                text += &product_code(&fs::read_to_string(path).unwrap());
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
fn every_message_in_troubleshooting_exists_in_the_sources() {
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
