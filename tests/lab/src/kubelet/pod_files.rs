//! The files and the name servers that a pod gives its containers.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{ConfigMap, Container, KeyToPath, Pod};
use kube::Api;

use crate::address;

/// The content of `/etc/resolv.conf`, by the pod's DNS policy.
pub(super) fn resolv_conf(pod: &Pod) -> String {
    let spec = pod.spec.clone().unwrap_or_default();
    let on_host = spec.host_network.unwrap_or_default();
    let namespace = pod.metadata.namespace.as_deref().unwrap_or("default");
    let nameservers = |servers: &[String]| {
        let lines: Vec<_> = servers.iter().map(|server| format!("nameserver {server}")).collect();
        lines.join("\n") + "\n"
    };
    let from_vpc = || nameservers(&[address::DNS.to_string()]);
    let from_cluster = |server: Ipv4Addr| {
        let domains = format!("{namespace}.svc.cluster.local svc.cluster.local cluster.local");
        format!("search {domains}\n{}options ndots:5\n", nameservers(&[server.to_string()]))
    };
    match spec.dns_policy.as_deref() {
        Some("None") => {
            let servers = spec.dns_config.and_then(|config| config.nameservers).unwrap_or_default();
            nameservers(&servers)
        }
        Some("Default") => from_vpc(),
        Some("ClusterFirst") | None if on_host => from_vpc(),
        _ => from_cluster(address::CLUSTER_DNS),
    }
}

/// The files of the config maps that the container mounts; else the kubelet's message on the one that is missing.
pub(super) async fn mounted(
    client: &kube::Client,
    pod: &Pod,
    container: &Container,
) -> Result<BTreeMap<PathBuf, Vec<u8>>, String> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or("default");
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_ref());
    let mut files = BTreeMap::new();
    for mount in container.volume_mounts.iter().flatten() {
        let volume = volumes.into_iter().flatten().find(|volume| volume.name == mount.name);
        let Some(source) = volume.and_then(|volume| volume.config_map.as_ref()) else {
            continue;
        };
        let map = match api.get_opt(&source.name).await {
            Ok(Some(map)) => map,
            Ok(None) if source.optional == Some(true) => continue,
            Ok(None) => {
                return Err(format!(
                    "MountVolume.SetUp failed for volume \"{}\" : configmap \"{}\" not found",
                    mount.name, source.name
                ));
            }
            Err(error) => {
                return Err(format!("MountVolume.SetUp failed for volume \"{}\" : {error}", mount.name));
            }
        };
        let content = content(&map, source.items.as_deref());
        files.extend(placed(content, &mount.mount_path, mount.sub_path.as_deref()));
    }
    Ok(files)
}

/// The files of a volume by their path in it.
fn content(map: &ConfigMap, items: Option<&[KeyToPath]>) -> BTreeMap<String, Vec<u8>> {
    let texts = map.data.iter().flatten().map(|(key, text)| (key.clone(), text.clone().into_bytes()));
    let binary = map.binary_data.iter().flatten().map(|(key, bytes)| (key.clone(), bytes.0.clone()));
    let mut all: BTreeMap<_, _> = texts.chain(binary).collect();
    match items {
        None => all,
        Some(items) => items
            .iter()
            .filter_map(|item| all.remove(&item.key).map(|content| (item.path.clone(), content)))
            .collect(),
    }
}

/// The files of a mount by their path in the container.
fn placed(
    content: BTreeMap<String, Vec<u8>>,
    mount: &str,
    sub_path: Option<&str>,
) -> BTreeMap<PathBuf, Vec<u8>> {
    let folder = Path::new(mount);
    match sub_path.filter(|path| !path.is_empty()) {
        Some(one) => content
            .into_iter()
            .filter(|(name, _)| name == one)
            .map(|(_, content)| (folder.to_owned(), content))
            .collect(),
        None => content.into_iter().map(|(name, content)| (folder.join(name), content)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_policy_selects_the_name_servers() {
        let cluster = "search agents.svc.cluster.local svc.cluster.local cluster.local\n\
                       nameserver 172.20.0.10\noptions ndots:5\n";
        let vpc = "nameserver 10.0.0.2\n";
        for (spec, expected) in [
            (json!({"dnsPolicy": "ClusterFirst"}), cluster),
            (json!({}), cluster),
            (json!({"dnsPolicy": "Default"}), vpc),
            (json!({"dnsPolicy": "ClusterFirst", "hostNetwork": true}), vpc),
            (json!({"dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": true}), cluster),
            (
                json!({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["192.0.2.1", "192.0.2.2"]}}),
                "nameserver 192.0.2.1\nnameserver 192.0.2.2\n",
            ),
        ] {
            let mut pod = json!({"metadata": {"namespace": "agents"}, "spec": {"containers": []}});
            for (field, value) in spec.as_object().unwrap() {
                pod["spec"][field] = value.clone();
            }
            assert_eq!(resolv_conf(&serde_json::from_value(pod).unwrap()), expected, "{spec}");
        }
    }

    #[test]
    fn config_maps_become_files() {
        let map: ConfigMap = serde_json::from_value(json!({
            "data": {"request.json": "{}", "other": "x"}, "binaryData": {"ca.pem": "UEVN"},
        }))
        .unwrap();
        let paths = |files: BTreeMap<PathBuf, Vec<u8>>| {
            files
                .into_iter()
                .map(|(path, content)| (path.display().to_string(), String::from_utf8(content).unwrap()))
                .collect::<Vec<_>>()
        };
        let file = |path: &str, content: &str| (path.to_owned(), content.to_owned());
        assert_eq!(
            paths(placed(content(&map, None), "/etc/probe", None)),
            [
                file("/etc/probe/ca.pem", "PEM"),
                file("/etc/probe/other", "x"),
                file("/etc/probe/request.json", "{}")
            ]
        );
        let item: KeyToPath = serde_json::from_value(json!({"key": "other", "path": "a/b"})).unwrap();
        assert_eq!(paths(placed(content(&map, Some(&[item])), "/p", None)), [file("/p/a/b", "x")]);
        assert_eq!(
            paths(placed(content(&map, None), "/p/r.json", Some("request.json"))),
            [file("/p/r.json", "{}")]
        );
    }
}
