//! Positions of values in a YAML document: parses nodes with their spans, and follows anchors and merge keys.

use std::collections::BTreeMap;
use std::ops::Range;

use granit_parser::{Event, ScalarStyle};

use crate::parse;

/// Maximum chain of merge keys: an anchor may refer to the mapping that contains it.
const MAX_MERGE_DEPTH: usize = 16;

/// The nodes of a document. A node with aliases is stored once.
pub(super) struct Tree {
    nodes: Vec<Node>,
}

enum Node {
    Scalar(Scalar),
    Sequence(Vec<usize>),
    /// Pairs of key and value, in order.
    Mapping(Vec<(usize, usize)>),
}

pub(super) struct Scalar {
    /// Byte range in the document, with its quotes.
    pub(super) span: Range<usize>,
    pub(super) is_double_quoted: bool,
    value: String,
    is_plain: bool,
}

/// An open collection: its index, and a key that waits for its value.
struct Open {
    node: usize,
    key: Option<usize>,
}

impl Tree {
    /// Parses a document that `documents::read` has accepted, so errors are not reported: nodes after one are not
    /// found.
    pub(super) fn read(document: &str) -> Self {
        let (mut nodes, mut open, mut anchors) = (Vec::new(), Vec::<Open>::new(), BTreeMap::new());
        let replaced = parse::libyaml::replaced(document);
        for (event, span) in parse::events::events(&replaced.text).map_while(Result::ok) {
            let (node, anchor) = match event {
                Event::Scalar(value, style, anchor, _) => {
                    let span = span.byte_range().unwrap_or_default();
                    let scalar = Scalar {
                        span: replaced.original(span.start)..replaced.original(span.end),
                        is_double_quoted: style == ScalarStyle::DoubleQuoted,
                        value: value.into_owned(),
                        is_plain: style == ScalarStyle::Plain,
                    };
                    (Some(Node::Scalar(scalar)), anchor)
                }
                Event::SequenceStart(_, anchor, _) => (Some(Node::Sequence(Vec::new())), anchor),
                Event::MappingStart(_, anchor, _) => (Some(Node::Mapping(Vec::new())), anchor),
                Event::Alias(anchor) => (None, anchor),
                Event::SequenceEnd | Event::MappingEnd => {
                    open.pop();
                    continue;
                }
                _ => continue,
            };
            let is_collection = matches!(node, Some(Node::Sequence(_) | Node::Mapping(_)));
            let index = match node {
                Some(node) => {
                    nodes.push(node);
                    anchors.insert(anchor, nodes.len() - 1);
                    nodes.len() - 1
                }
                None => match anchors.get(&anchor) {
                    Some(index) => *index,
                    None => break,
                },
            };
            if let Some(parent) = open.last_mut() {
                match (&mut nodes[parent.node], parent.key.take()) {
                    (Node::Sequence(elements), _) => elements.push(index),
                    (Node::Mapping(pairs), Some(key)) => pairs.push((key, index)),
                    (Node::Mapping(_), None) => parent.key = Some(index),
                    (Node::Scalar(_), _) => {}
                }
            }
            if is_collection {
                open.push(Open { node: index, key: None });
            }
        }
        Self { nodes }
    }

    /// The scalar that the JSON pointer with these tokens selects.
    pub(super) fn scalar(&self, pointer: &[String]) -> Option<&Scalar> {
        let mut node = 0;
        for token in pointer {
            node = match self.nodes.get(node)? {
                Node::Sequence(elements) => *elements.get(token.parse::<usize>().ok()?)?,
                Node::Mapping(_) => self.value_of(node, token, 0)?,
                Node::Scalar(_) => return None,
            };
        }
        match self.nodes.get(node)? {
            Node::Scalar(scalar) => Some(scalar),
            Node::Sequence(_) | Node::Mapping(_) => None,
        }
    }

    /// The value of a key, which takes precedence over merged mappings. The last of duplicate keys counts.
    fn value_of(&self, mapping: usize, key: &str, depth: usize) -> Option<usize> {
        let Some(Node::Mapping(pairs)) = self.nodes.get(mapping) else { return None };
        let is_key = |node: usize, text: &str, plain: bool| matches!(&self.nodes[node], Node::Scalar(scalar) if scalar.value == text && (scalar.is_plain || !plain));
        if let Some((_, value)) = pairs.iter().rev().find(|(node, _)| is_key(*node, key, false)) {
            return Some(*value);
        }
        if depth == MAX_MERGE_DEPTH {
            return None;
        }
        let merged = pairs.iter().filter(|(node, _)| is_key(*node, "<<", true)).map(|(_, value)| *value);
        let mut mappings = merged.flat_map(|value| match &self.nodes[value] {
            Node::Sequence(elements) => elements.clone(),
            Node::Scalar(_) | Node::Mapping(_) => vec![value],
        });
        mappings.find_map(|mapping| self.value_of(mapping, key, depth + 1))
    }
}
