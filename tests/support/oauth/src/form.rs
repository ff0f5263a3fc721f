//! Parameters in a query or a form body.

use std::collections::BTreeMap;

/// Parameters by name. One without a value counts as left out (RFC 6749, section 3.1).
pub(crate) struct Params(BTreeMap<String, String>);

impl Params {
    /// Reads `application/x-www-form-urlencoded` text; none where a parameter stands twice, which
    /// RFC 6749, section 3.1, forbids.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let mut params = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(text) {
            if params.insert(name.into_owned(), value.into_owned()).is_some() {
                return None;
            }
        }
        Some(Self(params))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether the parameter is there and says exactly this.
    pub(crate) fn says(&self, name: &str, value: &str) -> bool {
        self.get(name) == Some(value)
    }
}
