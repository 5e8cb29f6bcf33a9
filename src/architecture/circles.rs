//! Which modules name which, and whether that leads in a circle.

use std::collections::{BTreeMap, BTreeSet};

/// A module by its path from the root of the crate: `sync::plan` is `["sync", "plan"]`.
type Module = Vec<String>;

/// Who names whom, of one folder's members: files, and folders with all that is in them.
type Graph = BTreeMap<Module, BTreeSet<Module>>;

/// The code of every module of a crate.
pub(super) struct Sources(BTreeMap<Module, String>);

impl Sources {
    /// From files below `src/`, with their code.
    pub(super) fn new(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let module = |file: &str| {
            let path = file.trim_end_matches(".rs");
            let path = path.strip_suffix("/mod").unwrap_or(path);
            path.split('/').filter(|name| *name != "lib").map(str::to_owned).collect()
        };
        Self(files.into_iter().map(|(file, code)| (module(&file), code)).collect())
    }

    /// The edges of circles, as `from -> to`: an edge between members of one folder whose end leads back to its start.
    pub(super) fn circles(&self) -> BTreeSet<String> {
        let graph = self.graph();
        let edges = graph.iter().flat_map(|(from, to)| to.iter().map(move |to| (from, to)));
        edges.filter(|(from, to)| leads_to(&graph, to, from)).map(|(from, to)| edge(from, to)).collect()
    }

    fn graph(&self) -> Graph {
        let mut graph = Graph::new();
        for (module, code) in &self.0 {
            for path in paths(code) {
                let Some(target) = self.resolve(module, &path.parts, 0) else { continue };
                let shared = module.iter().zip(&target).take_while(|(one, other)| one == other).count();
                // Nothing where one is in the other.
                if let (Some(from), Some(to)) = (module.get(..=shared), target.get(..=shared)) {
                    graph.entry(from.to_vec()).or_default().insert(to.to_vec());
                }
            }
        }
        graph
    }

    /// The module that holds what `path` names in `module`, also through what others import.
    fn resolve(&self, module: &Module, path: &[String], depth: usize) -> Option<Module> {
        let mut rest = path;
        let mut found = match path.first()?.as_str() {
            "crate" => Vec::new(),
            _ => module.clone(),
        };
        if rest[0] != "super" {
            rest = &rest[1..];
        }
        while let [first, others @ ..] = rest
            && first == "super"
        {
            found.pop()?;
            rest = others;
        }
        for (position, name) in rest.iter().enumerate() {
            found.push(name.clone());
            if self.0.contains_key(&found) {
                continue;
            }
            found.pop();
            let imported = self.imports(&found).remove(name).filter(|_| depth < 5);
            return match imported {
                Some(path) => {
                    let path = [path, rest[position + 1..].to_vec()].concat();
                    self.resolve(&found, &path, depth + 1)
                }
                None => Some(found),
            };
        }
        Some(found)
    }

    /// What a module imports of this crate, by the name that it has there.
    fn imports(&self, module: &Module) -> BTreeMap<String, Vec<String>> {
        let code = self.0.get(module).map_or("", String::as_str);
        let uses = code.split(';').filter_map(|statement| {
            let (before, import) = statement.rsplit_once("use ")?;
            let start = before.rsplit('\n').next().unwrap_or_default().trim();
            (start.is_empty() || start.starts_with("pub")).then_some(import)
        });
        let mut paths = Vec::new();
        for import in uses {
            read_tree(import, &[], &mut paths);
        }
        // A path may begin with a module that is declared here.
        let is_child = |first: &String| self.0.contains_key(&[module.clone(), vec![first.clone()]].concat());
        let ours = paths.into_iter().filter_map(|Path { parts, name }| match parts.first()? {
            first if STARTS.contains(&first.as_str()) => Some((name, parts)),
            first if is_child(first) => Some((name, [vec!["self".to_owned()], parts].concat())),
            _ => None,
        });
        ours.collect()
    }
}

/// What paths in this crate start with.
const STARTS: [&str; 3] = ["crate", "self", "super"];

/// A path, and the name that its last part has where it is imported.
struct Path {
    parts: Vec<String>,
    name: String,
}

