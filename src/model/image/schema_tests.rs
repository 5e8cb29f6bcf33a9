//! What JSON Schemas say of names of images, which are written and read as texts.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{Digest, Image};

impl JsonSchema for Digest {
    fn schema_name() -> Cow<'static, str> {
        "Digest".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "The digest of a manifest or blob.",
            "pattern": "^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$",
        })
    }
}

impl JsonSchema for Image {
    fn schema_name() -> Cow<'static, str> {
        "Image".into()
    }

    /// The pattern is no whole grammar: it refuses no name that [`Image`] accepts.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "An image reference as written, by Docker's rules: `[HOST[:PORT]/]PATH[:TAG][@DIGEST]`.",
            "pattern": r"^[^\s@]+(@sha256:[0-9a-f]{64})?$",
        })
    }
}
