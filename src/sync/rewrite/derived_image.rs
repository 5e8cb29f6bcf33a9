//! Images that a component derives from its own, and the variable that names one where it would not be found: pure.
//!
//! Where such an image has another name in the mirror than the component looks for, we add the variable, and remove it
//! once it is not needed. Only a variable that we added is ours; one that another client set is an image like any
//! other.

use crate::model::pod_spec::PodSpec;

use crate::castai::derivation;
use crate::model::image::Image;
use crate::model::image_field::locate_fields;
use crate::model::inventory::{ImageField, Use};
use crate::sync::plan::assignment::{Assignment, Source};

/// The variable that names the image of `derived` to its container; none of what is not derived.
pub fn variable(derived: &Use) -> Option<ImageField> {
    let rule = derived.image_field.derived().and_then(derivation::named)?;
    let container = derived.image_field.container()?.to_owned();
    Some(ImageField::Environment { container, variable: rule.variable.clone() })
}

/// The image that a variable of `pod` names now.
pub fn value(pod: &PodSpec, variable: &ImageField) -> Option<String> {
    locate_fields(pod, [variable]).into_iter().map(|field| field.value).next()
}

/// Whether `variable` is set without a literal value.
pub fn is_set_elsewhere(pod: &PodSpec, variable: &ImageField) -> bool {
    let all = pod.init_containers.iter().flatten().chain(&pod.containers);
    let mut own = all.filter(|container| Some(container.name.as_str()) == variable.container());
    let is_name = |name: &str| Some(name) == variable.variable();
    let is_there = own.any(|container| container.env.iter().flatten().any(|one| is_name(&one.name)));
    is_there && value(pod, variable).is_none()
}

/// A derived image that its component does not find.
#[derive(Debug, PartialEq, Eq)]
pub struct MissingDerivedImage<'a> {
    /// What the component's own image is called.
    pub own: &'a Image,
    /// The variable that would name the derived one.
    pub variable: ImageField,
    /// What it names now.
    pub named: Option<String>,
}

/// The image of the assignment at hand, if its component does not find it under the name that it looks for. `own` is what
/// the component's own image is called, or is going to be called.
pub fn missing<'a>(
    pod: &PodSpec,
    derived: &Use,
    assigned: &Assignment,
    own: &'a Image,
) -> Option<MissingDerivedImage<'a>> {
    let rule = derived.image_field.derived().and_then(derivation::named)?;
    let variable = variable(derived).filter(|_| matches!(assigned.source, Source::Known(_)))?;
    let named = value(pod, &variable);
    let found = match &named {
        Some(named) => named.parse().ok(),
        None => rule.looked_for(own),
    };
    let is_found = found.is_some_and(|found| found.is_same(&assigned.destination));
    (!is_found).then_some(MissingDerivedImage { own, variable, named })
}

/// The assignment of the container whose image `derived` is named after.
pub fn source_of<'a>(assignments: &'a [Assignment], derived: &Use) -> Option<&'a Assignment> {
    assignments
        .iter()
        .find(|assigned| assigned.used_by.iter().any(|used| used.used_by.contains_source_of(derived)))
}
