//! Wraps sentences at spaces for a terminal, which would break words. Commands are never broken, so that they can be
//! copied.

/// Spaces before the second and later lines of a sentence.
const INDENTATION: usize = 2;

/// Programs whose name begins a command.
const PROGRAMS: [&str; 5] = ["kubectl", "helm", "aws", "docker", "for"];

/// `line`, which may be indented, in lines of at most `width` characters. A command that is longer is left to the
/// terminal, and so is a line that is one.
pub(super) fn wrap(line: &str, width: usize) -> String {
    let sentence = line.trim_start_matches(' ');
    let indentation = line.len() - sentence.len();
    let is_command = indentation > 0 && starts_command(sentence.split(' ').next().unwrap_or_default());
    if is_command || line.chars().count() <= width {
        return line.to_owned();
    }
    let next = (indentation + INDENTATION).min(width / 2);
    let (mut text, mut length) = (" ".repeat(indentation), indentation);
    let mut is_first = true;
    for unit in units(sentence) {
        let characters = unit.chars().count();
        if is_first {
            is_first = false;
        } else if length + 1 + characters > width {
            text.push('\n');
            text.push_str(&" ".repeat(next));
            length = next;
        } else {
            text.push(' ');
            length += 1;
        }
        text.push_str(&unit);
        length += characters;
    }
    text
}

/// The parts of a sentence that stay on one line: words, text in backticks, and commands.
fn units(sentence: &str) -> Vec<String> {
    let mut units: Vec<String> = Vec::new();
    let (mut is_quoted, mut is_command) = (false, false);
    for word in sentence.split(' ') {
        let begins = !is_quoted
            && !is_command
            && starts_command(word)
            && units.last().is_some_and(|last| last == "run" || last.ends_with(':'));
        match units.last_mut() {
            Some(unit) if is_quoted || is_command => {
                unit.push(' ');
                unit.push_str(word);
            }
            _ => units.push(word.to_owned()),
        }
        is_quoted ^= word.matches('`').count() % 2 == 1;
        is_command = (begins || is_command) && !word.ends_with([';', ',', ')']);
    }
    units
}

fn starts_command(word: &str) -> bool {
    PROGRAMS.contains(&word.trim_start_matches('('))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_break_at_spaces_and_commands_do_not() {
        let cases = [
            ("note: fits", 10, "note: fits"),
            ("note: one two three", 12, "note: one\n  two three"),
            ("  indented one two", 14, "  indented one\n    two"),
            // A table, which fits.
            ("A   B", 5, "A   B"),
            ("see `kubectl get pods` for it", 20, "see\n  `kubectl get pods`\n  for it"),
            (
                "3 reverted: run kubectl x sync-images; 2 others",
                24,
                "3 reverted: run\n  kubectl x sync-images;\n  2 others",
            ),
            ("upgrades by helm that fail", 18, "upgrades by helm\n  that fail"),
            // Too long for any line: the terminal breaks it, and it can be copied.
            (
                "hint: delete it: kubectl delete pod -n a b",
                20,
                "hint: delete it:\n  kubectl delete pod -n a b",
            ),
            (
                "  kubectl rollout restart -n a deployment.apps/x",
                20,
                "  kubectl rollout restart -n a deployment.apps/x",
            ),
            ("", 10, ""),
            ("a-word-that-is-long b", 5, "a-word-that-is-long\n  b"),
        ];
        for (line, width, expected) in cases {
            assert_eq!(wrap(line, width), expected);
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(words(&wrap(line, width)), words(line), "nothing is lost");
        }
    }
}
