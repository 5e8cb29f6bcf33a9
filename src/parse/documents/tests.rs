use super::*;

fn parts(text: &str) -> Vec<&str> {
    read(text).unwrap().into_iter().map(|document| &text[document.range]).collect()
}

#[test]
fn documents_are_split_like_kubectl_and_yaml() {
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
fn json_allows_values_that_yaml_does_not() {
    let text = "{\n\t\"a\": \"\u{7f}\u{80}\\/\", \"b\": 12345678901234567890}";
    let documents = read(text).unwrap();
    assert_eq!(documents[0].format, Format::Json);
    assert_eq!(documents[0].value["a"], "\u{7f}\u{80}/");
}

#[test]
fn errors_name_the_document_and_the_line_of_the_whole_text() {
    let cases = [
        ("a: 1\n---\n# b\n---\nb: 1\nc: *d\n", 2, "an alias without an anchor at line 6, column 4"),
        ("a: 1\n---\nb: [1,\n", 2, "unclosed bracket '[' at line 3, column 4"),
        ("\u{feff}a: 1\n b: 2\n", 1, "mapping values are not allowed in this context at line 2, column 3"),
        ("{a: [1,\n", 1, "unclosed bracket '[' at line 1, column 5"),
        ("{\"a\": 1}\n{\"b\": 1,\n }", 2, "trailing comma at line 3 column 2"),
    ];
    for (text, document, why) in cases {
        assert_eq!(read(text).unwrap_err(), DocumentError { document, why: why.to_owned() }, "{text:?}");
    }
}

#[test]
fn an_over_nested_document_is_named() {
    for depth in [300, 100_000] {
        let cases = [
            (
                format!("{{\"a\": 1}}\n{{\"b\":\n{}1{}}}", "[".repeat(depth), "]".repeat(depth)),
                2,
                "3 column 256",
            ),
            (format!("{{\"a\": 1}}\n{{\"b\":\n{}", "{\"c\":".repeat(depth)), 2, "3 column 1276"),
            (
                format!("a: 1\n---\nb: 1\n---\nc: {}{}", "[".repeat(depth), "]".repeat(depth)),
                3,
                "5, column 259",
            ),
            (format!("a: 1\n---\n{}a", "- ".repeat(depth)), 2, "3, column 513"),
        ];
        for (text, document, place) in cases {
            let why = format!("nested deeper than 256 levels at line {place}");
            assert_eq!(read(&text).unwrap_err(), DocumentError { document, why });
        }
    }
    let text = format!("{{\"a\": {}{}}}", "[".repeat(200), "]".repeat(200));
    assert_eq!(read(&text).unwrap()[0].format, Format::Json);
    assert_eq!(read(&format!("- {text}")).unwrap()[0].format, Format::Yaml);
}

#[test]
fn texts_are_read_as_kubectl_reads_them() {
    let values = |text: &str| -> Vec<Value> {
        read(text)
            .unwrap_or_else(|error| panic!("{text:?}: {error:?}"))
            .into_iter()
            .map(|document| document.value)
            .collect()
    };
    let cases = [
        ("a: 1\na: 2\n", r#"{"a": 2}"#),
        ("a: {b: {c: 1}, b: {d: 2}}\n", r#"{"a": {"b": {"d": 2}}}"#),
        ("{\"a\": {\"b\": 1, \"\\u0062\": 2}}", r#"{"a": {"b": 2}}"#),
        ("\u{feff}a: 1\n---\n# c\n\u{feff}a: 2\n", r#"[{"a": 1}, {"a": 2}]"#),
        ("---\r\n\u{feff}a: 1\r\nb: 2\r\n", r#"{"a": 1, "b": 2}"#),
        ("a: {\n\tb: [\n\t\t{c: d}\n\t]\n}\n", r#"{"a": {"b": [{"c": "d"}]}}"#),
        ("a:\n  b: [\n\t\t{\"c\": \"d\"},\n\t# e\n\t]\n", r#"{"a": {"b": [{"c": "d"}]}}"#),
        ("a: |\n  b\n  \tc\n", r#"{"a": "b\n\tc\n"}"#),
        ("a: !!timestamp 2024-01-01T00:00:00Z\n", r#"{"a": "2024-01-01T00:00:00Z"}"#),
        ("a: !<tag:yaml.org,2002:timestamp> 2024-01-01\n", r#"{"a": "2024-01-01"}"#),
        ("!!timestamp 2024-01-01: [!!timestamp\n  '2024-01-02']\n", r#"{"2024-01-01": ["2024-01-02"]}"#),
        (
            "a: !!binary aGVsbG8=\nb: !x {c: !Ref d}\ne: !!set {f}\n",
            r#"{"a": "hello", "b": {"c": "d"}, "e": {"f": null}}"#,
        ),
        ("a: &a {b: 1, c: 2}\nd: {<<: *a, b: 3}\n", r#"{"a": {"b": 1, "c": 2}, "d": {"b": 3, "c": 2}}"#),
        ("{\"a\": 1,}\n", r#"{"a": 1}"#),
    ];
    for (text, expected) in cases {
        let expected: Value = serde_json::from_str(expected).unwrap();
        let expected = if let Value::Array(documents) = expected { documents } else { vec![expected] };
        assert_eq!(values(text), expected, "{text:?}");
    }
    // A hash that looks like a number is a string, whatever its value.
    assert!(values("a: 12e4567\n")[0]["a"].is_string());
    for text in ["a:\n\tb: 1\n", "a: |\n\tb\n", "a: *b\n"] {
        assert!(read(text).is_err(), "{text:?}");
    }
}
