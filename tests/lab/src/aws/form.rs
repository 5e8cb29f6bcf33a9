//! The parameters of a request in the query protocol: `SubnetId.1=subnet-1&Filter.1.Name=vpc-id`.

use std::collections::BTreeMap;

use reqwest::Url;

/// By name; a request has each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    /// From the encoded body of a request, or its query string.
    pub(super) fn parse(encoded: &str) -> Self {
        let mut url = Self::url();
        url.set_query(Some(encoded));
        Self(url.query_pairs().into_owned().collect())
    }

    pub(super) fn of(fields: &[(&str, &str)]) -> Self {
        Self(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[cfg(test)]
    pub(super) fn extend(&mut self, fields: &[(&str, &str)]) {
        self.0.extend(Self::of(fields).0);
    }

    pub(super) fn encoded(&self) -> String {
        Self::url().query_pairs_mut().extend_pairs(&self.0).finish().query().unwrap_or_default().to_owned()
    }

    /// Any URL: only its query is used.
    fn url() -> Url {
        Url::parse("https://lab/").unwrap_or_else(|error| unreachable!("a constant URL is valid: {error}"))
    }

    /// Empty if the parameter is absent.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name).map(|value| value.eq_ignore_ascii_case("true"))
    }

    /// `SubnetId.1`, `SubnetId.2`, … in the order of their numbers.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        self.numbers(name).filter_map(|number| self.0.get(&format!("{name}.{number}")).cloned()).collect()
    }

    /// Keys and values below `Tag.1`, `Tag.2`, …; a tag to be deleted may have no value.
    pub(super) fn tags(&self, name: &str) -> BTreeMap<String, Option<String>> {
        let tag = |number| {
            let key = self.0.get(&format!("{name}.{number}.Key"))?;
            Some((key.clone(), self.0.get(&format!("{name}.{number}.Value")).cloned()))
        };
        self.numbers(name).filter_map(tag).collect()
    }

    /// Names and values of `Filter.1`, `Filter.2`, ….
    pub(super) fn filters(&self) -> Vec<(String, Vec<String>)> {
        let filter = |number| {
            let name = self.0.get(&format!("Filter.{number}.Name"))?;
            Some((name.clone(), self.list(&format!("Filter.{number}.Value"))))
        };
        self.numbers("Filter").filter_map(filter).collect()
    }

    /// The same request for other objects.
    pub(super) fn with_list(&self, name: &str, values: &[String]) -> Self {
        let prefix = format!("{name}.");
        let mut form = self.0.clone();
        form.retain(|field, _| !field.starts_with(&prefix));
        let numbered = values.iter().zip(1..);
        form.extend(numbered.map(|(value, number)| (format!("{prefix}{number}"), value.clone())));
        Self(form)
    }

    /// The same request for the whole list.
    pub(super) fn without_page(&self) -> Self {
        let mut form = self.0.clone();
        form.retain(|field, _| field != "MaxResults" && field != "NextToken");
        Self(form)
    }

    fn numbers(&self, name: &str) -> impl Iterator<Item = u32> {
        let prefix = format!("{name}.");
        let number = |field: &String| field.strip_prefix(&prefix)?.split('.').next()?.parse().ok();
        self.0.keys().filter_map(number).collect::<std::collections::BTreeSet<u32>>().into_iter()
    }
}

impl FromIterator<(String, String)> for Form {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_tags_and_filters_are_read_in_the_order_of_their_numbers() {
        let encoded = "SubnetId.10=subnet-c&SubnetId.2=subnet-b&SubnetId.1=subnet%2Da&Tag.1.Key=a+b&Tag.1.Value=c%26d&\
                       Tag.2.Key=gone&Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-1&Filter.1.Value.2=vpc-2&DryRun=true";
        let form = Form::parse(encoded);
        assert_eq!(form.list("SubnetId"), ["subnet-a", "subnet-b", "subnet-c"]);
        let tags = [("a b".to_owned(), Some("c&d".to_owned())), ("gone".to_owned(), None)];
        assert_eq!(form.tags("Tag"), tags.into());
        assert_eq!(form.filters(), [("vpc-id".to_owned(), vec!["vpc-1".to_owned(), "vpc-2".to_owned()])]);
        assert_eq!((form.flag("DryRun"), form.flag("PrivateDnsEnabled")), (Some(true), None));
        assert_eq!(Form::parse(&form.encoded()), form);
        let other = form.with_list("SubnetId", &["subnet-z".to_owned()]);
        assert_eq!(other.list("SubnetId"), ["subnet-z"]);
        assert_eq!(Form::parse(""), Form::default());
    }
}
