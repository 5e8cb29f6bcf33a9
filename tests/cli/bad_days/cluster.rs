//! The cluster cannot be reached, or does not let us.

use lab::address::{API_SERVER, API_SERVER_HOST, REFUSING, SILENT};

use super::{ALL, assert_rewritten};
use crate::support::{ecr_tags, kubectl, own_lab, plugin, says, shared_lab, sync, workloads};

#[test]
fn a_cluster_that_cannot_be_reached_is_told_in_kubectls_words() {
    let lab = shared_lab();
    let (refusing, silent) = (format!("https://{REFUSING}"), format!("https://{SILENT}"));
    let cases: &[(&[&str], &[&str])] = &[
        (&["--kubeconfig=/absent"], &["/absent", "no such file"]),
        (&["--context=absent"], &["context \"absent\" does not exist", "hint:", "cluster/demo"]),
        (&["--server", &refusing], &["server 10.0.251.1 was refused"]),
        (&["--server", &silent, "--request-timeout=1s"], &["timed out", "https://10.0.250.1", "VPN"]),
        (&["--server=https://absent.example"], &["Unable to connect to the server", "lookup"]),
    ];
    for (flags, words) in cases {
        says(&plugin(lab, 2, &[&["sync-images", "--yes"], *flags].concat()), words);
    }
    let mut command = lab.plugin_command().unwrap();
    let output = command.args(["sync-images", "--yes"]).env("KUBECONFIG", "/absent").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("no cluster is configured") && said.contains("aws eks update-kubeconfig"),
        "{said}"
    );
}

#[test]
fn a_missing_credential_plugin_is_named_with_the_way_to_get_it() {
    let lab = shared_lab();
    let kubeconfig = std::fs::read_to_string(lab.folder().kubeconfig()).unwrap();
    let (head, _) = kubeconfig.split_once("    client-certificate-data:").unwrap();
    let exec = "    exec:\n      apiVersion: client.authentication.k8s.io/v1beta1\n      command: aws\n      \
                args: [eks, get-token]\n";
    let path = lab.folder().home().join("exec.kubeconfig");
    std::fs::write(&path, format!("{head}{exec}")).unwrap();
    let output = plugin(lab, 2, &["sync-images", "--yes", "--kubeconfig", path.to_str().unwrap()]);
    says(&output, &["executable aws not found", "hint:", "install the AWS CLI"]);
}

#[test]
fn each_missing_right_is_named_and_the_rest_is_done() {
    let lab = own_lab();
    let before = workloads(&lab);
    let kubeconfig =
        |user: &str| format!("--kubeconfig={}", lab.kubeconfig_for(user, None).unwrap().display());
    let allow = |user: &str, resources: &str| {
        kubectl(
            &lab,
            &["create", "clusterrole", user, "--verb=get,list", &format!("--resource={resources}")],
        );
        let (role, subject) = (format!("--clusterrole={user}"), format!("--user={user}"));
        kubectl(&lab, &["create", "clusterrolebinding", user, &role, &subject]);
    };

    let nobody = sync(&lab, 2, &[&kubeconfig("nobody")]);
    says(
        &nobody,
        &["(Forbidden)", "User \"nobody\" cannot list resource \"deployments\"", "kubectl auth can-i"],
    );

    // Deployments only, and not patched.
    allow("reader", "deployments.apps,nodes");
    let reader = sync(&lab, 1, &[&kubeconfig("reader")]);
    says(
        &reader,
        &[
            "warning: cannot list daemonsets.apps",
            "warning: cannot list cronjobs.batch",
            "images there are not seen",
            "error: deployment.apps/castai-agent in namespace castai-agent: Error from server (Forbidden)",
            "User \"reader\" cannot patch resource \"deployments\"",
        ],
    );
    assert_rewritten(&before, &lab, &[]);
    assert!(
        ecr_tags(&lab).contains("us-docker.pkg.dev/castai-hub/library/agent:v0.161.1"),
        "images were copied"
    );
    assert!(!ecr_tags(&lab).contains("castai/hibernate:v0.14"), "nobody saw that it is wanted");

    // Without the nodes, an ARN and the server's name on EKS nothing tells the region.
    let path = lab.kubeconfig_for("placeless", None).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let (server, address) = (format!("https://{API_SERVER_HOST}"), format!("https://{API_SERVER}"));
    let text = text.replace(&server, &format!("{address}\n    tls-server-name: {API_SERVER_HOST}"));
    std::fs::write(&path, text.replace(&lab::kubeconfig::cluster_arn(), "demo")).unwrap();
    allow("placeless", "deployments.apps");
    let placeless = sync(&lab, 2, &[&format!("--kubeconfig={}", path.display())]);
    says(&placeless, &["region is unknown", "--region", "--registry"]);

    sync(&lab, 0, &[]);
    assert_rewritten(&before, &lab, &ALL);
}
