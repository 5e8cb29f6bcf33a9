//! Removes account IDs and secrets from a report that leaves this machine. An account has the same placeholder
//! everywhere, so that the text still says which resources belong together.

mod secrets;

use serde_json::Value;

use super::finding::{CausedBy, Finding};
use super::judgement::{Fix, Outcome};
use super::report::Report;
use super::subject::Subject;
use crate::error::CommandError;

/// The digits of an account ID.
const DIGITS: usize = 12;

/// The accounts that were replaced, in the order of their placeholders.
#[derive(Debug, Default)]
pub struct Redaction {
    accounts: Vec<String>,
}

impl Redaction {
    /// A report without account IDs and secrets. Its commands have placeholders too.
    pub fn report(&mut self, report: &Report) -> Report {
        let error = report.error.as_ref().map(|error| CommandError {
            message: self.text(&error.message),
            hint: error.hint.as_ref().map(|hint| self.text(hint)),
            commands: error.commands.iter().map(|command| self.text(command)).collect(),
            is_not_found: error.is_not_found,
        });
        Report {
            created: report.created,
            cluster: report.cluster.as_ref().map(|cluster| self.text(cluster)),
            region: report.region.as_ref().map(|region| self.text(region)),
            narrowed: report.narrowed,
            not_covered: report.not_covered.clone(),
            unmatched_ignores: report.unmatched_ignores.iter().map(|ignore| self.text(ignore)).collect(),
            timed_out: report.timed_out,
            error,
            findings: report.findings.iter().map(|finding| self.finding(finding)).collect(),
        }
    }

    fn finding(&mut self, finding: &Finding) -> Finding {
        let outcome = match &finding.outcome {
            Outcome::Unknown { why } => Outcome::Unknown { why: self.text(why) },
            Outcome::NotWanted { why } => Outcome::NotWanted { why: self.text(why) },
            other => other.clone(),
        };
        let fix = |fix: &Fix| Fix {
            text: self.text(&fix.text),
            command: fix.command.as_ref().map(|command| self.text(command)),
        };
        let fixes = finding.fixes.iter().map(fix).collect();
        let caused_by = finding.caused_by.as_ref();
        let caused_by =
            caused_by.map(|cause| CausedBy { code: cause.code, subject: self.text(&cause.subject) });
        Finding {
            subject: Subject {
                name: self.text(&finding.subject.name),
                needed_by: finding.subject.needed_by.iter().map(|name| self.text(name)).collect(),
                usually_needed_by: finding
                    .subject
                    .usually_needed_by
                    .iter()
                    .map(|name| self.text(name))
                    .collect(),
                kind: finding.subject.kind,
            },
            outcome,
            observed: self.text(&finding.observed),
            expected: self.text(&finding.expected),
            evidence: self.value(&finding.evidence),
            fixes,
            caused_by,
            ..finding.clone()
        }
    }

    /// The same value with redacted texts and keys. The value of a key such as `password` is a secret as a whole.
    pub fn value(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Number(number) => {
                let text = number.to_string();
                let redacted = self.text(&text);
                if redacted == text { value.clone() } else { Value::String(redacted) }
            }
            Value::Array(values) => values.iter().map(|value| self.value(value)).collect(),
            Value::Object(members) => {
                let members = members.iter().map(|(key, value)| {
                    let value = match value {
                        Value::String(_) if secrets::is_secret(key) => {
                            Value::String(secrets::SECRET.to_owned())
                        }
                        value => self.value(value),
                    };
                    (self.text(key), value)
                });
                Value::Object(members.collect())
            }
            Value::Null | Value::Bool(_) => value.clone(),
        }
    }

    /// A text without account IDs and secrets.
    pub fn text(&mut self, text: &str) -> String {
        let text = secrets::redacted(text);
        let mut redacted = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(start) = rest.find(|character: char| character.is_ascii_digit()) {
            redacted.push_str(&rest[..start]);
            rest = &rest[start..];
            let is_part = |character: char| character.is_ascii_digit() || character == '-';
            let length = rest.find(|character| !is_part(character)).unwrap_or(rest.len());
            redacted.push_str(&self.digits(&rest[..length]));
            rest = &rest[length..];
        }
        redacted + rest
    }

    /// Digits and hyphens: an account ID is 12 digits, or three groups of four as in AWS' console.
    fn digits(&mut self, text: &str) -> String {
        let parts: Vec<&str> = text.split('-').collect();
        let mut redacted: Vec<String> = Vec::new();
        let mut index = 0;
        while let Some(part) = parts.get(index) {
            let group = parts.get(index..index + 3).filter(|group| group.iter().all(|part| part.len() == 4));
            if part.len() == DIGITS {
                redacted.push(self.placeholder(part));
            } else if let Some(group) = group {
                redacted.push(self.placeholder(&group.concat()));
                index += 2;
            } else {
                redacted.push((*part).to_owned());
            }
            index += 1;
        }
        redacted.join("-")
    }

    fn placeholder(&mut self, account: &str) -> String {
        let known = self.accounts.iter().position(|known| known == account);
        let index = known.unwrap_or_else(|| {
            self.accounts.push(account.to_owned());
            self.accounts.len() - 1
        });
        format!("account-{}", index + 1)
    }
}

#[cfg(test)]
mod tests;
