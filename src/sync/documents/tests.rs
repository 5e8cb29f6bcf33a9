use super::*;

fn parts(text: &str) -> Vec<&str> {
    read(text).unwrap().into_iter().map(|document| &text[document.range]).collect()
}

#[test]
fn texts_are_split_where_kubectl_and_yaml_split() {
    let cases: [(&str, &[&str]); 16] = [
        ("", &[]),
        ("# only a comment\n", &[]),
        ("---\n---\n# nothing\n---\n", &[]),
        ("a: 1", &["a: 1"]),
        ("a: 1\n---\nb: 2\n", &["a: 1\n", "---\nb: 2\n"]),
        ("# note\n---\na: 1\n---\n\n---\nb: 2", &["# note\n---\na: 1\n", "---\nb: 2"]),
        ("---\r\na: 1\r\n--- # b\r\nb: 2\r\n", &["---\r\na: 1\r\n", "--- # b\r\nb: 2\r\n"]),
        (
            "%YAML 1.2\n---\na: 1\n...\n%YAML 1.1\n---\nb: 2\n",
            &["%YAML 1.2\n---\na: 1\n...\n", "%YAML 1.1\n---\nb: 2\n"],
        ),
        ("a: 1\n...\n---\nb: 2\n...\n", &["a: 1\n...\n", "---\nb: 2\n...\n"]),
        ("a: 1\n...\nb: 2\n", &["a: 1\n...\n", "b: 2\n"]),
        ("--- {a: 1}\n--- {b: 2}\n", &["--- {a: 1}\n", "--- {b: 2}\n"]),
        ("a: |\n  ---\n  ...\n----: 1\n---\nb: 2", &["a: |\n  ---\n  ...\n----: 1\n", "---\nb: 2"]),
        ("\u{feff}a: 1\n\u{feff}---\nb: 2\n", &["\u{feff}a: 1\n", "\u{feff}---\nb: 2\n"]),
        ("{\"a\": 1}\n {\"b\":2}", &["{\"a\": 1}", "{\"b\":2}"]),
        ("\u{feff}{\"a\": 1}", &["{\"a\": 1}"]),
        ("{a: 1}\n---\n{\"b\": 2}", &["{a: 1}\n", "---\n{\"b\": 2}"]),
    ];
    for (text, expected) in cases {
        assert_eq!(parts(text), expected, "{text:?}");
    }
}

#[test]
fn json_may_hold_what_yaml_may_not() {
    let text = "{\n\t\"a\": \"\u{7f}\u{80}\\/\", \"b\": 12345678901234567890}";
    let documents = read(text).unwrap();
    assert_eq!(documents[0].format, Format::Json);
    assert_eq!(documents[0].value["a"], "\u{7f}\u{80}/");
}

#[test]
fn faults_name_the_document_and_the_texts_own_line() {
    let cases = [
        ("a: 1\n---\n# b\n---\nb: 1\nb: 2\n", 2, "duplicate mapping key at line 6, column 1"),
        ("a: 1\n---\nb: [1,\n", 2, "unclosed bracket '[' at line 3, column 4"),
        ("\u{feff}a: 1\n b: 2\n", 1, "mapping values are not allowed in this context at line 2, column 3"),
        ("{\"a\": 1}\n{\"b\": 1,\n }", 2, "key must be a string at line 3 column 2"),
        ("{\"a\": [{\"b\": 1, \"\\u0062\": 2}]}", 1, "the key \"b\" stands twice in one object"),
    ];
    for (text, document, why) in cases {
        assert_eq!(read(text).unwrap_err(), Fault { document, why: why.to_owned() }, "{text:?}");
    }
}

#[test]
fn json_values_are_found_by_pointer() {
    let text = " {\"a\\u0062\": [1, {\"c\": \"é\", \"d\" : \"x\\/y\" }]} ";
    let at = |pointer: &[&str]| {
        let pointer: Vec<_> = pointer.iter().map(|token| (*token).to_owned()).collect();
        json_span(text, &pointer).map(|range| &text[range])
    };
    assert_eq!(at(&["ab", "1", "d"]), Some("\"x\\/y\""));
    assert_eq!(at(&["ab", "1", "c"]), Some("\"é\""));
    assert_eq!(at(&["ab", "2"]), None);
    assert_eq!(at(&["b"]), None);
}
