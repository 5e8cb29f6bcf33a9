//! `preflight`: gather facts about cluster and account, run the checks, print the report.

use super::{CommandError, ExitStatus, discovery};
use crate::aws::identity;
use crate::castai::endpoints::Protocol;
use crate::cli::{self, Arguments, OutputFormat, PreflightArguments};
use crate::cluster;
use crate::cluster::environment::Environment;
use crate::model::image::ecr::{EcrRegistry, PATH};
use crate::output::progress::Progress;
use crate::output::{self, preflight as text};
use crate::preflight::machine::{Here, MetadataService};
use crate::preflight::report::FailOn;
use crate::preflight::selection::Selection;
use crate::preflight::{self, Inputs, Settings, Unread};
use crate::transport;

pub(super) async fn run(
    arguments: &Arguments,
    preflight: &PreflightArguments,
) -> Result<ExitStatus, CommandError> {
    let settings = probe_settings(preflight)?;
    let progress = Progress::new(arguments.logging.verbosity);
    let inputs = gather(arguments, preflight).await?;
    let report = preflight::run(&inputs, &settings, &|event| progress.observe(event)).await;
    progress.clear();
    match preflight.output {
        OutputFormat::Table => output::result(&text::text(&report, false, output::terminal_width()))?,
        OutputFormat::Wide => output::result(&text::text(&report, true, output::terminal_width()))?,
        OutputFormat::Name => output::result(&text::names(&report))?,
        OutputFormat::Json | OutputFormat::Yaml => output::document(&report.document(), preflight.output)?,
    }
    let fail_on = match preflight.fail_on {
        cli::FailOn::Warn => FailOn::Warn,
        cli::FailOn::Fail => FailOn::Fail,
        cli::FailOn::Unknown => FailOn::Unknown,
    };
    // Without the cluster the report is incomplete, whatever its checks say.
    for unread in &inputs.unread {
        if let Unread::Failed(message, hint) = unread {
            return Err(CommandError { message: message.clone(), hint: hint.clone() });
        }
    }
    Ok(if report.needs_attention(fail_on) { ExitStatus::Attention } else { ExitStatus::Done })
}

/// An unreachable cluster is a finding; an invalid kubeconfig stops the command.
async fn gather(arguments: &Arguments, preflight: &PreflightArguments) -> Result<Inputs, CommandError> {
    let knowledge = discovery::knowledge_file(&preflight.knowledge)?;
    let connection = cluster::connect(&arguments.connection.flags(&knowledge)).await?;
    let mut unread = Vec::new();
    let environment = match Environment::read(&connection).await {
        Ok(environment) => Some(environment),
        Err(error) => {
            unread.push(Unread::from_error(&error));
            None
        }
    };
    let mut workloads = Vec::new();
    if let Some(environment) = &environment {
        unread.extend(environment.nodes.notes.iter().cloned().map(Unread::Forbidden));
        match cluster::list_workloads(&connection, arguments.connection.namespace.as_deref(), None).await {
            Ok(listed) => {
                workloads = listed.workloads;
                unread.extend(listed.notes.into_iter().map(Unread::Forbidden));
            }
            Err(error) => unread.push(Unread::from_error(&error)),
        }
    }
    let mirror = preflight.mirror.settings();
    let given = preflight.mirror.registry.as_ref();
    let registry = given.map(|mirror| EcrRegistry::of_host(&mirror.registry));
    let said = mirror.region.clone();
    let region = said
        .or_else(|| environment.as_ref()?.region(None))
        .or_else(|| connection.eks.as_ref()?.region.clone())
        .or_else(|| match &registry {
            Some(Some(ecr)) => Some(ecr.region.clone()),
            _ => None,
        });
    let network = arguments.network.settings();
    let (account, aws) = match (&registry, &region) {
        (Some(None), _) => (None, Err("--registry is not an ECR registry".to_owned())),
        (_, None) => (None, Err("unknown region: set --region".to_owned())),
        (Some(Some(ecr)), _) => {
            (Some(ecr.account.clone()), Ok(identity::configuration(&ecr.region, &network).await?))
        }
        (None, Some(region)) => {
            let aws = identity::configuration(region, &network).await?;
            let account = match environment.as_ref().and_then(Environment::account) {
                Some(account) => Some(account),
                None => identity::identity(&aws).await.ok().map(|identity| identity.account),
            };
            (account, Ok(aws))
        }
    };
    let of = |endpoints: &[preflight::Endpoint], protocol: Protocol| {
        endpoints.iter().map(move |endpoint| (endpoint.clone(), protocol)).collect::<Vec<_>>()
    };
    Ok(Inputs {
        cluster: Some(connection.name.clone()),
        workloads,
        knowledge,
        maps: mirror.maps,
        unread,
        client: environment.is_some().then(|| connection.client.clone()),
        nodes: environment.iter().flat_map(|environment| environment.nodes.internal_addresses()).collect(),
        registry_region: registry.flatten().map(|ecr| ecr.region).or_else(|| region.clone()),
        registry_path: given.map_or(Some(PATH), |mirror| mirror.prefix.as_deref()).map(str::to_owned),
        region,
        account,
        aws,
        extra: [of(&preflight.https, Protocol::Https), of(&preflight.grpc, Protocol::Grpc)].concat(),
    })
}

fn probe_settings(preflight: &PreflightArguments) -> Result<Settings, CommandError> {
    let variable = |name: &str| std::env::var(name).ok();
    let mut settings = Settings::new(transport::tls()?);
    settings.timeout = preflight.timeout;
    settings.metadata_timeout = preflight.metadata_timeout;
    settings.selection = Selection { only: preflight.only.clone(), exclude: preflight.exclude.clone() };
    settings.here = preflight.here.map(|here| match here {
        cli::Here::Inside => Here::Inside,
        cli::Here::Outside => Here::Outside,
    });
    settings.metadata = MetadataService::from_variables(
        variable("AWS_EC2_METADATA_DISABLED").as_deref(),
        variable("AWS_EC2_METADATA_SERVICE_ENDPOINT").as_deref(),
    );
    Ok(settings)
}
