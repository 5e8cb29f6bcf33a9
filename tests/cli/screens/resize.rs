//! Bars on a terminal that becomes narrower, with a message in between.

use serde_json::json;

use crate::harness::{QUICK, add_fault, own_lab, show_resized, traffic};

#[test]
fn nothing_is_left_of_bars_after_a_resize_and_a_warning() {
    let lab = own_lab();
    add_fault(&lab, "ecr", &json!({"operation": "PutImage", "times": 1, "action": {"kind": "hold"}}));
    let is_held = || traffic(&lab, "ecr").iter().any(|record| record.status == 0);
    // The next image fails once, and with -v the retry is a message above the bars.
    let fails = json!({"kind": "status", "status": 503});
    let release = || {
        add_fault(&lab, "source", &json!({"path": "/blobs/", "times": 1, "action": fails}));
        lab.control().delete("/ecr/faults").unwrap();
    };
    let sync = [&["sync-images", "--yes", "--no-rewrite", "--jobs=1", "-v"], QUICK].concat();
    let (wide, screen) = show_resized(&lab, &sync, (200, 80), is_held, release);
    // A terminal wraps longer lines when it becomes narrower, and a redraw does not find them again.
    // Wrapped messages are indented too, but have no amounts.
    let is_amount = |line: &str| line.starts_with("  ") && line.contains("B/");
    let is_bar = |line: &&str| line.starts_with("copying ") || is_amount(line);
    let bars: Vec<_> = wide.lines().filter(is_bar).collect();
    assert!(bars.len() >= 2 && bars.iter().all(|bar| bar.chars().count() < 80), "{wide}");
    let count = |start: &str| screen.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!((count("copied "), count("retrying ")), (5, 1), "{screen}");
    let left = screen.lines().take_while(|line| !line.starts_with("IMAGE ")).filter(is_bar);
    assert_eq!(left.count(), 0, "a bar is left:\n{screen}");
    assert!(!screen.contains(" left"), "{screen}");
    // Only what was printed: no empty line where a bar was.
    let messages: Vec<_> = screen.lines().skip_while(|line| !line.starts_with("copied ")).collect();
    let table = messages.iter().position(|line| line.starts_with("IMAGE ")).expect("a table");
    let above = &messages[..table];
    assert!(above.iter().all(|line| !line.trim().is_empty()), "{screen}");
}
