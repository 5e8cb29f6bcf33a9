//! Wraps one cell: a name is broken after its separators, so that all of it remains readable.

/// Spaces before the second and later lines of a cell, which tell them from the next row.
const INDENTATION: usize = 2;

/// `cell` in lines of at most `width` characters.
pub(super) fn wrap(cell: &str, width: usize) -> String {
    let mut rest: Vec<char> = cell.chars().collect();
    let (mut lines, mut indentation) = (Vec::new(), 0);
    // Nothing is indented where there is no room.
    let next_indentation = if width > INDENTATION { INDENTATION } else { 0 };
    while rest.len() > width.saturating_sub(indentation).max(1) {
        let room = width.saturating_sub(indentation).max(1);
        let after = rest.split_off(break_point(&rest, room));
        lines.push(format!("{:indentation$}{}", "", text(&rest).trim_end()));
        rest = after.into_iter().skip_while(|&next| next == ' ').collect();
        indentation = next_indentation;
    }
    if !rest.is_empty() || lines.is_empty() {
        lines.push(format!("{:indentation$}{}", "", text(&rest)));
    }
    lines.join("\n")
}

/// The number of characters on the first of several lines with `room` characters.
fn break_point(cell: &[char], room: usize) -> usize {
    let last_after = |least: usize, is_end: fn(char, char) -> bool| {
        let mut ends = (least.max(1)..=room).rev();
        ends.find(|&end| is_end(cell[end - 1], cell[end]))
    };
    let last = |is_end| last_after(room / 5, is_end);
    // A space at the end of the line is not printed.
    last(|end, next| matches!(end, ' ' | '/' | ',') || next == ' ')
        .or_else(|| last_after(1, |end, next| end == ' ' || next == ' '))
        // Numbers such as versions stay whole if possible.
        .or_else(|| {
            last(|end, next| matches!(end, '-' | '.' | ':' | '@' | '=' | '_') && !next.is_ascii_digit())
        })
        .or_else(|| last(|end, _| matches!(end, '-' | '.' | ':' | '@' | '=' | '_')))
        .unwrap_or(room)
}

fn text(characters: &[char]) -> String {
    characters.iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_broken_after_separators_and_lose_nothing() {
        let cases = [
            ("agent:v1", 8, "agent:v1"),
            ("", 5, ""),
            ("ghcr.io/castai/kvisor/kvisor-agent:v1", 24, "ghcr.io/castai/kvisor/\n  kvisor-agent:v1"),
            ("deployment.apps/castai-agent", 16, "deployment.apps/\n  castai-agent"),
            ("in Cast AI namespace castai-agent", 20, "in Cast AI namespace\n  castai-agent"),
            ("container/agent, container/monitor", 18, "container/agent,\n  container/\n  monitor"),
            ("at 2026-11-27T04:49:06Z", 20, "at\n  2026-11-27T04:49:\n  06Z"),
            ("at 2026-11-27T04:49:06Z", 22, "at\n  2026-11-27T04:49:06Z"),
            ("castai-kvisor-controller", 14, "castai-kvisor-\n  controller"),
            ("JMX_EXPORTER_INIT_IMAGE", 20, "JMX_EXPORTER_INIT_\n  IMAGE"),
            ("abcdefghij", 6, "abcdef\n  ghij"),
            ("abcd", 3, "abc\n  d"),
            ("abc", 2, "ab\nc"),
            ("abc", 1, "a\nb\nc"),
        ];
        for (cell, width, expected) in cases {
            let wrapped = wrap(cell, width);
            assert_eq!(wrapped, expected);
            assert!(wrapped.lines().all(|line| line.chars().count() <= width), "{wrapped}");
            let joined: String = wrapped.chars().filter(|character| !character.is_whitespace()).collect();
            assert_eq!(joined, cell.replace(' ', ""));
        }
    }
}
