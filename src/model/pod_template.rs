//! The parts of a pod template that this program reads. Kubernetes' own type takes 25 kB for an ordinary pod, mostly for
//! unset fields, and thousands are in memory together.

use k8s_openapi::api::core::v1::{
    self, ConfigMapVolumeSource, EnvFromSource, EnvVarSource, SecretVolumeSource,
};
use serde::{Deserialize, Deserializer};

/// A pod template, or a pod. Paths of image fields start here.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct PodTemplate {
    pub spec: PodSpec,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodSpec {
    #[serde(default, deserialize_with = "or_none")]
    pub containers: Vec<Container>,
    pub init_containers: Option<Vec<Container>>,
    pub ephemeral_containers: Option<Vec<Container>>,
    pub volumes: Option<Vec<Volume>>,
    pub service_account_name: Option<String>,
}

/// A container of any kind.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    #[serde(default)]
    pub name: String,
    pub image: Option<String>,
    pub env: Option<Vec<EnvVar>>,
    pub env_from: Option<Vec<EnvFromSource>>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvVar {
    #[serde(default)]
    pub name: String,
    pub value: Option<String>,
    pub value_from: Option<Box<EnvVarSource>>,
}

/// A volume with a `ConfigMap`, a Secret or an image; others are ignored.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    #[serde(default)]
    pub name: String,
    pub image: Option<VolumeImage>,
    pub config_map: Option<Box<ConfigMapVolumeSource>>,
    pub secret: Option<Box<SecretVolumeSource>>,
}

/// An image or OCI artifact that is mounted.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct VolumeImage {
    pub reference: Option<String>,
}

fn or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Container>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl From<&v1::PodTemplateSpec> for PodTemplate {
    fn from(template: &v1::PodTemplateSpec) -> Self {
        Self { spec: template.spec.as_ref().map(PodSpec::from).unwrap_or_default() }
    }
}

impl From<&v1::Pod> for PodTemplate {
    fn from(pod: &v1::Pod) -> Self {
        Self { spec: pod.spec.as_ref().map(PodSpec::from).unwrap_or_default() }
    }
}

/// Only the images of its volumes, because other volumes are not needed of pods that were read individually.
impl From<&v1::PodSpec> for PodSpec {
    fn from(pod: &v1::PodSpec) -> Self {
        let variable = |variable: &v1::EnvVar| EnvVar {
            name: variable.name.clone(),
            value: variable.value.clone(),
            value_from: variable.value_from.clone().map(Box::new),
        };
        let container = |name: &str, image: Option<&String>, env: Option<&Vec<v1::EnvVar>>| Container {
            name: name.to_owned(),
            image: image.cloned(),
            env: env.map(|env| env.iter().map(variable).collect()),
            env_from: None,
        };
        let all = |containers: &Vec<v1::Container>| -> Vec<Container> {
            let each = containers.iter();
            each.map(|of| container(&of.name, of.image.as_ref(), of.env.as_ref())).collect()
        };
        let ephemeral = |containers: &Vec<v1::EphemeralContainer>| -> Vec<Container> {
            containers.iter().map(|of| container(&of.name, of.image.as_ref(), of.env.as_ref())).collect()
        };
        let volume = |volume: &v1::Volume| Volume {
            name: volume.name.clone(),
            image: volume.image.as_ref().map(|image| VolumeImage { reference: image.reference.clone() }),
            config_map: None,
            secret: None,
        };
        Self {
            containers: all(&pod.containers),
            init_containers: pod.init_containers.as_ref().map(all),
            ephemeral_containers: pod.ephemeral_containers.as_ref().map(ephemeral),
            service_account_name: pod.service_account_name.clone(),
            volumes: pod.volumes.as_ref().map(|volumes| volumes.iter().map(volume).collect()),
        }
    }
}
