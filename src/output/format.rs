//! The formats of results and of progress.

use clap::ValueEnum;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    Table,
    Wide,
    Json,
    Yaml,
    Name,
}

/// The formats of a preflight report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PreflightFormat {
    /// Facts, a line for each host, and problems with their fixes
    Table,
    /// Every finding, and problems with their fixes
    Wide,
    /// A line for each problem, and the verdict
    Short,
    /// CODE/SUBJECT of every finding
    Name,
    /// The report as JSON
    Json,
    /// The report as YAML
    Yaml,
    #[value(help = "A test case for each finding, as JUnit XML")]
    Junit,
}

/// The formats of a preflight report in a file, by the end of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// A page
    Html,
    /// A gzipped tar file with all forms and the evidence
    Archive,
}

impl FileFormat {
    /// The format of a file with this name, in any case.
    pub fn of_name(name: &str) -> Option<Self> {
        let name = name.to_lowercase();
        let has_end = |end: &str| name.len() > end.len() && name.ends_with(end);
        if has_end(".html") || has_end(".htm") {
            return Some(Self::Html);
        }
        (has_end(".tar.gz") || has_end(".tgz")).then_some(Self::Archive)
    }
}

/// How progress is shown on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProgressMode {
    /// One line for each finished step
    Plain,
    /// Bars, which need a terminal
    Bar,
    /// Only warnings and results
    None,
}
