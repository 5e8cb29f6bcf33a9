//! The policy of [`super::policy`] as a Kyverno `ClusterPolicy`, for API servers without mutating admission policies.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::names::{Names, pattern};
use crate::model::admission_policy::{KYVERNO, NAME};
use crate::model::image_field::{AdmissionList, admission_lists};

pub const GROUP: &str = KYVERNO.group;
pub const VERSION: &str = KYVERNO.versions[0];
pub const KIND: &str = KYVERNO.kinds[0];

/// A pattern of repositories, and the replacement of their images.
#[derive(Debug)]
struct Case {
    repository: String,
    /// Repositories that other cases handle.
    except: Option<String>,
    becomes: NewName,
}

/// The new name of an image.
#[derive(Debug)]
enum NewName {
    /// The image as written, below this path.
    Below(String),
    /// The image as written, with another repository.
    Renamed { public: String, private: String },
}

impl NewName {
    /// The name, with Kyverno's variable for the image as written.
    fn text(&self, image: &str) -> String {
        match self {
            Self::Below(mirror) => format!("{mirror}/{{{{ {image} }}}}"),
            Self::Renamed { public, private } => {
                format!("{{{{ replace({image}, '{public}', '{private}', `1`) }}}}")
            }
        }
    }
}

/// The policy. Kyverno's webhook is called again after other webhooks have added containers.
pub fn manifest(names: &Names) -> Value {
    let mut everywhere = named(names, &names.everywhere);
    if !names.prefixes.is_empty() {
        everywhere.push(Case {
            repository: format!("{}{}", any(names.prefixes.iter().map(String::as_str)), pattern::path()),
            except: (!names.everywhere.is_empty()).then(|| any(names.everywhere.keys().map(String::as_str))),
            becomes: NewName::Below(names.mirror.to_string()),
        });
    }
    let pods = json!({"kinds": ["Pod"], "operations": ["CREATE"]});
    let pods_inside = json!({"kinds": ["Pod"], "operations": ["CREATE"], "namespaces": names.namespaces});
    let rules: Vec<_> =
        [("castai-images", everywhere, pods), ("images-of-others", named(names, &names.inside), pods_inside)]
            .into_iter()
            .filter(|(_, cases, _)| !cases.is_empty())
            .map(|(name, cases, resources)| {
                let foreach: Vec<_> = admission_lists()
                    .into_iter()
                    .flat_map(|list| cases.iter().flat_map(move |case| case.foreach(list)))
                    .collect();
                json!({
                    "name": name,
                    "match": {"any": [{"resources": resources}]},
                    "mutate": {"foreach": foreach},
                })
            })
            .collect();
    json!({
        "apiVersion": format!("{GROUP}/{VERSION}"), "kind": KIND,
        "metadata": {
            "name": NAME,
            "labels": {"app.kubernetes.io/managed-by": NAME},
            // Only pods: their controllers keep what the author wrote.
            "annotations": {"pod-policies.kyverno.io/autogen-controllers": "none"},
        },
        "spec": {"failurePolicy": "Ignore", "background": false, "rules": rules},
    })
}

/// One case for names that follow the naming rule, and one for each of the others.
fn named(names: &Names, repositories: &BTreeMap<String, String>) -> Vec<Case> {
    let is_by_layout =
        |(public, private): &(&String, &String)| **private == format!("{}/{public}", names.mirror);
    let (layout, mapped): (Vec<_>, Vec<_>) = repositories.iter().partition(is_by_layout);
    let layout = (!layout.is_empty()).then(|| Case {
        repository: any(layout.iter().map(|(public, _)| public.as_str())),
        except: None,
        becomes: NewName::Below(names.mirror.to_string()),
    });
    let mapped = mapped.into_iter().map(|(public, private)| Case {
        repository: any([public.as_str()]),
        except: None,
        becomes: NewName::Renamed { public: public.clone(), private: private.clone() },
    });
    layout.into_iter().chain(mapped).collect()
}

