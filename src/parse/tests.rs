use std::thread;

use serde_json::Value;

use super::*;

/// The smallest stack that we run on: the main thread of Windows.
const STACK: usize = 1 << 20;

fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(STACK).spawn(test).unwrap().join().unwrap();
}

/// Texts nested `depth` deep, with and without their closing brackets.
pub(crate) fn json(depth: usize) -> Vec<(&'static str, String)> {
    let nested = |open: &str, inner: &str, close: &str| open.repeat(depth) + inner + &close.repeat(depth);
    vec![
        ("lists", nested("[", "", "]")),
        ("objects", nested("{\"a\":", "1", "}")),
        ("lists in objects", "{\"a\":[".repeat(depth / 2) + &"]}".repeat(depth / 2)),
        ("lines", nested("{\n \"a\" : [ 1,\n", "{}", "]\n}").replace('\n', "\r\n")),
        ("brackets in strings", nested("{\"]}\\\"]\\\\\":", "\"[{\"", "}")),
        ("the last of many", format!("{{\"a\": {{}}, \"b\": {}}}", nested("[", "0", "]"))),
    ]
}

/// As [`json`], in forms that only YAML has.
pub(crate) fn yaml(depth: usize) -> Vec<(&'static str, String)> {
    let nested = |open: &str, inner: &str, close: &str| open.repeat(depth) + inner + &close.repeat(depth);
    let indented = |line: &str| -> String {
        // The text grows with the square of its depth.
        (0..depth.min(2_000)).map(|level| " ".repeat(level) + line + "\n").collect()
    };
    vec![
        ("flow lists", nested("[", "a", "]")),
        ("flow mappings", nested("{a: ", "a", "}")),
        ("flow keys", nested("{? ", "a", "}")),
        ("flow pairs", nested("[a: ", "a", "]")),
        ("block lists", "- ".repeat(depth) + "a"),
        ("block lists, one in each line", indented("-")),
        ("block mappings", indented("a:")),
        ("explicit keys", "? ".repeat(depth) + "a"),
        ("explicit keys in lists", "- ? ".repeat(depth / 2) + "a"),
        ("anchors", nested("&a [", "a", "]")),
        ("tags", nested("!!seq [", "a", "]")),
        ("own tags", nested("!x [", "a", "]")),
        ("behind a document", format!("a: 1\n---\n{}", nested("[", "", "]"))),
    ]
}

fn unclosed(text: &str) -> String {
    text.trim_end_matches([']', '}', '\r', '\n']).to_owned()
}

#[test]
fn json_that_is_nested_too_deep_is_an_error_in_every_form() {
    on_a_small_stack(|| {
        for depth in [MAX_DEPTH + 2, 100_000] {
            for (form, text) in json(depth) {
                for text in [unclosed(&text), text] {
                    let error = json::from_str::<Value>(&text).unwrap_err().to_string();
                    assert!(error.starts_with("nested deeper than 256 levels at line "), "{form}: {error}");
                    let error = json::stream(&text).last().unwrap().unwrap_err().to_string();
                    assert!(error.starts_with("nested deeper than 256 levels at line "), "{form}: {error}");
                }
            }
        }
    });
}

#[test]
fn json_is_read_up_to_the_limit() {
    on_a_small_stack(|| {
        for depth in [2, 126, 128, 130, 200, MAX_DEPTH - 2] {
            for (form, text) in json(depth) {
                // This form is twice as deep.
                if form == "lines" && depth >= MAX_DEPTH / 2 {
                    continue;
                }
                json::from_str::<Value>(&text).unwrap_or_else(|error| panic!("{form}, {depth}: {error}"));
                let values: Result<Vec<_>, _> = json::stream(&text).collect();
                assert_eq!(values.unwrap().len(), 1, "{form}");
            }
        }
    });
}

#[test]
fn the_first_bracket_over_the_limit_is_reported() {
    let place = |text: &str| json::from_str::<Value>(text).unwrap_err().to_string();
    let text = format!("{{\"a\":\n {}", "[".repeat(1000));
    assert_eq!(place(&text), "nested deeper than 256 levels at line 2 column 257");
    assert_eq!(place(&"[".repeat(257)), "nested deeper than 256 levels at line 1 column 257");
    assert!(place(&"[".repeat(256)).contains("EOF"));
    // An earlier error is reported first.
    let wrong = format!("{{a}} {}", "[".repeat(1000));
    let error = json::stream(&wrong).next().unwrap().unwrap_err().to_string();
    assert_eq!(error, "key must be a string at line 1 column 2");
}

#[test]
fn values_of_a_stream_are_read_one_by_one() {
    let text = " {\"a\": [1, -2, 1.5, true, null, \"\\u0062\"]}\n{}7 ";
    let values: Result<Vec<_>, _> = json::stream(text).collect();
    let (values, ends): (Vec<_>, Vec<_>) = values.unwrap().into_iter().unzip();
    let expected = [serde_json::json!({"a": [1, -2, 1.5, true, null, "b"]}), serde_json::json!({}), 7.into()];
    assert_eq!(values, expected);
    assert_eq!(ends.iter().map(|end| &text[..*end]).map(str::len).collect::<Vec<_>>(), [42, 45, 46]);
    let wrong: Vec<_> = json::stream("{} {a} {}").collect();
    assert_eq!(wrong.len(), 2, "nothing behind what is wrong");
}

