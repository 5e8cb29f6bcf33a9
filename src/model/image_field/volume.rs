//! The image or OCI artifact of a volume (`volumes[].image.reference`; Kubernetes 1.36 accepts it without a feature
//! gate). The kubelet pulls it before it starts the containers that mount it.

use super::ImageField;
use super::kind::{FieldKind, Kustomize, Location, Relation};
use super::list_field::{Item, ListField};
use crate::model::pod_template::PodSpec;
use crate::model::workload_kind::WorkloadKind;

pub(super) const KIND: FieldKind = FieldKind {
    form: "volume/NAME",
    location: Location::Item(ListField {
        list: "volumes",
        image: &["image", "reference"],
        items,
        is_managed: true,
    }),
    relation: Relation::None,
    restarts_container: false,
    immutable_in: |kind| (kind == WorkloadKind::Pod).then_some("a pod's volumes are immutable"),
    is_renamed_at_admission: true,
    kustomize: Kustomize { renames: true, gap: |kind| Some(kustomize_gap(kind)) },
};

impl ImageField {
    pub fn of_volume(name: &str) -> Self {
        Self::new(&KIND, &[name])
    }
}

fn items(pod: &PodSpec) -> Vec<Item<'_>> {
    let volumes = pod.volumes.iter().flatten();
    let image = volumes.map(|volume| {
        let image = volume.image.as_ref().and_then(|image| image.reference.as_deref());
        Item { name: &volume.name, image }
    });
    image.collect()
}

/// kubernetes-sigs/kustomize#5921 (fixed in 5.7.0) and, for `CronJobs`, #6239 (not fixed up to 5.8.1).
fn kustomize_gap(kind: WorkloadKind) -> &'static str {
    match kind {
        WorkloadKind::CronJob => "kustomize up to 5.8.1 renames no image in a CronJob's volume",
        _ => "kustomize before 5.7.0 renames no image in a volume",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::patch::{set, set_by_name};
    use super::super::{Variables, admission_lists, locate_image_fields};
    use super::*;
    use crate::model::pod_template::PodTemplate;

    fn pod() -> PodTemplate {
        serde_json::from_value(json!({"spec": {
            "containers": [{"name": "a", "image": "i:1"}],
            "volumes": [
                {"name": "config", "configMap": {"name": "c"}},
                {"name": "model", "image": {"reference": "m:1", "pullPolicy": "Always"}},
                {"name": "empty", "image": {"reference": ""}},
                {"name": "none", "image": {}},
            ],
        }}))
        .unwrap()
    }

    #[test]
    fn a_volume_with_an_image_is_found() {
        let fields = locate_image_fields(&pod(), &Variables::default());
        let found: Vec<_> =
            fields.iter().map(|field| (field.image_field.to_string(), &*field.value)).collect();
        assert_eq!(found, [("container/a".to_owned(), "i:1"), ("volume/model".to_owned(), "m:1")]);
        assert_eq!(fields[1].path, ["spec", "volumes", "1", "image", "reference"]);
        assert_eq!(fields[1].image_field.container(), None);
        assert_eq!("volume/model".parse::<ImageField>().unwrap(), fields[1].image_field);
        let managed = fields[1].managed().unwrap();
        assert_eq!(managed.path, ["f:spec", "f:volumes", r#"k:{"name":"model"}"#, "f:image", "f:reference"]);
        assert_eq!(managed.whole, managed.path.len());
    }

    #[test]
    fn a_patch_tests_the_name_and_the_image() {
        let field = locate_image_fields(&pod(), &Variables::default()).remove(1);
        let at = |member: &str| format!("/spec/jobTemplate/spec/template/spec/volumes/1/{member}");
        let name = json!({"op": "test", "path": at("name"), "value": "model"});
        let image = json!({"op": "test", "path": at("image/reference"), "value": "m:1"});
        let replace = json!({"op": "replace", "path": at("image/reference"), "value": "e.example/m:1"});
        let kind = WorkloadKind::CronJob;
        assert_eq!(json!(set(kind, &field, "e.example/m:1")), json!([name, image, replace]));
        assert_eq!(json!(set_by_name(kind, &field, "e.example/m:1")), json!([name, replace]));
    }

    #[test]
    fn a_volume_has_its_properties() {
        let volume = ImageField::of_volume("model");
        for kind in WorkloadKind::ALL {
            assert_eq!(volume.immutable_in(kind).is_some(), kind == WorkloadKind::Pod, "{kind:?}");
            assert!(volume.kustomize_gap(kind).is_some(), "{kind:?}");
        }
        assert!(
            volume.is_in_object() && volume.is_renamed_at_admission() && volume.is_renamed_by_kustomize()
        );
        assert!(!volume.is_container_image() && !volume.comes_with_container() && !volume.is_derived());
        let lists: Vec<_> = admission_lists().iter().map(|list| list.list).collect();
        assert_eq!(lists, ["initContainers", "containers", "volumes"]);
    }
}
