//! The checks that the user selects.

/// The checks in `only`, or all if it is empty, without those in `skip`; by their codes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    pub only: Vec<String>,
    pub skip: Vec<String>,
}

impl Selection {
    pub fn includes(&self, code: &str) -> bool {
        let is_in = |codes: &[String]| codes.iter().any(|other| other == code);
        (self.only.is_empty() || is_in(&self.only)) && !is_in(&self.skip)
    }

    /// Whether all checks are selected.
    pub fn is_whole(&self) -> bool {
        self.only.is_empty() && self.skip.is_empty()
    }
}
