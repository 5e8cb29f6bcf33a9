//! Images that a component derives from its own, and the variable that sets such an image if it would not be found:
//! pure.
//!
//! If the image's name in the mirror differs from the derived name, we add the variable, and remove it once it is not
//! needed. Only a variable that we added is ours; a variable from another client is an ordinary image field.

use crate::model::pod_template::PodTemplate;

use crate::castai::derivation;
use crate::model::image::Image;
use crate::model::image_field::locate_fields;
use crate::model::inventory::{ImageField, Use};
use crate::sync::plan::assignment::{Assignment, ImageSource};

/// The variable that sets the image of `derived`; `None` if it is not a derived image.
pub fn variable(derived: &Use) -> Option<ImageField> {
    let rule = derived.image_field.derived().and_then(derivation::named)?;
    let container = derived.image_field.container()?;
    Some(ImageField::of_variable(container, &rule.variable))
}

/// The current image in a variable of `pod`.
pub fn value(pod: &PodTemplate, variable: &ImageField) -> Option<String> {
    locate_fields(pod, [variable]).into_iter().map(|field| field.value).next()
}

/// Whether `variable` is set without a literal value.
pub fn is_set_elsewhere(pod: &PodTemplate, variable: &ImageField) -> bool {
    let all = pod.spec.init_containers.iter().flatten().chain(&pod.spec.containers);
    let mut own = all.filter(|container| Some(container.name.as_str()) == variable.container());
    let is_name = |name: &str| Some(name) == variable.variable();
    let is_there = own.any(|container| container.env.iter().flatten().any(|one| is_name(&one.name)));
    is_there && value(pod, variable).is_none()
}

/// A derived image that its component would not find.
#[derive(Debug, PartialEq, Eq)]
pub struct MissingDerivedImage<'a> {
    /// The name of the component's own image.
    pub own: &'a Image,
    /// The variable that would set the derived image.
    pub variable: ImageField,
    /// Its current value.
    pub named: Option<String>,
}

/// The assigned image, if its component would not find it under the derived name. `own` is the current or future name
/// of the component's own image.
pub fn missing<'a>(
    pod: &PodTemplate,
    derived: &Use,
    assigned: &Assignment,
    own: &'a Image,
) -> Option<MissingDerivedImage<'a>> {
    let rule = derived.image_field.derived().and_then(derivation::named)?;
    let variable = variable(derived).filter(|_| matches!(assigned.source, ImageSource::Known(_)))?;
    let named = value(pod, &variable);
    let found = match &named {
        Some(named) => named.parse().ok(),
        None => rule.derived_name(own),
    };
    let is_found = found.is_some_and(|found| found.is_same(&assigned.destination));
    (!is_found).then_some(MissingDerivedImage { own, variable, named })
}

/// The assignment of the container's image that `derived` is derived from.
pub fn source_of<'a>(assignments: &'a [Assignment], derived: &Use) -> Option<&'a Assignment> {
    assignments
        .iter()
        .find(|assigned| assigned.used_by.iter().any(|used| used.used_by.contains_source_of(derived)))
}
