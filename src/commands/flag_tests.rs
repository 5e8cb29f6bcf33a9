//! Which commands take the flags that say what is known and what images are called, and that each flag has an effect.

use std::path::PathBuf;

use clap::Parser as _;

use super::{images, rewrite, rollback, selection, status, sync_images};
use crate::cli::{Arguments, Command, NamingArguments, PermissionsCommand, ValuesCommand};
use crate::model::knowledge::Knowledge;
use crate::model::name_map::NameMap;
use crate::sync::settings::MirrorSettings;

const KNOWLEDGE: &str = "--knowledge";
const INCLUDE: &str = "--include-image";
const MAP: &str = "--map";
const REGISTRY: &str = "--registry";

/// Every command, and those of the flags that it takes. What it does not take, it has no use for.
const COMMANDS: [(&str, &[&str]); 30] = [
    ("images -f FILE", &[KNOWLEDGE, INCLUDE, MAP, REGISTRY]),
    ("sync-images", &[KNOWLEDGE, INCLUDE, MAP, REGISTRY]),
    ("rewrite -f FILE", &[KNOWLEDGE, INCLUDE, MAP, REGISTRY]),
    ("status", &[KNOWLEDGE, INCLUDE, MAP, REGISTRY]),
    ("values helm", &[KNOWLEDGE, INCLUDE, MAP, REGISTRY]),
    ("values kustomize", &[KNOWLEDGE, INCLUDE, MAP, REGISTRY]),
    ("values patches", &[KNOWLEDGE, INCLUDE, MAP, REGISTRY]),
    ("values policy", &[KNOWLEDGE, INCLUDE, MAP, REGISTRY]),
    // It looks at components and their endpoints, and at no single image.
    ("preflight", &[KNOWLEDGE, MAP, REGISTRY]),
    // These two are about the checks, and no cluster.
    ("preflight list", &[]),
    ("preflight explain CPL211", &[]),
    // What it removes is found by labels.
    ("preflight cleanup", &[]),
    // What images were and are is recorded on the workloads.
    ("rollback", &[KNOWLEDGE]),
    // Custom resources have to be listable; ECR has the same actions for all images.
    ("permissions", &[KNOWLEDGE]),
    ("permissions rbac", &[KNOWLEDGE]),
    ("permissions iam", &[]),
    // It names services, and no component or image.
    ("endpoints list", &[]),
    ("endpoints plan", &[]),
    ("endpoints create", &[]),
    // Names in the mirror need an inventory.
    ("endpoints terraform", &[]),
    ("endpoints delete", &[]),
    ("endpoints aws-cli", &[]),
    ("completion install", &[]),
    ("completion uninstall", &[]),
    ("completion bash", &[]),
    ("completion zsh", &[]),
    ("completion fish", &[]),
    ("completion powershell", &[]),
    ("options", &[]),
    ("version", &[]),
];

/// What reached the settings of a command.
#[derive(Debug, Default)]
struct Reached {
    knowledge: Knowledge,
    mirror: MirrorSettings,
    /// Maps that discovery reads names by, where the command looks for images.
    discovered_by: Option<Vec<NameMap>>,
}

impl Reached {
    fn flags(&self) -> Vec<&'static str> {
        let maps = &self.mirror.maps;
        assert!(self.discovered_by.as_ref().is_none_or(|discovered_by| discovered_by == maps), "{self:?}");
        let flags = [
            (KNOWLEDGE, self.knowledge.charts == ["acme"]),
            (INCLUDE, self.knowledge.images.iter().any(|image| image.as_written() == "acme/probe:v1")),
            (MAP, maps.iter().any(|map| map.to_string() == "e.example/flat=acme/probe")),
            (REGISTRY, self.mirror.registries.iter().any(|registry| registry.to_string() == "e.example")),
        ];
        flags.into_iter().filter(|(_, is_reached)| *is_reached).map(|(flag, _)| flag).collect()
    }
}

