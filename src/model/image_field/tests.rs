use super::*;

#[test]
fn carriers_are_written_and_read_by_name() {
    for text in [
        "container/agent",
        "init/gpu",
        "ephemeral/debug",
        "env/controller/SCANNERS_IMAGE",
        "derived/controller/kvisor-scanners",
        "field/spec/values/sub~1chart/image",
        "named",
    ] {
        assert_eq!(text.parse::<Carrier>().unwrap().to_string(), text);
    }
    for text in ["agent", "container", "container/a/b", "env/x", "field", "fieldx/y", ""] {
        assert!(text.parse::<Carrier>().is_err(), "{text}");
    }
}
