//! Which value of which chart names the repository of which image: `chart-values.csv`.
//!
//! Sources: values.yaml and templates of castai/helm-charts (21 August 2026), castai/kvisor `charts/kvisor`, and
//! castai/helm-charts `charts/castai-umbrella/gar-values.yaml`. An image is named by the last part of its repository,
//! because Cast AI publishes it in several registries. `global since` is a chart version that was seen to put
//! `global.registry` before the image's repository (castai/helm-charts #1398 to #1403): older ones may not.

use semver::Version;

const TABLE: &str = include_str!("chart-values.csv");

/// The chart that [`SCANNERS_KEY`] is a value of.
pub const KVISOR: &str = "castai-kvisor";

/// kvisor's variable for the image of its scanners, where the chart takes variables (castai/kvisor
/// `charts/kvisor/values.yaml`).
pub const SCANNERS_KEY: &str = "controller.additionalEnv.SCANNERS_IMAGE";

/// One value of a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChartValue {
    pub chart: &'static str,
    /// The last part of the image's repository; `*` for all images of the chart.
    image: &'static str,
    /// Where the value stands, with dots between the members.
    pub key: &'static str,
    pub form: Form,
    global_since: Option<&'static str>,
}

/// What of a repository the value holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Repository,
    /// Without `-agent` or `-controller`, which the chart appends.
    Stem,
    /// Everything before the last slash.
    Registry,
}

impl ChartValue {
    /// Whether the chart in this version is known to put `global.registry` before this image.
    pub fn honours_global(&self, version: &str) -> bool {
        let since = self.global_since.and_then(numbers);
        since.is_some_and(|since| numbers(version).is_some_and(|version| version >= since))
    }

    /// What the value has to be so that the image is pulled from `repository`; none where it cannot be said.
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

/// The values of `chart` for an image whose public repository is `repository`.
pub fn of_image<'n>(chart: &'n str, repository: &'n str) -> impl Iterator<Item = ChartValue> + 'n {
    let name = repository.rsplit('/').next().unwrap_or(repository);
    all().filter(move |value| value.chart == chart && (value.image == name || value.image == "*"))
}

/// Where `chart` takes repositories, whatever image it is for.
pub fn keys_of(chart: &str) -> impl Iterator<Item = &'static str> {
    all().filter(move |value| value.chart == chart).map(|value| value.key)
}

fn all() -> impl Iterator<Item = ChartValue> {
    TABLE.lines().skip(1).filter_map(|line| {
        let mut columns = line.split(',');
        let (chart, image, key) = (columns.next()?, columns.next()?, columns.next()?);
        let form = match columns.next()? {
            "stem" => Form::Stem,
            "registry" => Form::Registry,
            _ => Form::Repository,
        };
        let global_since = columns.next().filter(|since| !since.is_empty());
        Some(ChartValue { chart, image, key, form, global_since })
    })
}

/// Major, minor and patch of a chart's version. A pre-release counts as its release, because its templates do.
fn numbers(version: &str) -> Option<(u64, u64, u64)> {
    let version = Version::parse(version.trim_start_matches('v')).ok()?;
    Some((version.major, version.minor, version.patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_well_formed() {
        assert_eq!(all().count(), TABLE.lines().count() - 1);
        for (line, value) in TABLE.lines().skip(1).zip(all()) {
            assert_eq!(line.split(',').count(), 5, "{line}");
            let form = line.split(',').nth(3).unwrap();
            assert!(["repository", "stem", "registry"].contains(&form), "{line}");
            assert_eq!(value.form == Form::Registry, !value.key.ends_with("epository"), "{line}");
            assert!(value.global_since.is_none_or(|since| numbers(since).is_some()), "{line}");
        }
    }

    #[test]
    fn a_version_is_compared_by_its_numbers() {
        let value = of_image("castai-cluster-controller", "x/cluster-controller").next().unwrap();
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
            assert_eq!(value.honours_global(version), expected, "{version}");
        }
    }

    #[test]
    fn a_value_has_the_form_that_its_chart_takes() {
        let value = |chart, repository: &'static str| {
            of_image(chart, repository).find_map(|value| Some((value.key, value.value_for(repository)?)))
        };
        assert_eq!(
            value("castai-kvisor", "e/castai/kvisor-controller"),
            Some(("image.repository", "e/castai/kvisor"))
        );
        assert_eq!(value("castai-live", "e/castai/live/daemon"), Some(("imageRegistry", "e/castai/live")));
        assert_eq!(value("castai-agent", "e/cpa/cpvpa"), Some(("clusterVPA.repository", "e/cpa/cpvpa")));
        assert_eq!(value("castai-agent", "e/unknown"), None);
        let optimizer = "us-docker.pkg.dev/castai-hub/library/dbo-proxy";
        assert_eq!(value("castai-db-optimizer", optimizer), Some(("proxyImage.repository", optimizer)));
    }
}
