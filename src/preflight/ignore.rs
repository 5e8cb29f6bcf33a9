//! Findings that the user accepts: they stay in the report and do not count.

use std::fmt;
use std::str::FromStr;

use super::checks;

/// `CODE` or `CODE=SUBJECT`: a check, for all subjects or for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignore {
    pub code: &'static str,
    pub subject: Option<String>,
}

impl Ignore {
    /// Whether it names the finding of this check and subject. A subject is written as in the report, in any case, or
    /// as one word, as `-o name` prints it.
    pub fn covers(&self, code: &str, subject: &str) -> bool {
        let is_named = |named: &String| {
            named.eq_ignore_ascii_case(subject) || named.eq_ignore_ascii_case(&one_word(subject))
        };
        self.code == code && self.subject.as_ref().is_none_or(is_named)
    }
}

/// A subject's name without spaces.
pub fn one_word(subject: &str) -> String {
    subject.replace(char::is_whitespace, "-")
}

impl FromStr for Ignore {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (code, subject) = match text.split_once('=') {
            Some((_, "")) => return Err("expected a subject after `=`".to_owned()),
            Some((code, subject)) => (code, Some(subject.to_owned())),
            None => (text, None),
        };
        let check = checks::find(&code.to_uppercase())
            .ok_or_else(|| "there is no check with this code; see `preflight list`".to_owned())?;
        Ok(Self { code: check.code, subject })
    }
}

impl fmt::Display for Ignore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Some(subject) => write!(formatter, "{}={subject}", self.code),
            None => formatter.write_str(self.code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_subjects_are_accepted_in_any_case() {
        let host = ("CPL211", "api.cast.ai");
        let registry = ("CPL302", "ECR of 123456789012");
        for (flag, (code, subject), expected) in [
            ("CPL211", host, true),
            ("cpl211", host, true),
            ("CPL210", host, false),
            ("CPL211=api.cast.ai", host, true),
            ("Cpl211=API.cast.ai", host, true),
            ("CPL211=cast.ai", host, false),
            ("CPL302=ECR of 123456789012", registry, true),
            ("CPL302=ecr-of-123456789012", registry, true),
            ("CPL302=ECR", registry, false),
        ] {
            let ignore: Ignore = flag.parse().unwrap();
            assert_eq!(ignore.covers(code, subject), expected, "{flag} {code} {subject}");
        }
        assert_eq!("cpl211=a=b".parse::<Ignore>().unwrap().to_string(), "CPL211=a=b");
        for flag in ["", "CPL999", "CPL211=", "=x", "CPL211 "] {
            assert!(flag.parse::<Ignore>().is_err(), "{flag}");
        }
    }
}
