//! What the arguments and variables of a credential plugin say about AWS. The plugin is not run for it.

use secrecy::ExposeSecret as _;

use super::Exec;
use crate::transport::aws_login::AwsLogin;

/// Variables that would choose other credentials, and are not read from the kubeconfig.
const UNUSED: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
];

/// The profile and the role that `aws eks get-token` or `aws-iam-authenticator token` would use. Other plugins may give
/// these names another meaning.
pub(in crate::cluster) fn aws_login(exec: &Exec) -> AwsLogin {
    let role_flags: &[&str] = match program(exec) {
        // The AWS CLI takes abbreviations.
        "aws" => &["--role-arn", "--role"],
        "aws-iam-authenticator" => &["-r", "--role", "--role-arn"],
        _ => return AwsLogin::default(),
    };
    AwsLogin {
        profile: flag(exec, &["--profile"])
            .or_else(|| variable(exec, &["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])),
        role: flag(exec, role_flags),
        unused: UNUSED.into_iter().filter(|name| variable(exec, &[name]).is_some()).collect(),
    }
}

/// The region, from `--region` or the plugin's variables.
pub(super) fn region(exec: &Exec) -> Option<String> {
    flag(exec, &["--region"]).or_else(|| variable(exec, &["AWS_REGION", "AWS_DEFAULT_REGION"]))
}

/// The value of the first of `flags`, as `--flag value` or `--flag=value`.
pub(super) fn flag(exec: &Exec, flags: &[&str]) -> Option<String> {
    let mut arguments = exec.args.iter().enumerate();
    let found = arguments.find_map(|(index, argument)| match argument.split_once('=') {
        Some((flag, value)) if flags.contains(&flag) => Some(value.to_owned()),
        _ if flags.contains(&argument.as_str()) => exec.args.get(index + 1).cloned(),
        _ => None,
    });
    found.filter(|value| !value.is_empty())
}

fn variable(exec: &Exec, names: &[&str]) -> Option<String> {
    let of_name = |name: &&str| exec.env.iter().find(|variable| variable.name == *name);
    let mut values =
        names.iter().filter_map(of_name).map(|variable| variable.value.0.expose_secret().to_owned());
    values.find(|value| !value.is_empty())
}

/// The name of the plugin's program, without its folder and the ending of Windows.
fn program(exec: &Exec) -> &str {
    let command = exec.command.as_deref().unwrap_or_default();
    let name = command.rsplit(['/', '\\']).next().unwrap_or_default();
    name.strip_suffix(".exe").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::kubeconfig::parsed_user;

    #[test]
    fn profile_role_and_region_are_read_and_not_run() {
        let exec = |body: &str| {
            let text = format!("users: [{{name: u, user: {{exec: {{apiVersion: v1, {body}}}}}}}]");
            parsed_user(&text).exec.unwrap()
        };
        let part = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        for (body, profile, role, in_region) in [
            (
                "command: aws, args: [--region, us-east-1, eks, get-token, --cluster-name, c, --profile=prod, --role-arn, r]",
                "prod",
                "r",
                "us-east-1",
            ),
            (
                "command: /usr/local/bin/aws-iam-authenticator, args: [token, -i, c, -r, r], env: [{name: AWS_PROFILE, value: prod}, {name: AWS_DEFAULT_REGION, value: eu-west-1}]",
                "prod",
                "r",
                "eu-west-1",
            ),
            ("command: aws, args: [eks, get-token, --role, r]", "", "r", ""),
            ("command: aws-iam-authenticator, args: [token, --role-arn=r]", "", "r", ""),
            ("command: aws.exe, args: [eks, get-token, --profile], env: null", "", "", ""),
            ("command: other, args: [--profile, prod, -r, r]", "", "", ""),
            ("args: [--profile, prod]", "", "", ""),
        ] {
            let exec = exec(body);
            let login = AwsLogin { profile: part(profile), role: part(role), unused: Vec::new() };
            assert_eq!(aws_login(&exec), login, "{body}");
            assert_eq!(region(&exec), part(in_region), "{body}");
        }
        let env = "env: [{name: AWS_CONFIG_FILE, value: /f}, {name: AWS_ROLE_ARN, value: ''}, {name: AWS_REGION, value: x}]";
        for (command, unused) in [("aws", &["AWS_CONFIG_FILE"][..]), ("other", &[])] {
            assert_eq!(aws_login(&exec(&format!("command: {command}, {env}"))).unused, unused, "{command}");
        }
    }
}
