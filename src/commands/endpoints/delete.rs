//! `endpoints delete`: what is ours, a question, the changes.

use super::aws_login;
use super::change::change;
use crate::castai::built_in;
use crate::cli::{Arguments, EndpointsDeleteArguments};
use crate::cluster;
use crate::commands::{CommandError, ExitStatus};
use crate::endpoints::decide::decide_removal;
use crate::endpoints::gather::{self, Selection};
use crate::endpoints::settings::{PlanSettings, aws, cast_ai};

pub(super) async fn run(
    arguments: &Arguments,
    delete: &EndpointsDeleteArguments,
) -> Result<ExitStatus, CommandError> {
    let connection = if delete.region.is_some() && delete.vpc.is_some() {
        None
    } else {
        Some(cluster::connect(&arguments.connection.flags(built_in())).await?)
    };
    let network = aws_login::network(arguments, connection.as_ref(), &[]);
    let (region, vpc) = (delete.region.clone(), delete.vpc.clone());
    let selection = Selection { region, vpc, subnets: Vec::new(), is_for_removal: true };
    let clients = Box::pin(gather::connect(connection.as_ref(), &network, selection)).await?;
    // For the short names of the endpoints.
    let services = [cast_ai(&clients.region, None, &[]), aws(&clients.region, &[])].concat();
    let settings = PlanSettings { services, ..PlanSettings::default() };
    Box::pin(change(&clients, &settings, decide_removal, &delete.change)).await
}
