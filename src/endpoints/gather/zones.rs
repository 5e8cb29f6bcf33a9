//! The private hosted zones that a VPC resolves with.

use crate::aws::error::Error;
use crate::aws::rest;
use crate::aws::signed::Client;
use crate::aws::xml::Element;
use crate::endpoints::facts::HostedZone;

/// More pages than a VPC can have zones (300).
const PAGES: usize = 10;

pub(super) async fn read(client: &Client, vpc: &str) -> Result<Vec<HostedZone>, Error> {
    let mut zones = Vec::new();
    let mut next: Option<String> = None;
    for _ in 0..PAGES {
        let page = rest::hosted_zones(client, vpc, next.as_deref()).await?;
        zones.extend(page.items("HostedZoneSummaries").map(zone));
        next = page.text("NextToken").map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    Ok(zones)
}

fn zone(summary: &Element) -> HostedZone {
    let owner = summary.child("Owner");
    let owner = owner.and_then(|owner| owner.text("OwningAccount").or_else(|| owner.text("OwningService")));
    HostedZone {
        id: summary.string("HostedZoneId"),
        name: summary.string("Name").trim_end_matches('.').to_owned(),
        owner: owner.unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_belongs_to_an_account_or_a_service() {
        for (owner, expected) in [
            ("<OwningAccount>999999999999</OwningAccount>", "999999999999"),
            ("<OwningService>vpce.amazonaws.com</OwningService>", "vpce.amazonaws.com"),
        ] {
            let summary = Element::parse(&format!(
                "<HostedZoneSummary><HostedZoneId>Z1</HostedZoneId><Name>api.cast.ai.</Name><Owner>{owner}</Owner>\
                 </HostedZoneSummary>"
            ));
            let expected = HostedZone {
                id: "Z1".to_owned(),
                name: "api.cast.ai".to_owned(),
                owner: expected.to_owned(),
            };
            assert_eq!(zone(&summary.unwrap()), expected);
        }
    }
}
