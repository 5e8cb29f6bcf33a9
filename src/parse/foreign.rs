//! Texts that users give in place of manifests.

use std::fmt;

/// What such a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// For example the onboarding script of Cast AI's console.
    Script,
    /// For example a login page in place of a download.
    WebPage,
    /// A template of a chart, which only Helm can render.
    Template,
}

impl fmt::Display for Foreign {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Script => "a shell script",
            Self::WebPage => "a web page",
            Self::Template => "a template of a Helm chart",
        })
    }
}

/// How commands in a script begin, in the first column: lines in a manifest that look like them are indented.
const COMMANDS: [&str; 9] =
    ["curl ", "helm ", "kubectl ", "export ", "set -", "if [", "echo ", "/bin/bash ", "bash "];

/// Parts of a line in which one command feeds another.
const PIPES: [&str; 4] = ["$(curl ", "| bash", "| sh", "| kubectl "];

/// Whether a text that holds no object is one of these.
pub fn recognise(text: &str) -> Option<Foreign> {
    let begin = text.trim_start();
    let is_command = |line: &str| {
        COMMANDS.iter().any(|command| line.starts_with(command))
            || (!line.starts_with('#') && PIPES.iter().any(|pipe| line.contains(pipe)))
    };
    if is_script(text) || text.lines().any(is_command) {
        Some(Foreign::Script)
    } else if begin.starts_with('<') {
        Some(Foreign::WebPage)
    } else if text.contains("{{") && text.contains("}}") {
        Some(Foreign::Template)
    } else {
        None
    }
}

/// Whether a text says in its first line that it is a script, whatever else it holds.
pub fn is_script(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').trim_start().starts_with("#!")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_pages_and_templates_are_recognised() {
        let cases = [
            ("#!/bin/bash\nset -e\n", Some(Foreign::Script)),
            ("\n#!/usr/bin/env sh\n", Some(Foreign::Script)),
            (
                "CASTAI_API_TOKEN=x CASTAI_CLUSTER_ID=y /bin/bash -c \"$(curl -fsSL 'https://x')\"\n",
                Some(Foreign::Script),
            ),
            (
                "# connect\ncurl -H \"Authorization: Token x\" 'https://x' | kubectl apply -f -\n",
                Some(Foreign::Script),
            ),
            ("helm upgrade -i castai-agent castai-helm/castai-agent\n", Some(Foreign::Script)),
            ("<!DOCTYPE html>\n<html>", Some(Foreign::WebPage)),
            ("kind: Pod\nmetadata: {{ .Values.x }}\n", Some(Foreign::Template)),
            ("kind: A\n# see helm upgrade\n", None),
            ("spec:\n  helm upgrade\n", None),
            ("just text", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(recognise(text), expected, "{text}");
        }
    }
}
