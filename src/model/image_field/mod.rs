//! The fields of a pod spec that carry images, and where exactly they stand.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::castai::components::IMAGE_VARIABLES;
use crate::model::pod_spec::{Container, PodSpec};

/// The field of an object that carries an image. Keyed by names and never by an index, because indices move.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Carrier {
    Container(String),
    InitContainer(String),
    EphemeralContainer(String),
    /// A variable of a container whose value is an image.
    Environment {
        container: String,
        variable: String,
    },
    /// No field of its own: the component derives it from the image of `container`.
    Derived {
        container: String,
        component: String,
    },
    /// A field of a custom resource, or an object with `repository` and `tag`, by its JSON pointer.
    Field(String),
    /// None: the user named the image.
    Named,
}

impl Carrier {
    /// Whether there is a field that a patch can set.
    pub const fn is_field(&self) -> bool {
        !matches!(self, Self::Derived { .. } | Self::Named)
    }

    /// The container that it belongs to.
    pub fn container(&self) -> Option<&str> {
        match self {
            Self::Container(name) | Self::InitContainer(name) | Self::EphemeralContainer(name) => Some(name),
            Self::Environment { container, .. } | Self::Derived { container, .. } => Some(container),
            Self::Field(_) | Self::Named => None,
        }
    }
}

impl fmt::Display for Carrier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container(name) => write!(formatter, "container/{name}"),
            Self::InitContainer(name) => write!(formatter, "init/{name}"),
            Self::EphemeralContainer(name) => write!(formatter, "ephemeral/{name}"),
            Self::Environment { container, variable } => write!(formatter, "env/{container}/{variable}"),
            Self::Derived { container, component } => write!(formatter, "derived/{container}/{component}"),
            Self::Field(pointer) => write!(formatter, "field{pointer}"),
            Self::Named => formatter.write_str("named"),
        }
    }
}

/// The text names no carrier.
#[derive(Debug, thiserror::Error)]
#[error(
    "unknown carrier {0:?}: expected container/NAME, init/NAME, ephemeral/NAME, env/CONTAINER/VARIABLE, derived/CONTAINER/COMPONENT, field/POINTER or named"
)]
pub struct UnknownCarrier(String);

impl FromStr for Carrier {
    type Err = UnknownCarrier;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(pointer) = text.strip_prefix("field").filter(|pointer| pointer.starts_with('/')) {
            return Ok(Self::Field(pointer.to_owned()));
        }
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            ["named"] => Ok(Self::Named),
            ["container", name] => Ok(Self::Container((*name).to_owned())),
            ["init", name] => Ok(Self::InitContainer((*name).to_owned())),
            ["ephemeral", name] => Ok(Self::EphemeralContainer((*name).to_owned())),
            ["env", container, variable] => {
                Ok(Self::Environment { container: (*container).to_owned(), variable: (*variable).to_owned() })
            }
            ["derived", container, component] => {
                Ok(Self::Derived { container: (*container).to_owned(), component: (*component).to_owned() })
            }
            _ => Err(UnknownCarrier(text.to_owned())),
        }
    }
}

impl Serialize for Carrier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Carrier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A field that carries an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    pub carrier: Carrier,
    /// The container that the field belongs to.
    pub container: String,
    /// The value as written; it need not be an image reference.
    pub value: String,
    /// Where the value stands in the pod spec, as the tokens of a JSON pointer.
    pub path: Vec<String>,
    /// Fields that say that `path` still means this carrier: a name, and where it stands.
    pub names: Vec<(Vec<String>, String)>,
}

/// All fields of `pod` that carry an image: those of containers, and of the variables that components of Cast AI
/// read images from, where their value is literal.
pub fn carried(pod: &PodSpec) -> Vec<Carried> {
    carried_with(pod, &[])
}

/// Also of variables named `more`.
pub fn carried_with(pod: &PodSpec, more: &[String]) -> Vec<Carried> {
    let mut result = Vec::new();
    let lists = [
        ("initContainers", pod.init_containers.as_deref().unwrap_or_default()),
        ("containers", pod.containers.as_slice()),
    ];
    for (list, containers) in lists {
        for (index, container) in containers.iter().enumerate() {
            let carrier = match list {
                "initContainers" => Carrier::InitContainer(container.name.clone()),
                _ => Carrier::Container(container.name.clone()),
            };
            result.extend(image(list, index, carrier, &container.name, container.image.as_deref()));
            result.extend(variables(list, index, container, more));
        }
    }
    for (index, container) in pod.ephemeral_containers.iter().flatten().enumerate() {
        let carrier = Carrier::EphemeralContainer(container.name.clone());
        result.extend(image(
            "ephemeralContainers",
            index,
            carrier,
            &container.name,
            container.image.as_deref(),
        ));
    }
    result
}

/// The fields of `pod` that `carriers` name, whatever variables are known to carry images.
pub fn fields_of<'c>(pod: &PodSpec, carriers: impl Iterator<Item = &'c Carrier>) -> Vec<Carried> {
    let variables: Vec<String> = carriers
        .filter_map(|carrier| match carrier {
            Carrier::Environment { variable, .. } => Some(variable.clone()),
            _ => None,
        })
        .collect();
    carried_with(pod, &variables)
}

fn image(
    list: &str,
    index: usize,
    carrier: Carrier,
    container: &str,
    value: Option<&str>,
) -> Option<Carried> {
    Some(Carried {
        carrier,
        container: container.to_owned(),
        value: value.filter(|value| !value.is_empty())?.to_owned(),
        path: path(list, index, &["image"]),
        names: vec![(path(list, index, &["name"]), container.to_owned())],
    })
}

fn variables(list: &str, index: usize, container: &Container, more: &[String]) -> Vec<Carried> {
    let environment = container.env.as_deref().unwrap_or_default();
    let more = more.iter().map(String::as_str).filter(|name| !IMAGE_VARIABLES.contains(name));
    IMAGE_VARIABLES
        .iter()
        .copied()
        .chain(more)
        .filter_map(|name| {
            // Of several with one name the last counts.
            let (position, variable) =
                environment.iter().enumerate().rfind(|(_, variable)| variable.name == name)?;
            let position = position.to_string();
            Some(Carried {
                carrier: Carrier::Environment {
                    container: container.name.clone(),
                    variable: name.to_owned(),
                },
                container: container.name.clone(),
                value: variable.value.clone().filter(|value| !value.is_empty())?,
                path: path(list, index, &["env", &position, "value"]),
                names: vec![
                    (path(list, index, &["name"]), container.name.clone()),
                    (path(list, index, &["env", &position, "name"]), name.to_owned()),
                ],
            })
        })
        .collect()
}

fn path(list: &str, index: usize, rest: &[&str]) -> Vec<String> {
    let index = index.to_string();
    [list, &index].into_iter().chain(rest.iter().copied()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
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
}
