//! Images whose name a component derives at run time from its own image. One case is known: kvisor's controller derives
//! the image of its scan Jobs (castai/kvisor `cmd/controller/kube/client.go`).
//!
//! The names are in the component's record. The rule and its messages are only here.

use super::records::records;
use crate::model::image::{Image, InvalidReference};
use crate::model::knowledge::DerivedImage;

/// What fails if the image is not found.
pub const CONSEQUENCE: &str = "kvisor's scans would fail";

fn all() -> impl Iterator<Item = &'static DerivedImage> {
    records().iter().flat_map(|known| &known.derived_images)
}

/// The derived image with this name.
pub fn named(name: &str) -> Option<&'static DerivedImage> {
    all().find(|rule| rule.name == name)
}

/// The derived image of a component with this image.
pub fn after(image: &Image) -> Option<&'static DerivedImage> {
    all().find(|rule| image.repository().rsplit('/').next() == Some(&rule.from))
}

/// The derived image that this variable sets. The chart takes the variable as a value.
pub fn of_variable(chart: &str, variable: &str) -> Option<&'static DerivedImage> {
    all().find(|rule| rule.chart == chart && rule.variable == variable)
}

/// The image from which `image` is derived, with the rule, if `image` has the name of a derived image.
pub fn origin_of(image: &Image) -> Option<(&'static DerivedImage, Image)> {
    all().find_map(|rule| {
        let repository = image.repository().strip_suffix(&rule.with)?;
        Some((rule, image.with_repository(&format!("{repository}{}", rule.replaces)).ok()?))
    })
}

/// The image that a component derives from `image`, its own, with the rule; `None` if a variable sets it.
///
/// `source` is the source that `image` was mirrored from, if known: the name in the mirror may differ. `given` is the
/// value of a variable that we set: its repository stays, and its version follows the component's. If the name that the
/// component would derive cannot exist, the result is the derived image's real name.
pub fn derive(
    image: &Image,
    source: Option<&Image>,
    given: Option<&Image>,
    has_variable: impl Fn(&str) -> bool,
) -> Option<(&'static DerivedImage, Image)> {
    let rule = after(image).or_else(|| after(source?)).filter(|rule| !has_variable(&rule.variable))?;
    let own = || rule.beside(image).or_else(|why| source.map_or(Err(why), |source| rule.beside(source))).ok();
    let given = given.and_then(|given| own()?.with_repository(given.repository()).ok());
    let derived = given.or_else(own).or_else(|| rule.derived_name(image)).unwrap_or_else(|| image.clone());
    Some((rule, derived))
}

impl DerivedImage {
    /// The name that the component derives from its own, whether or not such an image exists; `None` if it equals its
    /// own.
    pub fn derived_name(&self, own: &Image) -> Option<Image> {
        let written = own.as_written();
        let derived: Option<Image> = written.replacen(&self.replaces, &self.with, 1).parse().ok();
        derived.filter(|derived| derived.as_written() != written)
    }

    /// The derived image of the same version: next to the component's own, with the same tag.
    ///
    /// # Errors
    /// The component's name does not determine it; the text says why and what to do.
    pub fn beside(&self, own: &Image) -> Result<Image, String> {
        let Self { replaces, with, variable, .. } = self;
        let written = own.as_written();
        let (version, repository) = (own.version(), own.repository());
        if version.digest().is_some() && version.tag().is_none() {
            return Err(format!(
                "cannot derive the tag of kvisor's scanners from the digest in {written}: name the \
                 controller by tag, or by tag and digest, or set its variable {variable}"
            ));
        }
        let start = repository.rfind('/').map_or(0, |slash| slash + 1);
        let (path, component) = repository.split_at(start);
        if !component.contains(replaces) {
            return Err(format!(
                "cannot derive the name of kvisor's scanners from {written}, because it has no {replaces:?} after the \
                 last slash: set its variable {variable}"
            ));
        }
        let tag = version.tag().map(|tag| format!(":{tag}")).unwrap_or_default();
        format!("{path}{}{tag}", component.replacen(replaces, with, 1))
            .parse()
            .map_err(|error: InvalidReference| error.to_string())
    }

    /// The derived image that the component finds next to its own.
    ///
    /// # Errors
    /// No image can have the derived name; the text says why and what to do.
    pub fn found_beside(&self, own: &Image) -> Result<Image, String> {
        let Self { replaces, with, .. } = self;
        let written = own.as_written();
        if own.version().digest().is_some() {
            return Err(format!(
                "kvisor cannot find its scanners if its controller image has a digest: use a tag instead \
                 of {written}"
            ));
        }
        let component = own.repository().rfind('/').map_or(0, |slash| slash + 1);
        match written.find(replaces) {
            Some(found) if (component..own.repository().len()).contains(&found) => written
                .replacen(replaces, with, 1)
                .parse()
                .map_err(|error: InvalidReference| error.to_string()),
            Some(found) if found < component => Err(format!(
                "kvisor cannot find its scanners next to {written}, because it replaces the first \
                 {replaces:?} in the name: choose a --registry path or a --map without it before the last \
                 slash"
            )),
            _ => Err(format!(
                "kvisor cannot find its scanners next to {written}, because it replaces {replaces:?} in \
                 the name: choose a --map to a name that ends in {replaces:?}"
            )),
        }
    }
}

/// Why the component cannot use `derived`; `why` says why its variables cannot be set.
pub fn variable_required(derived: &Image, why: &str) -> String {
    format!("kvisor requires a variable that sets its scanners to {derived}, and {why}")
}