#[test]
fn a_value_of_the_wrong_type_is_named_by_its_field() {
    #[derive(Debug, serde::Deserialize)]
    struct Typed {
        #[expect(dead_code, reason = "only read")]
        a: Vec<std::collections::BTreeMap<String, String>>,
    }
    for (value, expected) in [
        (serde_json::json!({"a": [{}, {"b.c": {"s3cret": 1}}]}), "a[1].b.c: expected a string"),
        (serde_json::json!({"a": "s3cret"}), "a: expected a list"),
        (serde_json::json!({}), "missing field `a`"),
        (serde_json::json!("s3cret"), "expected an object"),
    ] {
        assert_eq!(json::from_value::<Typed>(value).unwrap_err().to_string(), expected);
    }
}

#[test]
fn yaml_that_is_nested_too_deep_is_an_error_in_every_form() {
    on_a_small_stack(|| {
        for depth in [MAX_DEPTH + 2, 100_000] {
            for (form, text) in [yaml(depth), json(depth)].concat() {
                for (is_whole, text) in [(false, unclosed(&text)), (true, text)] {
                    let document = text.rsplit("---\n").next().unwrap();
                    let error = yaml::from_str::<Value>(document, 1).unwrap_err();
                    // The parser may see the end of a short text before its depth.
                    let is_expected = error.starts_with("nested deeper than 256 levels at line ")
                        || (!is_whole && depth < 100_000 && error.starts_with("unclosed bracket"));
                    assert!(is_expected, "{form}: {error}");
                    assert!(events::events(&text).count() < 2 * text.len() + 16, "{form}");
                }
            }
        }
    });
}

#[test]
fn yaml_is_read_up_to_the_limit() {
    on_a_small_stack(|| {
        for depth in [2, 64, 66, 128, 200, MAX_DEPTH - 2] {
            for (form, text) in [yaml(depth), json(depth)].concat() {
                let document = text.rsplit("---\n").next().unwrap();
                let is_twice_as_deep = ["lines", "flow pairs"].contains(&form);
                // In JSON, a mapping cannot be a key.
                if form.contains("keys") || (is_twice_as_deep && depth >= MAX_DEPTH / 2) {
                    continue;
                }
                yaml::from_str::<Value>(document, 1)
                    .unwrap_or_else(|error| panic!("{form}, {depth}: {error}"));
                assert!(events::events(&text).all(|event| event.is_ok()), "{form}, {depth}");
            }
        }
    });
}

#[test]
fn an_over_nested_document_is_named_by_its_line_in_the_text() {
    let error = |text: &str, line| yaml::from_str::<Value>(text, line).unwrap_err();
    let text = format!("# a\n{}", "- ".repeat(1000));
    assert_eq!(error(&text, 1), "nested deeper than 256 levels at line 2, column 513");
    assert_eq!(error(&text, 11), "nested deeper than 256 levels at line 12, column 513");
}

#[test]
fn aliases_are_expanded_within_limits() {
    on_a_small_stack(|| {
        let billion: String = ('a'..='i')
            .scan("x".to_owned(), |former, name| {
                let element = std::mem::replace(former, format!("*{name}"));
                Some(format!("{name}: &{name} [{}]", vec![element; 9].join(", ")))
            })
            .collect::<Vec<_>>()
            .join("\n");
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 100].join(", "));
        let deep = (1..400).map(|level| format!("a{level}: &a{level} [*a{}]", level - 1));
        let deep = deep.collect::<Vec<_>>().join("\n");
        let merged = "a: &a {x: 1}\nb: {<<: [".to_owned() + &vec!["*a"; 600_000].join(", ") + "]}";
        let bombs = [
            (billion, "its aliases expand to more than 1000000 nodes or 64 MiB of text at line "),
            (long, "its aliases expand to more than 1000000 nodes or 64 MiB of text at line "),
            (format!("a0: &a0 x\n{deep}"), "nested deeper than 256 levels at line "),
            (merged, "its aliases expand to more than 1000000 nodes or 64 MiB of text at line "),
        ];
        for (text, words) in bombs {
            let error = yaml::from_str::<Value>(&text, 1).unwrap_err();
            assert!(error.starts_with(words), "{}…: {error}", &text[..40]);
        }
        // One label of many objects, as templates write it.
        let list = format!("a: &a {{b: c}}\nl: [{}]", vec!["*a"; 50_001].join(", "));
        let value: Value = yaml::from_str(&list, 1).unwrap();
        assert_eq!(value["l"].as_array().unwrap().len(), 50_001);
    });
}

#[test]
fn a_large_list_is_read() {
    // As many Deployments as a large cluster has.
    let variables = "        - name: SOME_VARIABLE\n          value: \"some value\"\n".repeat(38);
    let item = format!(
        "- kind: Deployment\n  spec:\n    template:\n      spec:\n        containers:\n        - name: a\n          env:\n\
         {variables}"
    );
    let text = format!("kind: List\nitems:\n{}", item.repeat(3_000));
    assert!(text.len() > 6_500_000, "{}", text.len());
    let value: Value = yaml::from_str(&text, 1).unwrap();
    assert_eq!(value["items"].as_array().unwrap().len(), 3_000);
}

#[test]
fn long_comments_do_not_count() {
    let text = format!("a:\n{}  - b\n", "  # c\n".repeat(1_000));
    assert_eq!(yaml::from_str::<Value>(&text, 1).unwrap(), serde_json::json!({"a": ["b"]}));
    assert_eq!(events::events(&text).map_while(Result::ok).count(), 10);
}

#[test]
fn a_tab_in_the_indentation_is_reported_at_its_line() {
    for first_line in [1, 10] {
        let text = "a:\n  b: 1\n  c:\n\t- d\n";
        let error = yaml::from_str::<Value>(text, first_line).unwrap_err();
        let expected =
            format!("a tab in the indentation at line {}, where YAML allows only spaces", first_line + 3);
        assert_eq!(error, expected);
    }
}
