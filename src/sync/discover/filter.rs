//! Which of the images that were found are taken.

use globset::{Glob, GlobSet, GlobSetBuilder};

use crate::model::image::{Image, Mirror};
use crate::model::image_field::LocatedField;
use crate::model::inventory::Place;
use crate::model::knowledge::Knowledge;
use crate::model::record::Records;
use crate::sync::provenance;

/// What the user adds to what we know, where images are mirrored to, and `--only` and `--exclude`: globs on image names,
/// in which `*` also matches slashes. A name is the one as written, the one that was there before we came, or the one
/// that the mirror's naming rule reads, so that a filter means the same after a rewrite.
#[derive(Clone, Debug, Default)]
pub struct ImageFilter {
    pub knowledge: Knowledge,
    /// Private names are read back below it alone; where it is not known, below our path in any ECR.
    pub mirror: Option<Mirror>,
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

    /// The same, but admitting every name.
    pub(super) fn unnarrowed(&self) -> Self {
        Self::default().with(self.knowledge.clone()).below(self.mirror.clone())
    }

    /// What was mirrored as `image` by the naming rule, whoever uses it.
    fn read_back(&self, image: &Image) -> Option<Image> {
        match &self.mirror {
            Some(mirror) => mirror.source_of(image),
            // Which account's it is will be seen when the registry is known.
            None => Mirror::own(image.host())?.source_of(image),
        }
    }

    /// The public image that a private name stands for: only where Cast AI is known to use it, because anybody can
    /// publish the others.
    pub(super) fn source_of(&self, image: &Image) -> Option<Image> {
        self.read_back(image).filter(|source| self.knowledge.knows(source))
    }

    /// What our record says of a image field's value, if that may be mirrored: whoever may edit the workload may edit it.
    pub(super) fn recorded(&self, records: &Records, field: &LocatedField, place: &Place) -> Option<Image> {
        let recorded = records.source(&field.image_field, &field.value)?;
        provenance::provenance(&recorded, place, &self.knowledge).map(|_| recorded)
    }

    /// Whether what something in `place` names may be mirrored, with what our record says of it.
    pub(super) fn may_mirror(&self, image: &Image, recorded: Option<&Image>, place: &Place) -> bool {
        let source = recorded.cloned().or_else(|| self.source_of(image));
        provenance::provenance(source.as_ref().unwrap_or(image), place, &self.knowledge).is_some()
    }

    pub fn admits(&self, image: &Image, source: Option<&Image>) -> bool {
        let behind = self.read_back(image);
        let names = [Some(image), source, behind.as_ref()].map(|name| name.map(Image::as_written));
        let is_match = |globs: &GlobSet| names.iter().flatten().any(|name| globs.is_match(name));
        self.only.as_ref().is_none_or(is_match) && !is_match(&self.exclude)
    }
}
