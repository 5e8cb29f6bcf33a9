//! Where components store the endpoints that they call, and which endpoints they derive from others.

use crate::model::knowledge::{DerivedEndpoint, EndpointFile, HostRule, Knowledge, Protocol};

impl Knowledge {
    /// Variables that hold an endpoint, with its protocol, each once: REST first, because all components have it.
    pub fn all_endpoint_variables(&self) -> Vec<(&str, Protocol)> {
        let mut all: Vec<(&str, Protocol)> = Vec::new();
        for (name, protocol) in self.all().flat_map(|known| &known.endpoint_variables) {
            if !all.iter().any(|(known, _)| known == name) {
                all.push((name, *protocol));
            }
        }
        all.sort_by_key(|(_, protocol)| *protocol);
        all
    }

    /// Whether this value of the variable makes the component derive the endpoint from another one.
    pub fn is_derived(&self, variable: &str, value: &str) -> bool {
        let mut rules = self.all().flat_map(|known| &known.derived_endpoints);
        rules.any(|rule| rule.unless.get(variable).is_some_and(|automatic| automatic == value))
    }

    /// Endpoints that a component with this image derives from others. `image` is the last segment of its repository.
    pub fn derived_endpoints_of(&self, image: &str) -> impl Iterator<Item = &DerivedEndpoint> {
        let rules = self.all().flat_map(|known| &known.derived_endpoints);
        rules.filter(move |rule| rule.images.iter().any(|name| name == image))
    }

    /// Files in which components store an endpoint.
    pub fn all_endpoint_files(&self) -> impl Iterator<Item = &EndpointFile> {
        self.all().flat_map(|known| &known.endpoint_files)
    }
}

impl DerivedEndpoint {
    /// The host derived from `host`, with `value_of` for the component's variables. `None` if there is no such
    /// endpoint, or if a variable sets it.
    pub fn host<'v>(&self, host: &str, value_of: impl Fn(&str) -> Option<&'v str>) -> Option<String> {
        let is_named = self
            .unless
            .iter()
            .any(|(variable, automatic)| value_of(variable).is_some_and(|value| value != automatic));
        if is_named {
            return None;
        }
        self.hosts.get(host).cloned().or_else(|| self.others.as_ref()?.apply(host))
    }
}

impl HostRule {
    fn apply(&self, host: &str) -> Option<String> {
        let rest = host.strip_prefix(&self.begins)?;
        rest.ends_with(&self.ends).then(|| format!("{}{rest}", self.becomes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::castai::records::built_in;

    #[test]
    fn rest_variables_come_first_and_each_once() {
        let all = built_in().all_endpoint_variables();
        let is_grpc = |(_, protocol): &(&str, Protocol)| *protocol == Protocol::Grpc;
        assert!(all.is_sorted_by_key(is_grpc), "{all:?}");
        let names: std::collections::BTreeSet<_> = all.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), all.len());
        assert_eq!(all[0], ("API_URL", Protocol::Https));
    }

    #[test]
    fn a_host_is_derived_unless_a_variable_sets_it() {
        let telemetry = |image, from, variable: Option<&'static str>| {
            let mut rules = built_in().derived_endpoints_of(image);
            rules.find_map(|rule| rule.host(from, |name| variable.filter(|_| name == "TELEMETRY_URL")))
        };
        for (image, host, variable, expected) in [
            ("kvisor-agent", "kvisor.prod-eu.cast.ai", None, Some("telemetry.prod-eu.cast.ai")),
            ("kvisor-agent", "api-grpc.cast.ai", None, None),
            ("workload-autoscaler", "api.cast.ai", None, Some("telemetry.prod-master.cast.ai")),
            ("workload-autoscaler", "api.x.cast.ai", Some("auto"), Some("telemetry.x.cast.ai")),
            ("workload-autoscaler", "api.x.example", None, None),
            ("workload-autoscaler", "api.cast.ai", Some(""), None),
            ("gpu-metrics-exporter", "api.eu.cast.ai", None, Some("telemetry.prod-eu.cast.ai")),
            ("agent", "api.cast.ai", None, None),
        ] {
            assert_eq!(telemetry(image, host, variable).as_deref(), expected, "{image} {host} {variable:?}");
        }
    }
}
