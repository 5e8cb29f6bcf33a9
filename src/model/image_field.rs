//! The fields of a pod spec that carry images, and where exactly they stand.

use crate::castai::components::IMAGE_VARIABLES;
use crate::model::inventory::Carrier;
use crate::model::pod_spec::{Container, PodSpec};

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
