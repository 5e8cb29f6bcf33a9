//! Cast AI's endpoint services as tables.

use std::io;

use crate::endpoints::offer::{Offer, OfferedService};
use crate::output::table::{self, Column};
use crate::output::{result, say, terminal_width};

/// Prints Cast AI's endpoint services: one table of what they are, one of their names in each region.
pub fn offer(offer: &Offer) -> io::Result<()> {
    let width = terminal_width();
    result(&(services(&offer.services, width) + "\n" + &service_names(&offer.services, width)))?;
    if let Some(service) = offer.services.iter().find(|service| service.hosts.is_empty()) {
        let plan = "`kubectl castai-privatelink endpoints plan -o yaml`";
        say(&format!("note: the host of {} is not published: {plan} shows it", service.name));
    }
    Ok(())
}

fn services(services: &[OfferedService], width: Option<usize>) -> String {
    let rows: Vec<_> = services
        .iter()
        .map(|service| {
            let hosts: Vec<_> = service.hosts.iter().map(|host| host.host).collect();
            [
                service.name.to_owned(),
                service.guide_name.to_owned(),
                service.purpose.to_owned(),
                if hosts.is_empty() { "-".to_owned() } else { hosts.join(", ") },
                service.needed_by.join(", "),
            ]
        })
        .collect();
    let columns = [
        Column::whole("NAME"),
        Column::wrapped("IN THE GUIDE", 12).yielding(1),
        Column::wrapped("PURPOSE", 14),
        Column::wrapped("HOSTS", 30),
        Column::wrapped("NEEDED BY", 18).yielding(0),
    ];
    table::fitted(columns, &rows, width)
}

/// A table for each region, because service names are long.
fn service_names(services: &[OfferedService], width: Option<usize>) -> String {
    // In the order of the data: that is how they are looked up.
    let regions: Vec<_> = services.first().map(|first| &first.regions).into_iter().flatten().collect();
    let tables = regions.iter().map(|region| {
        let named = services.iter().flat_map(|service| {
            let of_region = service.regions.iter().filter(|offered| offered.region == region.region);
            of_region.map(|offered| [service.name.to_owned(), offered.service_name.clone()])
        });
        let columns = [Column::whole("NAME"), Column::whole("SERVICE NAME")];
        format!("region: {}\n{}", region.region, table::fitted(columns, &named.collect::<Vec<_>>(), width))
    });
    tables.collect::<Vec<_>>().join("\n")
}
