//! kvisor's scanners, and the variable that names them to its controller where it would not find them by itself: pure.
//!
//! kvisor makes their name out of its controller's. Where they have another one in the mirror, we add the variable, and
//! take it away again once it is not needed. Only a variable that we added is ours; one that somebody else set is an
//! image like any other.

use crate::model::pod_spec::PodSpec;

use crate::castai::components::{self, SCANNERS_VARIABLE};
use crate::model::image::Image;
use crate::model::image_field::fields_of;
use crate::model::inventory::{Carrier, Use};
use crate::sync::plan::assignment::{Assignment, Source};

/// The variable that names the image of `derived` to its container; none of what is not derived.
pub fn variable(derived: &Use) -> Option<Carrier> {
    let container = derived.carrier.container().filter(|_| derived.carrier.is_derived())?;
    Some(Carrier::Environment { container: container.to_owned(), variable: SCANNERS_VARIABLE.to_owned() })
}

/// The image that a variable of `pod` names now.
pub fn value(pod: &PodSpec, variable: &Carrier) -> Option<String> {
    fields_of(pod, [variable]).into_iter().map(|field| field.value).next()
}

/// Whether `variable` is there without a value that it names itself.
pub fn is_set_elsewhere(pod: &PodSpec, variable: &Carrier) -> bool {
    let all = pod.init_containers.iter().flatten().chain(&pod.containers);
    let mut own = all.filter(|container| Some(container.name.as_str()) == variable.container());
    let is_there =
        own.any(|container| container.env.iter().flatten().any(|one| one.name == SCANNERS_VARIABLE));
    is_there && value(pod, variable).is_none()
}

/// Scanners that kvisor does not find.
#[derive(Debug, PartialEq, Eq)]
pub struct Lost<'a> {
    /// What its controller is called.
    pub controller: &'a Image,
    /// The variable that would name them.
    pub variable: Carrier,
    /// What it names now.
    pub named: Option<String>,
}

/// The scanners that the assignment at hand is about, if kvisor does not find them under the name that it gives them.
/// `controller` is what that is called, or is going to be called.
pub fn lost<'a>(
    pod: &PodSpec,
    derived: &Use,
    scanners: &Assignment,
    controller: &'a Image,
) -> Option<Lost<'a>> {
    let variable = variable(derived).filter(|_| matches!(scanners.source, Source::Known(_)))?;
    let named = value(pod, &variable);
    let found = match &named {
        Some(named) => named.parse().ok(),
        None => components::derivation(controller),
    };
    let is_found = found.is_some_and(|found| found.is_same(&scanners.destination));
    (!is_found).then_some(Lost { controller, variable, named })
}

/// The assignment of the container that makes the image of `derived` out of its own.
pub fn controller_of<'a>(assignments: &'a [Assignment], derived: &Use) -> Option<&'a Assignment> {
    assignments
        .iter()
        .find(|assigned| assigned.used_by.iter().any(|used| used.used_by.contains_source_of(derived)))
}
