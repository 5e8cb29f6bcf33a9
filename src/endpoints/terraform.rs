//! The plan as Terraform code: a module, and a configuration that calls it for one VPC.
//!
//! What this plugin or an earlier run of the code created is imported. Endpoints of others stay theirs: what they lack is
//! added with resources of its own.

pub mod configuration;
mod hcl;
mod root;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use self::configuration::Configuration;

/// A file of the generated code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Below the folder that the user names.
    pub path: String,
    pub text: String,
}

/// The folder of the module.
const MODULE: &str = "modules/castai-privatelink";

const MODULE_FILES: [(&str, &str); 11] = [
    ("README.md", include_str!("terraform/module/README.md")),
    ("endpoints.tf", include_str!("terraform/module/endpoints.tf")),
    ("existing.tf", include_str!("terraform/module/existing.tf")),
    ("outputs.tf", include_str!("terraform/module/outputs.tf")),
    ("repositories.tf", include_str!("terraform/module/repositories.tf")),
    ("security-groups.tf", include_str!("terraform/module/security-groups.tf")),
    ("services.tf", include_str!("terraform/module/services.tf")),
    ("subnets.tf", include_str!("terraform/module/subnets.tf")),
    ("tests/module.tftest.hcl", include_str!("terraform/module/tests/module.tftest.hcl")),
    ("variables.tf", include_str!("terraform/module/variables.tf")),
    ("versions.tf", include_str!("terraform/module/versions.tf")),
];

/// What the code adds to endpoints of others: each entry of `existing_endpoints`, behind the names of what it is in.
pub fn additions(text: &str) -> BTreeSet<String> {
    let lines = text.lines().map(str::trim).skip_while(|line| *line != "existing_endpoints = {");
    let mut path: Vec<String> = Vec::new();
    let mut found = BTreeSet::new();
    for line in lines.skip(1).take_while(|line| !line.is_empty()) {
        // The signs of equality are aligned, so that their distance says nothing.
        let words = line.split_whitespace().collect::<Vec<_>>().join(" ");
        match words.trim_end_matches(',') {
            "}" | "]" => drop(path.pop()),
            opened if opened.ends_with(['{', '[']) => path.push(words),
            entry => drop(found.insert(format!("{} {entry}", path.join(" ")))),
        }
    }
    found
}

/// All files, sorted by path.
pub fn files(configuration: &Configuration) -> Vec<File> {
    let module = MODULE_FILES.into_iter().map(|(name, text)| (format!("{MODULE}/{name}"), text.to_owned()));
    let mut files: Vec<_> = module
        .chain([
            ("README.md".to_owned(), include_str!("terraform/root/README.md").to_owned()),
            ("main.tf".to_owned(), root::main(configuration)),
            ("imports.tf".to_owned(), root::imports(configuration)),
            ("versions.tf".to_owned(), include_str!("terraform/module/versions.tf").to_owned()),
        ])
        .map(|(path, text)| File { path, text })
        .collect();
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}
