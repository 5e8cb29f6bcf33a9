//! EC2's lists of what moto keeps, with what moto cannot: texts that a test sets, many more objects, and pages.

use std::collections::BTreeMap;

use super::Front;
use super::endpoints::element;
use super::form::Form;

/// Action, its list, and the element with the identifier of an item.
const LISTS: [(&str, &str, &str); 3] = [
    ("DescribeVpcs", "vpcSet", "vpcId"),
    ("DescribeSubnets", "subnetSet", "subnetId"),
    ("DescribeRouteTables", "routeTableSet", "routeTableId"),
];

/// By identifier of a VPC, a subnet or a route table: names of elements and their texts; `None` removes the element.
pub(super) type Texts = BTreeMap<String, BTreeMap<String, Option<String>>>;

/// Whether moto's response to this action needs [`completed`].
pub(super) fn is_list(action: &str) -> bool {
    LISTS.iter().any(|(list, ..)| *list == action)
}

/// moto's response to a request without the parameters for pages, as the client gets it.
pub(super) fn completed(front: &Front, form: &Form, document: &str) -> String {
    let action = form.text("Action");
    let Some((_, list, id)) = LISTS.iter().find(|(known, ..)| *known == action) else {
        return document.to_owned();
    };
    // moto 5.2 writes a Python dictionary as the state of a subnet's IPv6 block.
    let document = document.replace("{'State': 'associated'}", "associated");
    let Some((head, content, tail)) = split(&document, list) else { return document };
    let mut items: Vec<_> =
        items(content).into_iter().map(|item| with_texts(item.to_owned(), id, &front.texts)).collect();
    items.extend(front.crowd.items(action, form));
    let number = |name: &str| form.text(name).parse::<usize>().ok();
    let start = number("NextToken").unwrap_or_default();
    let limit = number("MaxResults").unwrap_or(usize::MAX);
    let end = start.saturating_add(limit);
    let next = if end < items.len() { element("nextToken", &end.to_string()) } else { String::new() };
    let page: String = items.into_iter().skip(start).take(limit).collect();
    format!("{head}<{list}>{page}</{list}>{next}{tail}")
}

/// The document before a list, the list's content, and the document after it.
fn split<'d>(document: &'d str, list: &str) -> Option<(&'d str, &'d str, &'d str)> {
    if let Some((head, tail)) = document.split_once(&format!("<{list}/>")) {
        return Some((head, "", tail));
    }
    let (head, rest) = document.split_once(&format!("<{list}>"))?;
    let (content, tail) = rest.rsplit_once(&format!("</{list}>"))?;
    Some((head, content, tail))
}

/// The items of a list, without those inside them.
fn items(list: &str) -> Vec<&str> {
    let (mut found, mut depth, mut start) = (Vec::new(), 0, 0);
    for (index, text) in list.match_indices("item>") {
        let before = &list[..index];
        if before.ends_with('<') {
            if depth == 0 {
                start = index - 1;
            }
            depth += 1;
        } else if before.ends_with("</") {
            depth -= 1;
            if depth == 0 {
                found.push(&list[start..index + text.len()]);
            }
        }
    }
    found
}

fn with_texts(item: String, id: &str, texts: &Texts) -> String {
    let texts = text_of(&item, id).and_then(|id| texts.get(id));
    let replace = |item: String, (name, text): (&String, &Option<String>)| {
        let new = text.as_ref().map(|text| element(name, text)).unwrap_or_default();
        match split(&item, name) {
            Some((before, _, after)) => format!("{before}{new}{after}"),
            None => item.replacen("<item>", &format!("<item>{new}"), 1),
        }
    };
    texts.into_iter().flatten().fold(item, replace)
}

/// The text of the first element with this name.
pub(super) fn text_of<'t>(document: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    rest.split('<').next()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::address::VPC_ID;
    use crate::aws::crowd::{Crowd, Size};

    const SUBNETS: &str = "<R><requestId>1</requestId><subnetSet><item><subnetId>a</subnetId><ownerId>1</ownerId><tagSet>\
                           <item><key>k</key></item></tagSet></item><item><subnetId>b</subnetId><cidrBlock>c</cidrBlock>\
                           </item></subnetSet></R>";

    fn describe(front: &Front, fields: &[(&str, &str)]) -> String {
        let mut form = Form::of(&[("Action", "DescribeSubnets")]);
        form.extend(fields);
        completed(front, &form, SUBNETS)
    }

    #[test]
    fn texts_of_an_item_are_replaced_added_and_removed() {
        let texts = json!({"a": {"ownerId": "2", "outpostArn": "x<y"}, "b": {"cidrBlock": null}});
        let front = Front { texts: serde_json::from_value(texts).unwrap(), ..Front::default() };
        let expected = "<item><outpostArn>x&lt;y</outpostArn><subnetId>a</subnetId><ownerId>2</ownerId><tagSet><item>\
                        <key>k</key></item></tagSet></item><item><subnetId>b</subnetId></item></subnetSet></R>";
        let described = describe(&front, &[]);
        assert!(described.ends_with(expected), "{described}");
        assert_eq!(describe(&Front::default(), &[]), SUBNETS);
    }

    #[test]
    fn a_crowd_is_listed_page_by_page() {
        let size: Size = serde_json::from_value(json!({"subnets": 5})).unwrap();
        let front = Front { crowd: Crowd::new(size), ..Front::default() };
        let filter = [("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", VPC_ID), ("MaxResults", "3")];
        let first = describe(&front, &filter);
        assert_eq!(first.matches("<subnetId>").count(), 3, "{first}");
        assert_eq!(text_of(&first, "nextToken"), Some("3"));
        let last = describe(&front, &[&filter[..], &[("NextToken", "6")]].concat());
        assert_eq!((last.matches("<subnetId>").count(), text_of(&last, "nextToken")), (1, None), "{last}");
        let other = describe(&front, &[("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", "vpc-0")]);
        assert_eq!(other.matches("<subnetId>").count(), 2, "{other}");
    }
}