/// What to do if the variable takes its value from another object. `field` is the variable's field.
pub fn variable_has_no_value(field: &str, derived: &Image) -> String {
    format!("kvisor cannot find its scanners, and {field} has no literal value: set it to {derived}")
}

/// What to do in a manifest to which no line can be added, so that the component finds `source`.
pub fn set_in_file(own: &Image, container: &str, variable: &str, source: &Image) -> String {
    format!(
        "kvisor cannot derive its scanners from {own}: set the variable {variable} of its container \
         {container:?} to {source}, which is then rewritten too"
    )
}

/// What to do in a manifest from which the component is excluded, so that its image can be `own`.
pub fn set_in_manifest(own: &Image, variable: &str, derived: &Image) -> String {
    format!(
        "with the name {own} kvisor cannot find its scanners: set {variable} to {derived} in its \
             manifest"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(text: &str) -> Image {
        text.parse().unwrap()
    }

    fn rule() -> &'static DerivedImage {
        named("kvisor-scanners").unwrap()
    }

    #[test]
    fn the_scanners_image_follows_kvisors_own_rule() {
        let controller = image("ghcr.io/castai/kvisor/kvisor-controller:v1.164.8");
        let (rule, scanners) = derive(&controller, None, None, |_| false).unwrap();
        assert_eq!(rule.name, "kvisor-scanners");
        assert_eq!(scanners.as_written(), "ghcr.io/castai/kvisor/kvisor-scanners:v1.164.8");
        assert_eq!(derive(&controller, None, None, |name| name == "SCANNERS_IMAGE"), None);
        let renamed = image("e.example/kv-controller:v1");
        let (_, scanners) = derive(&renamed, Some(&controller), None, |_| false).unwrap();
        assert_eq!(scanners.as_written(), "e.example/kv-scanners:v1");
        assert_eq!(derive(&renamed, None, None, |_| false), None);
        // A name that kvisor would derive but no scanner has, and a variable of ours that sets the right one.
        let pinned = image(&format!("{controller}@sha256:{}", "a".repeat(64)));
        let flat = image("e.example/kvisor:v1.164.8");
        let named = image("e.example/scan:v1");
        let cases = [
            (&pinned, None, None, "ghcr.io/castai/kvisor/kvisor-scanners:v1.164.8"),
            (&flat, Some(&controller), None, "ghcr.io/castai/kvisor/kvisor-scanners:v1.164.8"),
            (&flat, Some(&controller), Some(&named), "e.example/scan:v1.164.8"),
            (&pinned, None, Some(&named), "e.example/scan:v1.164.8"),
        ];
        for (controller, source, named, expected) in cases {
            let (_, scanners) = derive(controller, source, named, |_| false).unwrap();
            assert_eq!(scanners.as_written(), expected, "{controller}");
        }
        let agent = image("ghcr.io/castai/kvisor/kvisor-agent:v1.164.8");
        assert_eq!(derive(&agent, None, None, |_| false), None);
    }

    #[test]
    fn scanners_have_a_name_only_if_kvisor_looks_for_it() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let (pinned, both) =
            (format!("e/kvisor-controller@{digest}"), format!("e/kvisor-controller:v1@{digest}"));
        let cases = [
            ("ghcr.io/castai/kvisor/kvisor-controller:v1", Ok("ghcr.io/castai/kvisor/kvisor-scanners:v1")),
            ("e.example/kvisor-controller:v1-controller", Ok("e.example/kvisor-scanners:v1-controller")),
            ("e.example/my-controller/kvisor-controller:v1", Err("--registry path")),
            ("my-controller.example/kvisor-controller:v1", Err("--registry path")),
            ("e.example/kvisor:v1", Err("a name that ends in")),
            ("e.example/kvisor:v1-controller", Err("a name that ends in")),
            (
                pinned.as_str(),
                Err("kvisor cannot find its scanners if its controller image has a digest: use a tag"),
            ),
            (
                both.as_str(),
                Err("kvisor cannot find its scanners if its controller image has a digest: use \
                                 a tag"),
            ),
        ];
        for (controller, expected) in cases {
            match (rule().found_beside(&image(controller)), expected) {
                (Ok(scanners), Ok(expected)) => assert_eq!(scanners.as_written(), expected),
                (Err(error), Err(words)) => assert!(error.contains(words), "{controller}: {error}"),
                (seen, _) => panic!("{controller}: {seen:?}"),
            }
        }
    }

    #[test]
    fn scanners_are_next_to_their_controller_with_its_tag() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let cases = [
            ("ghcr.io/castai/kvisor/kvisor-controller:v1", Ok("ghcr.io/castai/kvisor/kvisor-scanners:v1")),
            (&format!("e/kvisor-controller:v1@{digest}"), Ok("e/kvisor-scanners:v1")),
            (
                "e.example/my-controller/kvisor-controller:v1",
                Ok("e.example/my-controller/kvisor-scanners:v1"),
            ),
            ("e.example/kvisor-controller:v1-controller", Ok("e.example/kvisor-scanners:v1-controller")),
            ("kvisor-controller", Ok("kvisor-scanners:latest")),
            (&format!("e/kvisor-controller@{digest}"), Err("cannot derive the tag")),
            ("e.example/my-controller/kvisor:v1-controller", Err("cannot derive the name")),
        ];
        for (controller, expected) in cases {
            match (rule().beside(&image(controller)), expected) {
                (Ok(scanners), Ok(expected)) => assert_eq!(scanners.as_written(), expected),
                (Err(error), Err(words)) => assert!(error.contains(words), "{controller}: {error}"),
                (seen, _) => panic!("{controller}: {seen:?}"),
            }
        }
    }
}
