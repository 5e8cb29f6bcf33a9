//! JSON Schemas of all documents that are written or read, generated from the types into `docs/schema/`; and the proof
//! that they say what serde does.

use std::collections::BTreeMap;

use jsonschema::Validator;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::commands::permissions::All as Permissions;
use crate::commands::version::Version;
use crate::endpoints::list::EndpointList;
use crate::endpoints::offer::Offer as EndpointServiceList;
use crate::endpoints::plan::EndpointPlan;
use crate::endpoints::run::EndpointReport;
use crate::model::inventory::{API_VERSION, Inventory};
use crate::model::knowledge::Knowledge;
use crate::model::lock::Lock;
use crate::model::plan::Plan;
use crate::model::record::Record;
use crate::model::repository_settings::RepositorySettings;
use crate::preflight::catalogue::CheckList;
use crate::preflight::report::Document as PreflightReport;
use crate::sync::report::SyncReport;
use crate::sync::rollback::RollbackReport;
use crate::sync::status::StatusReport;

mod tests;

/// A kind of document.
struct Document {
    /// The start of its file's name in `docs/schema/`.
    name: &'static str,
    /// Its title, which is also its `kind` where it has one.
    title: &'static str,
    has_kind: bool,
    generate: fn() -> Schema,
}

const DOCUMENTS: [Document; 17] = [
    Document { name: "inventory", title: "Inventory", has_kind: true, generate: written::<Inventory> },
    Document { name: "plan", title: "Plan", has_kind: true, generate: written::<Plan> },
    Document { name: "lock", title: "Lock", has_kind: true, generate: written::<Lock> },
    Document { name: "sync-report", title: "SyncReport", has_kind: true, generate: written::<SyncReport> },
    Document {
        name: "status-report",
        title: "StatusReport",
        has_kind: true,
        generate: written::<StatusReport>,
    },
    Document {
        name: "rollback-report",
        title: "RollbackReport",
        has_kind: true,
        generate: written::<RollbackReport>,
    },
    Document {
        name: "preflight-report",
        title: "PreflightReport",
        has_kind: true,
        generate: written::<PreflightReport<'_>>,
    },
    Document { name: "check-list", title: "CheckList", has_kind: true, generate: written::<CheckList> },
    Document {
        name: "endpoint-service-list",
        title: "EndpointServiceList",
        has_kind: true,
        generate: written::<EndpointServiceList>,
    },
    Document {
        name: "endpoint-list",
        title: "EndpointList",
        has_kind: true,
        generate: written::<EndpointList>,
    },
    Document {
        name: "endpoint-plan",
        title: "EndpointPlan",
        has_kind: true,
        generate: written::<EndpointPlan>,
    },
    Document {
        name: "endpoint-report",
        title: "EndpointReport",
        has_kind: true,
        generate: written::<EndpointReport>,
    },
    Document { name: "permissions", title: "Permissions", has_kind: false, generate: written::<Permissions> },
    Document { name: "version", title: "Version", has_kind: false, generate: written::<Version> },
    Document {
        name: "images-annotation",
        title: "ImagesAnnotation",
        has_kind: false,
        generate: written::<BTreeMap<String, Record>>,
    },
    Document { name: "knowledge", title: "Knowledge", has_kind: false, generate: read::<Knowledge> },
    Document {
        name: "repository-settings",
        title: "RepositorySettings",
        has_kind: false,
        generate: read::<RepositorySettings>,
    },
];

impl Document {
    fn named(name: &str) -> &'static Self {
        DOCUMENTS.iter().find(|document| document.name == name).unwrap()
    }

    /// The document that `value` is by its `kind`.
    fn of(value: &Value) -> &'static Self {
        let kind = value["kind"].as_str().unwrap_or("Permissions");
        DOCUMENTS
            .iter()
            .find(|document| document.title == kind)
            .unwrap_or_else(|| panic!("no schema of {kind}"))
    }

    fn file_name(&self) -> String {
        let version = API_VERSION.rsplit('/').next().unwrap();
        format!("{}.{version}.json", self.name)
    }

    fn schema(&self) -> Value {
        let mut schema = (self.generate)();
        schema.insert("title".to_owned(), self.title.into());
        let comment = "Generated from the sources: UPDATE_DOCS=1 cargo test --workspace --lib schema";
        schema.insert("$comment".to_owned(), comment.into());
        let mut schema = schema.to_value();
        if self.has_kind {
            let properties = &mut schema["properties"];
            properties["apiVersion"] = json!({"type": "string", "const": API_VERSION});
            properties["kind"] = json!({"type": "string", "const": self.title});
            schema["$defs"].as_object_mut().unwrap().remove(&format!("{}Kind", self.title));
        }
        schema
    }

    fn validator(&self) -> Validator {
        jsonschema::options().should_validate_formats(true).build(&self.schema()).unwrap()
    }
}

/// The schema of what is written. Fields may be added to it, also to what is refused in a file of `--knowledge`.
fn written<T: JsonSchema>() -> Schema {
    let mut schema =
        SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>();
    RecursiveTransform(|schema: &mut Schema| {
        if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
            schema.remove("additionalProperties");
        }
        schema.remove("default");
        absent_is_not_null(schema);
    })
    .transform(&mut schema);
    with_joined_lines(schema)
}

/// What is written only where there is a value is never written as null.
fn absent_is_not_null(schema: &mut Schema) {
    let required: Vec<Value> = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
    let is_some = |one: &Value| *one != "null" && one["type"] != "null";
    for (_, property) in properties.iter_mut().filter(|(name, _)| !required.contains(&json!(name))) {
        let Value::Object(property) = property else { continue };
        if let Some(Value::Array(types)) = property.get_mut("type") {
            types.retain(is_some);
            let one = types.pop();
            property.extend(one.map(|one| ("type".to_owned(), one)));
        }
        if let Some(Value::Array(either)) = property.remove("anyOf")
            && let Some(Value::Object(one)) = either.into_iter().find(is_some)
        {
            property.extend(one);
        }
    }
}

/// The schema of what is read and never written.
fn read<T: JsonSchema>() -> Schema {
    with_joined_lines(
        SchemaSettings::draft2020_12().for_deserialize().into_generator().into_root_schema_for::<T>(),
    )
}

/// Comments are wrapped for readers of the sources.
fn with_joined_lines(mut schema: Schema) -> Schema {
    RecursiveTransform(|schema: &mut Schema| {
        if let Some(Value::String(description)) = schema.get_mut("description") {
            let paragraphs: Vec<_> = description.split("\n\n").map(|text| text.replace('\n', " ")).collect();
            *description = paragraphs.join("\n\n");
        }
    })
    .transform(&mut schema);
    schema
}

/// A JSON patch (RFC 6902), whose type is another crate's.
pub(crate) fn json_patch(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "op": {"enum": ["add", "remove", "replace", "move", "copy", "test"]},
                "path": {"type": "string"},
                "from": {"type": "string"},
                "value": true,
            },
            "required": ["op", "path"],
        },
    })
}

/// Asserts that a document that was written is valid by the schema of its kind.
#[track_caller]
pub(crate) fn assert_valid(value: &Value) {
    assert_valid_as(Document::of(value), value);
}

#[track_caller]
fn assert_valid_as(document: &Document, value: &Value) {
    let errors = errors(&document.validator(), value);
    assert!(errors.is_empty(), "{}: {errors:#?}\n{value:#}", document.title);
}

fn errors(validator: &Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}
