//! CPL241: the endpoint responds to gRPC calls over HTTP/2.

use probe::Layer;
use probe::grpc::{Problem, Reply};
use serde_json::json;

use crate::preflight::check::{Category, Check, FactSource, Judge, Requires, Severity, Step};
use crate::preflight::facts::ProbedTarget;
use crate::preflight::judgement::{Fix, Judgement};
use crate::preflight::target::Target;

pub static CHECK: Check = Check {
    code: "CPL241",
    title: "the endpoint responds to gRPC calls over HTTP/2",
    category: Category::Endpoints,
    severity: Severity::Error,
    requires: &[Requires::Same("CPL230")],
    explains: &[],
    source: FactSource::VantagePoint,
    permissions: &[],
    explanation: "Any grpc-status proves the connection, including UNIMPLEMENTED. A proxy without HTTP/2 \
                  support breaks only gRPC.",
    remediation: "allow HTTP/2 end to end: exempt the host from proxies and TLS inspection",
    judge: Judge::Network { layer: Layer::Grpc, step: Step::Response, applies: Target::is_grpc, judge },
};

fn judge(probed: &ProbedTarget<'_>) -> Judgement {
    ProbedTarget::judge(&probed.facts.grpc, judge_reply)
}

/// Any gRPC status proves that the endpoint is reachable.
fn judge_reply(result: &Result<Reply, Problem>) -> Judgement {
    let judgement = match result {
        Ok(Reply { grpc_status: Some(status), .. }) => {
            Judgement::pass(format!("grpc-status {status} ({})", status_name(*status)))
        }
        Ok(Reply { http_status, .. }) => Judgement::fail(format!("HTTP {http_status} without a grpc-status"))
            .fix(Fix::text(
                "the responding server does not speak gRPC: look for a proxy, and check that the \
                 endpoint's service is the one of this host",
            )),
        Err(Problem::NoHttp2(agreed)) => {
            let agreed = agreed.as_deref().unwrap_or("no protocol");
            Judgement::fail(format!("the server negotiated {agreed} instead of h2"))
        }
        Err(Problem::Failed(failure)) => Judgement::fail(failure.to_string()),
    };
    judgement.expected("any grpc-status over HTTP/2").evidence(json!(result.as_ref().ok()))
}

/// Names of google.rpc.Code, which users search for.
const fn status_name(status: u32) -> &'static str {
    match status {
        0 => "OK",
        1 => "CANCELLED",
        2 => "UNKNOWN",
        3 => "INVALID_ARGUMENT",
        4 => "DEADLINE_EXCEEDED",
        5 => "NOT_FOUND",
        6 => "ALREADY_EXISTS",
        7 => "PERMISSION_DENIED",
        8 => "RESOURCE_EXHAUSTED",
        9 => "FAILED_PRECONDITION",
        10 => "ABORTED",
        11 => "OUT_OF_RANGE",
        12 => "UNIMPLEMENTED",
        13 => "INTERNAL",
        14 => "UNAVAILABLE",
        15 => "DATA_LOSS",
        16 => "UNAUTHENTICATED",
        _ => "not a known code",
    }
}

#[cfg(test)]
mod tests {
    use probe::exchange::Failure;

    use super::*;

    #[test]
    fn every_grpc_status_passes_and_everything_else_fails() {
        let reply = |http_status, grpc_status| Ok(Reply { http_status, grpc_status });
        let cases = [
            (reply(200, Some(0)), "Pass"),
            (reply(200, Some(12)), "Pass"),
            (reply(200, Some(16)), "Pass"),
            (reply(404, None), "Fail"),
            (Err(Problem::NoHttp2(Some("http/1.1".to_owned()))), "Fail"),
            (Err(Problem::Failed(Failure::TimedOut)), "Fail"),
        ];
        for (result, expected) in cases {
            assert_eq!(judge_reply(&result).outcome.name(), expected, "{result:?}");
        }
    }
}
