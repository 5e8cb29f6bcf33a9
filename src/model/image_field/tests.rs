use super::*;

#[test]
fn image_fields_round_trip_by_name() {
    for text in [
        "container/agent",
        "init/gpu",
        "ephemeral/debug",
        "env/controller/SCANNERS_IMAGE",
        "env/controller/a/variable/with/slashes",
        "derived/controller/kvisor-scanners",
        "field/spec/values/sub~1chart/image",
        "named",
    ] {
        assert_eq!(text.parse::<ImageField>().unwrap().to_string(), text);
    }
    for text in
        ["agent", "container", "container/", "env/x", "env/x/", "named/x", "named/", "field", "fieldx/y", ""]
    {
        assert!(text.parse::<ImageField>().is_err(), "{text}");
    }
}

#[test]
fn every_kind_is_parsed_from_its_written_form() {
    let every = [
        ImageField::of_container("a"),
        ImageField::of_init_container("a"),
        ImageField::of_ephemeral_container("a"),
        ImageField::of_variable("a", "V"),
        ImageField::of_volume("a"),
        ImageField::of_derived_image("a", "c"),
        ImageField::of_resource("/spec/image"),
        ImageField::of_named_image(),
    ];
    for image_field in &every {
        assert_eq!(image_field.to_string().parse::<ImageField>().unwrap(), *image_field);
        assert!(KINDS.iter().any(|kind| kind.form == image_field.kind.form), "{image_field} is registered");
    }
    let error = "agent".parse::<ImageField>().unwrap_err().to_string();
    assert!(
        error.starts_with("unknown image field \"agent\": expected container/NAME, init/NAME, "),
        "{error}"
    );
    assert!(error.ends_with(", field/POINTER or named"), "{error}");
}

#[test]
fn each_kind_of_field_has_its_properties() {
    // Container, restarted container, why it is immutable in a pod, whether a policy renames it, and whether kustomize
    // does.
    let immutable_variable = Some("environment variables of a pod are immutable");
    let cases = [
        ("container/a", Some("a"), Some("a"), None, true, true),
        ("init/a", Some("a"), None, None, true, true),
        ("ephemeral/a", Some("a"), None, Some("ephemeral containers are immutable"), false, false),
        ("env/a/V", Some("a"), None, immutable_variable, false, false),
        ("derived/a/c", Some("a"), None, None, false, false),
        ("field/spec/image", None, None, None, false, false),
        ("named", None, None, None, false, false),
    ];
    for (text, container, restarted, immutable, admission, kustomize) in cases {
        let field: ImageField = text.parse().unwrap();
        assert_eq!((field.container(), field.restarted_container()), (container, restarted), "{text}");
        assert_eq!(field.immutable_in(WorkloadKind::Pod), immutable, "{text}");
        assert_eq!(field.is_renamed_at_admission(), admission, "{text}");
        assert_eq!(field.is_renamed_by_kustomize(), kustomize, "{text}");
        assert_eq!(field.is_container_image(), container.is_some() && !text.contains("/a/"), "{text}");
        assert_eq!(field.comes_with_container(), text.starts_with("env/"), "{text}");
        assert_eq!(field.is_derived(), text.starts_with("derived/"), "{text}");
        assert_eq!(field.is_in_object(), !text.starts_with("derived/") && text != "named", "{text}");
    }
}

fn pod() -> PodTemplate {
    serde_json::from_value(serde_json::json!({"spec": {
        "containers": [
            {"name": "a", "image": "a:1", "env": [{"name": "V", "value": "v:1"}, {"name": "W", "value": "w:1"}]},
            {"name": "b", "env": [{"name": "V", "value": ""}, {"name": "V", "value": "v:2"}]},
        ],
        "initContainers": [{"name": "i", "image": "i:1"}, {"name": "j", "image": "",
            "env": [{"name": "V", "value": "old:1"}, {"name": "V", "value": "v:3"}]}],
        "ephemeralContainers": [{"name": "e", "image": "e:1"}],
    }}))
    .unwrap()
}

#[test]
fn fields_are_found_in_order_with_their_paths() {
    let found = |variables: &[&str]| -> Vec<String> {
        let fields = locate_image_fields(&pod(), &variables.iter().copied().collect());
        fields
            .iter()
            .map(|field| format!("{} {} {}", field.image_field, field.value, field.path.join("/")))
            .collect()
    };
    let expected = [
        "init/i i:1 spec/initContainers/0/image",
        "env/j/V v:3 spec/initContainers/1/env/1/value",
        "container/a a:1 spec/containers/0/image",
        "env/a/V v:1 spec/containers/0/env/0/value",
        "env/b/V v:2 spec/containers/1/env/1/value",
        "ephemeral/e e:1 spec/ephemeralContainers/0/image",
    ];
    assert_eq!(found(&["V", "V"]), expected);
    assert_eq!(found(&[]).len(), 3, "no variable is known");
}

#[test]
fn only_the_given_fields_are_found_whatever_variables_are_known() {
    let named =
        ["env/a/W", "ephemeral/e", "container/none", "named"].map(|text| text.parse::<ImageField>().unwrap());
    let fields = locate_fields(&pod(), &named);
    let found: Vec<_> = fields.iter().map(|field| field.image_field.to_string()).collect();
    assert_eq!(found, ["env/a/W", "ephemeral/e"]);
}

#[test]
fn text_around_an_image_is_unchanged() {
    let mut field = locate_image_fields(&pod(), &Variables::default()).remove(0);
    assert_eq!(field.text_with("e.example/i:1"), "e.example/i:1");
    field.text = "--image=i:1".to_owned();
    assert_eq!(field.text_with("e.example/i:1"), "--image=e.example/i:1");
}

#[test]
fn every_kind_is_documented() {
    let page = include_str!("../../../docs/images.md");
    for kind in KINDS {
        let is_row = |line: &str| line.starts_with("| `") && line.contains(&format!("`{}`", kind.form));
        assert!(page.lines().any(is_row), "docs/images.md has no row for {}", kind.form);
    }
}
