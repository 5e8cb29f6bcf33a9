//! Selects images: by what the user adds to our data, by the mirrors and maps, and by `--only` and `--exclude`.

use std::collections::BTreeSet;

use globset::{Glob, GlobSet, GlobSetBuilder};

use crate::model::image::{Image, Mirror};
use crate::model::image_field::LocatedField;
use crate::model::inventory::{Inventory, Place};
use crate::model::knowledge::Knowledge;
use crate::model::name_map::NameMap;
use crate::model::provenance::Provenance;
use crate::model::record::Records;
use crate::sync::provenance;

/// The user's additions to our data, the mirrors with the user's names in them, and `--only` and `--exclude`: globs on
/// image names, in which `*` also matches slashes. A glob matches the name as written, the recorded original and the
/// source by the naming rule, so that a filter selects the same images after a rewrite.
#[derive(Clone, Debug, Default)]
pub struct ImageFilter {
    pub knowledge: Knowledge,
    /// Private names are translated back only below these; if none is known, below our path in any ECR.
    pub mirrors: Vec<Mirror>,
    /// The user's names in the mirrors: their private names are translated back in every namespace.
    pub maps: Vec<NameMap>,
    /// Whether third-party workloads that Cast AI patches are rewritten too.
    pub include_cni: bool,
    /// Namespaces with components of Cast AI, each with its cluster.
    pub(super) components: BTreeSet<(String, String)>,
    only: Option<GlobSet>,
    /// The patterns of `only`, in its order.
    only_patterns: Vec<String>,
    exclude: GlobSet,
}

impl ImageFilter {
    /// # Errors
    /// A glob is malformed; the error names it.
    pub fn new(only: &[String], exclude: &[String]) -> Result<Self, globset::Error> {
        let set = |globs: &[String]| {
            let mut builder = GlobSetBuilder::new();
            for glob in globs {
                builder.add(Glob::new(glob)?);
            }
            builder.build()
        };
        Ok(Self {
            knowledge: Knowledge::default(),
            mirrors: Vec::new(),
            maps: Vec::new(),
            include_cni: false,
            components: BTreeSet::new(),
            only: if only.is_empty() { None } else { Some(set(only)?) },
            only_patterns: only.to_vec(),
            exclude: set(exclude)?,
        })
    }

    #[must_use]
    pub fn with(self, knowledge: Knowledge) -> Self {
        Self { knowledge, ..self }
    }

    #[must_use]
    pub fn below(self, mirrors: Vec<Mirror>) -> Self {
        Self { mirrors, ..self }
    }

    #[must_use]
    pub fn mapped(self, maps: Vec<NameMap>) -> Self {
        Self { maps, ..self }
    }

    #[must_use]
    pub fn including_cni(self, include_cni: bool) -> Self {
        Self { include_cni, ..self }
    }

    /// Whether `--only` or `--exclude` selects images.
    pub fn is_narrowed(&self) -> bool {
        self.has_only() || self.has_exclude()
    }

    pub const fn has_only(&self) -> bool {
        self.only.is_some()
    }

    pub fn has_exclude(&self) -> bool {
        !self.exclude.is_empty()
    }

    /// The same, but admitting every name.
    pub(super) fn unnarrowed(&self) -> Self {
        Self { only: None, only_patterns: Vec::new(), exclude: GlobSet::empty(), ..self.clone() }
    }

    /// The map that has `image` as its private name.
    pub(super) fn map_of(&self, image: &Image) -> Option<&NameMap> {
        self.maps.iter().find(|map| map.private() == image.repository())
    }

    /// The public image of `image` by a map.
    pub(super) fn mapped_source(&self, image: &Image) -> Option<Image> {
        NameMap::source_of(&self.maps, image)
    }

    /// Whether a map names `image`, by its private or its public name.
    pub fn is_mapped(&self, image: &Image) -> bool {
        let name = image.repository();
        self.maps.iter().any(|map| map.private() == name || map.public() == name)
    }

    /// Whether Cast AI is known to use images of this name, which may be one in a mirror, or the user maps it.
    pub fn is_castai(&self, image: &Image) -> bool {
        self.is_mapped(image) || self.knowledge.knows(image) || self.source_of(image).is_some()
    }

    /// The source of `image` by a map or by the naming rule, in any namespace.
    fn read_back(&self, image: &Image) -> Option<Image> {
        if self.is_mapped(image) {
            return self.mapped_source(image);
        }
        if self.mirrors.is_empty() {
            // The account is checked once the registry is known.
            return Mirror::own(image.host())?.source_of(image);
        }
        self.mirrors.iter().find_map(|mirror| mirror.source_of(image))
    }

    /// The public image of a private name: by a map, else only if Cast AI is known to use the image, because anyone can
    /// publish other images.
    pub(super) fn source_of(&self, image: &Image) -> Option<Image> {
        let is_trusted = |source: &Image| self.is_mapped(image) || self.knowledge.knows(source);
        self.read_back(image).filter(is_trusted)
    }

    /// The recorded original of an image field, if it may be mirrored: anyone who may edit the workload may edit the
    /// record.
    pub(super) fn recorded(&self, records: &Records, field: &LocatedField, place: &Place) -> Option<Image> {
        let recorded = records.source(&field.image_field, &field.value)?;
        self.provenance(&recorded, place).map(|_| recorded)
    }

    /// Whether an image that an object in `place` names may be mirrored; `recorded` is its recorded original.
    pub(super) fn may_mirror(&self, image: &Image, recorded: Option<&Image>, place: &Place) -> bool {
        let source =
            self.mapped_source(image).or_else(|| recorded.cloned()).or_else(|| self.source_of(image));
        self.provenance(source.as_ref().unwrap_or(image), place).is_some()
    }

    /// Where the name of `source` comes from, used in `place`; none where it may not be mirrored.
    pub(super) fn provenance(&self, source: &Image, place: &Place) -> Option<Provenance> {
        provenance::provenance(source, place, &self.knowledge, &self.maps)
    }

    /// Whether `--exclude` matches a name that is not a valid reference.
    pub fn excludes(&self, name: &str) -> bool {
        self.exclude.is_match(name)
    }

    /// The patterns of `--only` that match none of the images found, one sentence each. If nothing was found, that is the
    /// error.
    pub fn unmatched(&self, inventory: &Inventory) -> Vec<String> {
        let Some(only) = self.only.as_ref().filter(|_| !inventory.images.is_empty()) else {
            return Vec::new();
        };
        let mut matched = BTreeSet::new();
        for wanted in &inventory.images {
            let behind = self.read_back(&wanted.image);
            let recorded = wanted.used_by.iter().filter_map(|used_by| used_by.recorded_source.as_ref());
            let names = recorded.chain([&wanted.image]).chain(&wanted.source).chain(&behind);
            matched.extend(names.flat_map(|name| only.matches(name.as_written())));
        }
        let patterns = self.only_patterns.iter().enumerate().filter(|(index, _)| !matched.contains(index));
        patterns.map(|(_, pattern)| format!("--only {pattern} matches no image")).collect()
    }

    pub fn admits(&self, image: &Image, source: Option<&Image>) -> bool {
        let behind = self.read_back(image);
        let names = [Some(image), source, behind.as_ref()].map(|name| name.map(Image::as_written));
        let is_match = |globs: &GlobSet| names.iter().flatten().any(|name| globs.is_match(name));
        self.only.as_ref().is_none_or(is_match) && !is_match(&self.exclude)
    }
}

#[cfg(test)]
mod tests;