fn any<'n>(repositories: impl IntoIterator<Item = &'n str>) -> String {
    let alternatives: Vec<_> = repositories.into_iter().map(pattern::literal).collect();
    format!("^(?:{})", alternatives.join("|"))
}

impl Case {
    /// One entry for images with a tag or digest, and one for those without, which get their implicit tag.
    fn foreach(&self, admission: AdmissionList) -> [Value; 2] {
        let AdmissionList { list, image: members } = admission;
        let element = format!("element.{}", members.join("."));
        // The parents of an item's image may be missing.
        let holders = &members[..members.len().saturating_sub(1)];
        let items = if holders.is_empty() { "[]".to_owned() } else { format!("[?{}]", holders.join(".")) };
        let entry = |version: &str, suffix: &str| {
            let is_match = |pattern: &str, expected: bool| {
                json!({"key": format!("{{{{ regex_match('{pattern}', {element}) }}}}"),
                    "operator": "Equals", "value": expected})
            };
            let mut conditions = vec![is_match(&format!("{}{version}", self.repository), true)];
            conditions
                .extend(self.except.as_ref().map(|except| is_match(&format!("{except}(?:[:@]|$)"), false)));
            let image = Value::from(format!("{}{suffix}", self.becomes.text(&element)));
            let mut item = members.iter().rev().fold(image, |inner, member| json!({*member: inner}));
            item["name"] = "{{ element.name }}".into();
            json!({
                "list": format!("request.object.spec.{list}{items} || `[]`"),
                "preconditions": {"all": conditions},
                "patchStrategicMerge": {"spec": {list: [item]}},
            })
        };
        [entry(pattern::VERSION, ""), entry("$", ":latest")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pods_are_renamed_and_third_party_images_only_in_cast_ais_namespaces() {
        let name = |public: &str, private: &str| (public.to_owned(), private.to_owned());
        let names = Names {
            mirror: "e.example".parse().unwrap(),
            prefixes: vec!["castai/".to_owned()],
            everywhere: BTreeMap::from([name("castai/own", "e.example/mine")]),
            inside: BTreeMap::from([name("rancher/kubectl", "e.example/rancher/kubectl")]),
            namespaces: vec!["castai-agent".to_owned(), "tools".to_owned()],
        };
        let policy = manifest(&names);
        assert_eq!(policy["spec"]["failurePolicy"], "Ignore");
        assert_eq!(policy["metadata"]["annotations"]["pod-policies.kyverno.io/autogen-controllers"], "none");
        let rules = policy["spec"]["rules"].as_array().unwrap();
        let namespaces = |rule: &Value| rule["match"]["any"][0]["resources"]["namespaces"].clone();
        assert_eq!((rules.len(), namespaces(&rules[0])), (2, Value::Null));
        assert_eq!(namespaces(&rules[1]), json!(["castai-agent", "tools"]));
        // A separate name and the prefix, each with and without a tag, for both lists of containers and the volumes.
        let entries = rules[0]["mutate"]["foreach"].as_array().unwrap();
        assert_eq!(entries.len(), 12);
        let becomes = |entry: &Value| entry["patchStrategicMerge"]["spec"]["containers"][0]["image"].clone();
        assert_eq!(becomes(&entries[4]), "{{ replace(element.image, 'castai/own', 'e.example/mine', `1`) }}");
        assert_eq!(becomes(&entries[7]), "e.example/{{ element.image }}:latest");
        let conditions = entries[7]["preconditions"]["all"].as_array().unwrap();
        assert_eq!((conditions.len(), &conditions[1]["value"]), (2, &Value::Bool(false)));
        // Only some volumes have an image.
        assert_eq!(entries[8]["list"], "request.object.spec.volumes[?image] || `[]`");
        let renamed = json!({"name": "{{ element.name }}", "image": {"reference": "e.example/{{ element.image.reference }}"}});
        assert_eq!(entries[10]["patchStrategicMerge"]["spec"]["volumes"], json!([renamed]));
        let condition = entries[10]["preconditions"]["all"][0]["key"].as_str().unwrap();
        assert!(condition.ends_with(", element.image.reference) }}"), "{condition}");
    }
}