fn edge(from: &Module, to: &Module) -> String {
    format!("{} -> {}", from.join("/"), to.join("/"))
}

/// Whether `from` leads to `to`, or is it.
fn leads_to(graph: &Graph, from: &Module, to: &Module) -> bool {
    let mut reached = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(module) = open.pop() {
        open.extend(graph.get(module).into_iter().flatten().filter(|next| reached.insert(next)));
    }
    reached.contains(to)
}

/// All paths in `code` that start in this crate, one for each member of a group.
fn paths(code: &str) -> Vec<Path> {
    let mut paths = Vec::new();
    for start in STARTS {
        for (at, _) in code.match_indices(&format!("{start}::")) {
            let before = &code[..at];
            if !before.ends_with(is_name) && !before.ends_with("::") {
                read_tree(&code[at..], &[], &mut paths);
            }
        }
    }
    paths
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// Reads `a::{b, c::d as e}` below `above`; gives what follows it.
fn read_tree<'c>(code: &'c str, above: &[String], paths: &mut Vec<Path>) -> &'c str {
    let code = code.trim_start();
    if let Some(mut rest) = code.strip_prefix('{') {
        loop {
            rest = read_tree(rest, above, paths).trim_start();
            match rest.strip_prefix(',') {
                Some(next) if !next.trim_start().starts_with('}') => rest = next,
                next => return next.unwrap_or(rest).trim_start().trim_start_matches('}'),
            }
        }
    }
    let end = code.find(|character| !is_name(character)).unwrap_or(code.len());
    let (name, rest) = code.split_at(end);
    let mut parts = above.to_vec();
    // `a::{self}` is `a`, and of `a::*` only `a` is known.
    if !name.is_empty() && (name != "self" || above.is_empty()) {
        parts.push(name.to_owned());
    }
    match rest.strip_prefix("::") {
        Some(rest) if rest.starts_with(|first: char| is_name(first) || first == '{' || first == '*') => {
            read_tree(rest.trim_start_matches('*'), &parts, paths)
        }
        _ => {
            let (name, rest) = match rest.trim_start().strip_prefix("as ") {
                Some(rest) => rest.split_at(rest.find(|next| !is_name(next)).unwrap_or(rest.len())),
                None => (parts.last().map_or("", String::as_str), rest),
            };
            let name = name.to_owned();
            paths.push(Path { parts, name });
            rest
        }
    }
}

mod tests {
    use super::Sources;

    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let files = files.iter().map(|(file, code)| ((*file).to_owned(), (*code).to_owned()));
        Sources::new(files).circles().into_iter().collect()
    }

    #[test]
    fn two_files_that_use_each_other_are_found() {
        let one_way = [("a/mod.rs", "mod b; mod c;"), ("a/b.rs", "use super::c::C;"), ("a/c.rs", "")];
        assert_eq!(circles(&one_way), [""; 0]);
        for back in [
            "use crate::a::b;",
            "use crate::{x, a::{b::{B, C as D}, c}};",
            "use super::{\n    y,\n    b::B,\n};",
            "fn f(b: &super::b::B) {}",
        ] {
            let files = [one_way[0], one_way[1], ("a/c.rs", back)];
            assert_eq!(circles(&files), ["a/b -> a/c", "a/c -> a/b"], "{back}");
        }
    }

    #[test]
    fn longer_circles_are_found_at_every_depth_and_through_imports() {
        let files = [
            ("a.rs", "pub use self::b::B; pub(crate) use c::{C as D};"),
            ("a/b.rs", "use super::D;"),
            ("a/c.rs", "use crate::a::d::inner::X;"),
            ("a/d/mod.rs", ""),
            ("a/d/inner.rs", "use crate::a::B;"),
        ];
        assert_eq!(circles(&files), ["a/b -> a/c", "a/c -> a/d", "a/d -> a/b"]);
    }

    #[test]
    fn a_file_and_its_folder_are_one_unit() {
        let files = [("a.rs", "use self::b::run; pub struct A;"), ("a/b.rs", "use super::A;")];
        assert_eq!(circles(&files), [""; 0]);
    }
}
