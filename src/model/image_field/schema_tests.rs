//! What JSON Schemas say of image fields, which are written and read as texts.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{ImageField, KINDS, forms};

impl JsonSchema for ImageField {
    fn schema_name() -> Cow<'static, str> {
        "ImageField".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let patterns = KINDS.iter().map(|kind| match kind.form.split_once('/') {
            Some((word, _)) => format!("{word}/.+"),
            None => kind.form.to_owned(),
        });
        let patterns: Vec<_> = patterns.collect();
        json_schema!({
            "type": "string",
            "description": format!("The field that holds an image: {}.", forms()),
            "pattern": format!("^({})$", patterns.join("|")),
        })
    }
}
