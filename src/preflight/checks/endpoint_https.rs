//! CPL240: the endpoint answers HTTPS requests.

use probe::Layer;
use probe::exchange::Failure;
use serde_json::json;

use crate::preflight::check::{Category, Check, Judge, Requires, Severity, Source, Step};
use crate::preflight::facts::Sight;
use crate::preflight::judgement::{Judgement, Remedy};
use crate::preflight::target::Target;

pub static CHECK: Check = Check {
    code: "CPL240",
    title: "the endpoint answers HTTPS requests",
    category: Category::Endpoints,
    severity: Severity::Error,
    requires: &[Requires::Same("CPL230")],
    source: Source::VantagePoint,
    permissions: &[],
    explanation: "Any status below 500 proves the way: without a key, Cast AI answers 401.",
    remediation: "see whether Cast AI has an incident, and whether a proxy answers in its place",
    judge: Judge::Network { layer: Layer::Https, step: Step::Answer, applies: Target::is_https, judge },
};

fn judge(sight: &Sight<'_>) -> Judgement {
    Sight::judge(&sight.facts.https, judge_status)
}

/// Any status below 500 proves the way.
fn judge_status(result: &Result<u16, Failure>) -> Judgement {
    let judgement = match result {
        Ok(status) if *status < 500 => Judgement::pass(format!("HTTP {status}")),
        Ok(status) => Judgement::fail(format!("HTTP {status}")).remedy(Remedy::text(
            "the way is open, but the server behind it has no answer: see Cast AI's status page, and whether a proxy answers in its place",
        )),
        Err(failure) => Judgement::fail(failure.to_string()),
    };
    judgement.expected("a status below 500").evidence(json!({ "status": result.as_ref().ok() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_server_errors_and_silence_fail() {
        let cases = [
            (Ok(200), "Pass"),
            (Ok(401), "Pass"),
            (Ok(404), "Pass"),
            (Ok(302), "Pass"),
            (Ok(500), "Fail"),
            (Ok(503), "Fail"),
            (Err(Failure::TimedOut), "Fail"),
            (Err(Failure::Broken("reset".to_owned())), "Fail"),
        ];
        for (result, expected) in cases {
            assert_eq!(judge_status(&result).outcome.name(), expected, "{result:?}");
        }
    }
}
