//! Which of the images that were found are taken.

use globset::{Glob, GlobSet, GlobSetBuilder};

use crate::model::image::{Image, Mirror};
use crate::model::image_field::LocatedField;
use crate::model::inventory::Place;
use crate::model::knowledge::Knowledge;
use crate::model::name_map::NameMap;
use crate::model::provenance::Provenance;
use crate::model::record::Records;
use crate::sync::provenance;

/// What the user adds to what we know, where images are mirrored to and by which names of the user's, and `--only` and `--exclude`: globs on image names,
/// in which `*` also matches slashes. A name is the one as written, the one that was there before we came, or the one
/// that the mirror's naming rule reads, so that a filter means the same after a rewrite.
#[derive(Clone, Debug, Default)]
pub struct ImageFilter {
    pub knowledge: Knowledge,
    /// Private names are read back below it alone; where it is not known, below our path in any ECR.
    pub mirror: Option<Mirror>,
    /// Names in the mirror that the user gives: their private names are read back wherever they are used.
    pub maps: Vec<NameMap>,
    only: Option<GlobSet>,
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
            mirror: None,
            maps: Vec::new(),
            only: if only.is_empty() { None } else { Some(set(only)?) },
            exclude: set(exclude)?,
        })
    }

    #[must_use]
    pub fn with(self, knowledge: Knowledge) -> Self {
        Self { knowledge, ..self }
    }

    #[must_use]
    pub fn below(self, mirror: Option<Mirror>) -> Self {
        Self { mirror, ..self }
    }

    #[must_use]
    pub fn mapped(self, maps: Vec<NameMap>) -> Self {
        Self { maps, ..self }
    }

    /// The same, but admitting every name.
    pub(super) fn unnarrowed(&self) -> Self {
        Self::default().with(self.knowledge.clone()).below(self.mirror.clone()).mapped(self.maps.clone())
    }

    /// The map that has `image` as its private name.
    pub(super) fn map_of(&self, image: &Image) -> Option<&NameMap> {
        self.maps.iter().find(|map| map.private() == image.repository())
    }

    /// What the user says that `image` was mirrored from.
    pub(super) fn mapped_source(&self, image: &Image) -> Option<Image> {
        NameMap::source_of(&self.maps, image)
    }

    /// Whether a map names `image`, by its private or its public name.
    pub fn is_mapped(&self, image: &Image) -> bool {
        let name = image.repository();
        self.maps.iter().any(|map| map.private() == name || map.public() == name)
    }

    /// What was mirrored as `image` by a map or by the naming rule, whoever uses it.
    fn read_back(&self, image: &Image) -> Option<Image> {
        if self.is_mapped(image) {
            return self.mapped_source(image);
        }
        match &self.mirror {
            Some(mirror) => mirror.source_of(image),
            // Which account's it is will be seen when the registry is known.
            None => Mirror::own(image.host())?.source_of(image),
        }
    }

    /// The public image that a private name stands for: by a map, else only where Cast AI is known to use it, because
    /// anybody can publish the others.
    pub(super) fn source_of(&self, image: &Image) -> Option<Image> {
        let is_trusted = |source: &Image| self.is_mapped(image) || self.knowledge.knows(source);
        self.read_back(image).filter(is_trusted)
    }

    /// What our record says of a image field's value, if that may be mirrored: whoever may edit the workload may edit it.
    pub(super) fn recorded(&self, records: &Records, field: &LocatedField, place: &Place) -> Option<Image> {
        let recorded = records.source(&field.image_field, &field.value)?;
        self.provenance(&recorded, place).map(|_| recorded)
    }

    /// Whether what something in `place` names may be mirrored, with what our record says of it.
    pub(super) fn may_mirror(&self, image: &Image, recorded: Option<&Image>, place: &Place) -> bool {
        let source =
            self.mapped_source(image).or_else(|| recorded.cloned()).or_else(|| self.source_of(image));
        self.provenance(source.as_ref().unwrap_or(image), place).is_some()
    }

    /// Where the name of `source` comes from, used in `place`; none where it may not be mirrored.
    pub(super) fn provenance(&self, source: &Image, place: &Place) -> Option<Provenance> {
        provenance::provenance(source, place, &self.knowledge, &self.maps)
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
