//! Which value of which chart sets the repository of which image.

use semver::Version;

use crate::model::knowledge::{ChartValue, Form, Knowledge};

impl Knowledge {
    /// The values of `chart` for an image whose public repository is `repository`.
    pub fn values_for(&self, chart: &str, repository: &str) -> impl Iterator<Item = &ChartValue> {
        let name = repository.rsplit('/').next().unwrap_or(repository);
        self.values_of(chart).filter(move |value| value.image == name || value.image == "*")
    }

    /// All values of `chart` that set a repository, whatever the image.
    pub fn values_of(&self, chart: &str) -> impl Iterator<Item = &ChartValue> {
        self.all().flat_map(|known| &known.chart_values).filter(move |value| value.chart == chart)
    }
}

impl ChartValue {
    /// Whether this version of the chart is known to prepend `global.registry` to this image.
    pub fn supports_global(&self, version: &str) -> bool {
        let since = self.global_since.as_deref().and_then(numbers);
        since.is_some_and(|since| numbers(version).is_some_and(|version| version >= since))
    }

    /// The value that makes the chart pull the image from `repository`; `None` if no value can.
    pub fn value_for<'r>(&self, repository: &'r str) -> Option<&'r str> {
        match self.form {
            Form::Repository => Some(repository),
            Form::Stem => {
                repository.strip_suffix("-agent").or_else(|| repository.strip_suffix("-controller"))
            }
            Form::Registry => Some(repository.rsplit_once('/')?.0),
        }
    }
}

/// Major, minor and patch of a chart version. A pre-release counts as its release, because the templates are the same.
pub(super) fn numbers(version: &str) -> Option<(u64, u64, u64)> {
    let version = Version::parse(version.trim_start_matches('v')).ok()?;
    Some((version.major, version.minor, version.patch))
}

#[cfg(test)]
mod tests {
    use crate::castai::records::built_in;

    #[test]
    fn a_version_is_compared_by_its_numbers() {
        let value =
            built_in().values_for("castai-cluster-controller", "x/cluster-controller").next().unwrap();
        for (version, expected) in [
            ("0.92.14", true),
            ("0.100.0", true),
            ("1.0.0-rc.1", true),
            ("v1.0.0+build", true),
            ("0.92.14-rc.1", true),
            ("0.92.9", false),
            ("0.9.140", false),
            ("latest", false),
            ("", false),
        ] {
            assert_eq!(value.supports_global(version), expected, "{version}");
        }
    }

    #[test]
    fn a_value_has_the_form_that_its_chart_expects() {
        let value = |chart: &str, repository: &'static str| {
            let mut values = built_in().values_for(chart, repository);
            values.find_map(|value| Some((value.key.as_str(), value.value_for(repository)?)))
        };
        assert_eq!(
            value("castai-kvisor", "e/castai/kvisor-controller"),
            Some(("image.repository", "e/castai/kvisor"))
        );
        assert_eq!(value("castai-live", "e/castai/live/daemon"), Some(("imageRegistry", "e/castai/live")));
        assert_eq!(value("castai-agent", "e/cpa/cpvpa"), Some(("clusterVPA.repository", "e/cpa/cpvpa")));
        assert_eq!(value("castai-agent", "e/unknown"), None);
        assert_eq!(value("vllm", "e/vllm-openai"), Some(("image.repository", "e/vllm-openai")));
        assert_eq!(value("sglang", "e/vllm-openai"), None);
        let wireguard = "networking.gatewayTemplates.container.wireguard.image.name";
        assert_eq!(value("liqo", "e/gateway/wireguard"), Some((wireguard, "e/gateway/wireguard")));
        assert_eq!(value("db-proxy", "e/db-proxy"), Some(("image.repository", "e/db-proxy")));
        let optimizer = "us-docker.pkg.dev/castai-hub/library/dbo-proxy";
        assert_eq!(value("castai-db-optimizer", optimizer), Some(("proxyImage.repository", optimizer)));
    }
}
