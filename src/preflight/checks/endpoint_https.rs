//! CPL240: the endpoint responds to HTTPS requests.

use probe::Layer;
use probe::exchange::Failure;
use serde_json::json;

use crate::preflight::check::{Category, Check, FactSource, Judge, Requires, Severity, Step};
use crate::preflight::facts::ProbedTarget;
use crate::preflight::judgement::{Fix, Judgement};
use crate::preflight::target::Target;

pub static CHECK: Check = Check {
    code: "CPL240",
    title: "the endpoint responds to HTTPS requests",
    category: Category::Endpoints,
    severity: Severity::Error,
    requires: &[Requires::Same("CPL230")],
    explains: &[],
    source: FactSource::VantagePoint,
    permissions: &[],
    explanation: "Any status below 500 proves the connection: without an API key, Cast AI responds with 401.",
    remediation: "check Cast AI's status page, and whether a proxy responds in its place",
    judge: Judge::Network { layer: Layer::Https, step: Step::Response, applies: Target::is_https, judge },
};

fn judge(probed: &ProbedTarget<'_>) -> Judgement {
    ProbedTarget::judge(&probed.facts.https, judge_status)
}

/// Any status below 500 proves that the endpoint is reachable.
fn judge_status(result: &Result<u16, Failure>) -> Judgement {
    let judgement = match result {
        Ok(status) if *status < 500 => Judgement::pass(format!("HTTP {status}")),
        Ok(status) => Judgement::fail(format!("HTTP {status}")).fix(Fix::text(
            "the connection works, but the server fails: check Cast AI's status page, and whether a proxy \
             responds in its place",
        )),
        Err(failure) => Judgement::fail(failure.to_string()),
    };
    judgement.expected("a status below 500").evidence(json!({ "status": result.as_ref().ok() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_server_errors_and_timeouts_fail() {
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