async fn reached(line: &[String]) -> Reached {
    let arguments = Arguments::try_parse_from(line).unwrap();
    match &arguments.command {
        Command::Images(wanted) => {
            let settings = images::settings(&arguments, wanted).await.unwrap();
            of_filter(settings.filter, settings.mirror)
        }
        Command::SyncImages(wanted) => {
            let settings = sync_images::settings::read(&arguments, wanted).await.unwrap();
            of_filter(settings.filter, settings.mirror)
        }
        Command::Rewrite(wanted) => {
            let settings = rewrite::settings(wanted).await.unwrap();
            of_filter(settings.filter, settings.mirror)
        }
        Command::Status(wanted) => {
            let settings = status::settings(&arguments, wanted).unwrap();
            of_filter(settings.filter, settings.mirror)
        }
        Command::Values(wanted) => match &wanted.kind {
            ValuesCommand::Helm(helm) => of_naming(&helm.naming),
            ValuesCommand::Policy(policy) => of_naming(&policy.naming),
            ValuesCommand::Kustomize(naming) | ValuesCommand::Patches(naming) => of_naming(naming),
        },
        Command::Preflight(wanted) => Reached {
            knowledge: selection::knowledge_file(&wanted.knowledge).unwrap(),
            mirror: wanted.mirror.settings(),
            discovered_by: None,
        },
        Command::Rollback(wanted) => {
            let knowledge = rollback::settings(&arguments, wanted).unwrap().knowledge;
            Reached { knowledge, ..Reached::default() }
        }
        Command::Permissions(wanted) => {
            let file = match &wanted.command {
                None => &wanted.overview.knowledge,
                Some(PermissionsCommand::Rbac(rbac)) => &rbac.knowledge,
                Some(PermissionsCommand::Iam(_)) => return Reached::default(),
            };
            Reached { knowledge: selection::knowledge_file(file).unwrap(), ..Reached::default() }
        }
        Command::Endpoints(_)
        | Command::Completion(_)
        | Command::Options
        | Command::Version(_)
        | Command::Man => Reached::default(),
    }
}

fn of_filter(filter: crate::sync::discover::ImageFilter, mirror: MirrorSettings) -> Reached {
    Reached { knowledge: filter.knowledge, mirror, discovered_by: Some(filter.maps) }
}

fn of_naming(naming: &NamingArguments) -> Reached {
    let knowledge = selection::knowledge(&naming.knowledge).unwrap();
    Reached { knowledge, mirror: naming.mirror.settings(), discovered_by: None }
}

/// Files that the flags name.
struct Files(PathBuf);

impl Files {
    fn write() -> Self {
        let folder = std::env::temp_dir().join(format!("flags-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let manifest =
            "kind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: castai/x:v1}]}\n";
        std::fs::write(folder.join("pod.yaml"), manifest).unwrap();
        std::fs::write(folder.join("knowledge.yaml"), "charts: [acme]\n").unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn every_flag_reaches_the_settings_of_every_command_that_takes_it() {
    let files = Files::write();
    let value = |flag: &str| match flag {
        KNOWLEDGE => files.path("knowledge.yaml"),
        INCLUDE => "acme/probe:v1".to_owned(),
        MAP => "e.example/flat=acme/probe".to_owned(),
        _ => "e.example".to_owned(),
    };
    for (command, taken) in COMMANDS {
        let words = command.split(' ').map(|word| match word {
            "FILE" => files.path("pod.yaml"),
            word => word.to_owned(),
        });
        let base: Vec<String> = ["x".to_owned()].into_iter().chain(words).collect();
        for flag in [KNOWLEDGE, INCLUDE, MAP, REGISTRY] {
            let line = [base.clone(), vec![flag.to_owned(), value(flag)]].concat();
            if taken.contains(&flag) {
                assert_eq!(reached(&line).await.flags(), [flag], "{command} {flag}");
            } else {
                assert!(Arguments::try_parse_from(&line).is_err(), "{command} {flag}");
            }
        }
        let all = taken.iter().flat_map(|flag| [(*flag).to_owned(), value(flag)]);
        let line: Vec<_> = base.into_iter().chain(all).collect();
        assert_eq!(reached(&line).await.flags(), taken, "{command}");
    }
}

#[test]
fn every_command_is_in_the_table() {
    use clap::CommandFactory as _;
    for command in Arguments::command().get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = command.get_name();
        let subcommands: Vec<_> =
            command.get_subcommands().map(|below| format!("{name} {}", below.get_name())).collect();
        let lines = if subcommands.is_empty() { vec![name.to_owned()] } else { subcommands };
        for line in lines.iter().filter(|line| !line.ends_with(" help")) {
            assert!(COMMANDS.iter().any(|(listed, _)| listed.starts_with(line.as_str())), "{line}");
        }
    }
}
