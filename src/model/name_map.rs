//! Names in the mirror that the user gives.

use std::fmt;
use std::str::FromStr;

use super::image::{Image, InvalidReference};
use crate::printable::without_login;

/// `--map PRIVATE=PUBLIC`: the name of the repository PUBLIC in the mirror is PRIVATE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameMap {
    private: String,
    public: String,
}

impl NameMap {
    pub fn private(&self) -> &str {
        &self.private
    }

    pub fn public(&self) -> &str {
        &self.public
    }

    /// The public image that `image` is in the mirror, by the first of `maps` that has its name.
    pub fn source_of(maps: &[Self], image: &Image) -> Option<Image> {
        let map = maps.iter().find(|map| map.private == image.repository())?;
        image.with_repository(&map.public).ok()
    }
}

impl FromStr for NameMap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let usage = || {
            format!("expected PRIVATE=PUBLIC, two repositories without tags, not {:?}", without_login(text))
        };
        let (private, public) = text.split_once('=').ok_or_else(usage)?;
        let repository = |name: &str| -> Result<String, String> {
            let image: Image = name.parse().map_err(|error: InvalidReference| error.to_string())?;
            if image.repository() == name { Ok(name.to_owned()) } else { Err(usage()) }
        };
        Ok(Self { private: repository(private)?, public: repository(public)? })
    }
}

impl fmt::Display for NameMap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}={}", self.private, self.public)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_name_repositories() {
        for text in ["a", "a=", "=b", "a:1=b", "a=b@x", "A=b"] {
            assert!(text.parse::<NameMap>().is_err(), "{text}");
        }
    }
}
