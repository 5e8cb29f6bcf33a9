//! Images by cause: messages that differ only in the names of their images have one cause.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::model::image::Image;

/// What has problems, by cause, in the order of the first of each.
pub(super) struct Causes<'c, T>(Vec<Cause<'c, T>>);

/// A cause.
pub(super) struct Cause<'c, T> {
    key: String,
    /// The message of all items; without the names if they differ, because the first one's would mislead.
    pub(super) message: Cow<'c, str>,
    pub(super) items: BTreeSet<T>,
}

impl<'c, T: Ord> Causes<'c, T> {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds an item with its message, which may name `images`.
    pub(super) fn add<'i>(&mut self, message: &'c str, images: impl IntoIterator<Item = &'i Image>, item: T) {
        let key = key(message, images);
        if let Some(cause) = self.0.iter_mut().find(|cause| cause.key == key) {
            cause.items.insert(item);
            if cause.message != message {
                cause.message = Cow::Owned(key);
            }
            return;
        }
        self.0.push(Cause { key, message: Cow::Borrowed(message), items: BTreeSet::from([item]) });
    }

    pub(super) fn all(&self) -> &[Cause<'c, T>] {
        &self.0
    }
}

/// `message` without the names of the images that it is about.
fn key<'i>(message: &str, images: impl IntoIterator<Item = &'i Image>) -> String {
    let images: Vec<_> = images.into_iter().collect();
    let mut names: Vec<_> = images
        .iter()
        .flat_map(|image| {
            let names =
                [image.as_written().to_owned(), image.repository().to_owned(), format!("/{}", image.path())];
            names.map(|name| (name, image.host()))
        })
        .collect();
    // A name may contain another one.
    names.sort_by_key(|(name, _)| Reverse(name.len()));
    let key = names.iter().fold(message.to_owned(), |key, (name, host)| {
        // The host is part of the cause.
        let kept = if name.starts_with(host) { format!("{host}/…") } else { "/…".to_owned() };
        key.replace(name.as_str(), &kept)
    });
    let tags: Vec<_> = images.iter().map(|image| image.version().stored_tag()).collect();
    let is_tag = |word: &str| tags.iter().any(|tag| **tag == *word.trim_end_matches(':'));
    let words = key.split(' ').map(|word| match word.strip_suffix(':') {
        Some(_) if is_tag(word) => "…:",
        None if is_tag(word) => "…",
        _ => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_fails_several_images_keeps_its_punctuation() {
        let images: Vec<Image> =
            ["e.example/a:v1", "e.example/b:v2"].map(|image| image.parse().unwrap()).into();
        let messages: Vec<_> = images
            .iter()
            .map(|image| {
                format!("{} failed on manifest {}: 503", image.repository(), image.version().stored_tag())
            })
            .collect();
        let mut causes = Causes::new();
        for (image, message) in images.iter().zip(&messages) {
            causes.add(message, [image], image.as_written());
        }
        let all: Vec<_> =
            causes.all().iter().map(|cause| (cause.message.as_ref(), cause.items.len())).collect();
        assert_eq!(all, [("e.example/… failed on manifest …: 503", 2)]);
    }
}
