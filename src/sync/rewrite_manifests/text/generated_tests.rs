//! Tests with generated files in every form of manifests: the output of the filter is compared, byte by byte and as
//! values, with the output that the generator expects.

mod content;
mod dice;
mod writer;

use std::collections::BTreeSet;

use serde_json::Value;

use self::content::{Made, make};
use self::dice::Dice;
use self::writer::{Written, write};
use super::difference;
use super::tests::{filtered, private};
use crate::parse::documents::{self, Document};

/// The number of files, by default and with `TEST_LONG`, which takes twenty seconds in a debug build.
const FILES: [usize; 2] = [100, 500];

#[test]
fn only_images_change_in_generated_files() {
    let mut dice = Dice::from_environment();
    let files = FILES[usize::from(std::env::var_os("TEST_LONG").is_some())];
    let (mut images, mut forms) = (0, BTreeSet::new());
    for file in 0..files {
        let made: Vec<Made> = (0..=dice.below(3)).map(|_| make(&mut dice)).collect();
        let written = write(&made, &mut dice);
        let context = format!("TEST_SEED={} file {file}:\n{}", dice.seed, written.before);
        check(&made, &written, &context);
        images += made.iter().map(|made| made.images.len()).sum::<usize>();
        forms.extend(written.forms);
    }
    assert!(images > 2 * files, "{images} images in {files} files");
    // The generator covers all these forms.
    let wanted = "alias anchor block comment crlf directive double escape flow folded json literal mark merge plain single";
    assert_eq!(forms.into_iter().collect::<Vec<_>>().join(" "), wanted);
}

fn check(made: &[Made], written: &Written, context: &str) {
    let values = |text: &str| -> Vec<Value> {
        let documents = documents::read(text).unwrap_or_else(|fault| panic!("{fault:?}\n{context}"));
        documents.into_iter().map(|Document { value, .. }| value).collect()
    };
    let before: Vec<Value> = made.iter().map(|made| made.value.clone()).collect();
    let other = difference(&before.clone().into(), &values(&written.before).into());
    assert_eq!(other, None, "the generator wrote something else\n{context}");

    let after = filtered(&written.before).unwrap_or_else(|refused| panic!("{refused}\n{context}"));
    let expected: Vec<Value> = made
        .iter()
        .map(|made| {
            let mut value = made.value.clone();
            for pointer in &made.images {
                let field = value.pointer_mut(pointer).unwrap();
                *field = private(field.as_str().unwrap()).into();
            }
            value
        })
        .collect();
    assert_eq!(difference(&expected.into(), &values(&after).into()), None, "{context}");
    assert_eq!(after, written.after, "{context}");
    assert_eq!(filtered(&after).as_ref(), Ok(&after), "twice is once\n{context}");
}
