//! The names of the values that the user of a Helm release has set.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Maximum length of a name, in bytes, and maximum number of names. No chart comes near them. A name repeats the names
/// of all enclosing objects, so a small text could produce many long ones.
const MAX_NAME: usize = 512;
const MAX_NAMES: usize = 100_000;

/// The names of the set values as dotted paths, without the values. Null and empty values count as not set.
#[derive(Default)]
pub(super) struct SetValues(pub(super) BTreeSet<String>);

impl<'de> Deserialize<'de> for SetValues {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut names = BTreeSet::new();
        Below { name: String::new(), names: &mut names }.deserialize(deserializer)?;
        Ok(Self(names))
    }
}

/// Collects names below the value with this name.
struct Below<'a> {
    name: String,
    names: &'a mut BTreeSet<String>,
}

impl Below<'_> {
    fn insert(self) {
        if self.names.len() < MAX_NAMES {
            self.names.insert(self.name);
        }
    }
}

impl<'de> DeserializeSeed<'de> for Below<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Below<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("values")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.insert();
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.insert();
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.insert();
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.insert();
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        if !text.is_empty() {
            self.insert();
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        self.insert();
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(member) = members.next_key::<String>()? {
            let name = if self.name.is_empty() { member } else { format!("{}.{member}", self.name) };
            if name.len() > MAX_NAME {
                members.next_value::<IgnoredAny>()?;
            } else {
                members.next_value_seed(Below { name, names: self.names })?;
            }
        }
        Ok(())
    }
}
