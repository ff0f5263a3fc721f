//! Conditions over what is known of a visitor.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::ordinal;
use crate::store::booking::{Attribute, Company, Person};

/// When a rule holds. Serialised as `{"all_of": […]}`, `{"any_of": […]}` or `{"test": {…}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Where each of these holds.
    AllOf(Vec<Condition>),
    /// Where at least one of these holds.
    AnyOf(Vec<Condition>),
    /// Where this holds.
    Test(Test),
}

/// One look at one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Test {
    /// What is looked at.
    pub field: Field,
    /// For [`Field::PersonAttribute`] and [`Field::CompanyAttribute`] the attribute's name, which must
    /// be the same to the letter; none for others.
    pub attribute: Option<String>,
    /// How.
    pub operator: Operator,
    /// What it is compared with: none for [`Operator::IsEmpty`], one or more for
    /// [`Operator::IsAnyOf`], one for others.
    pub values: Vec<String>,
}

/// Something that visitors say of themselves or their company.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Field {
    /// The whole e-mail address.
    PersonEmail,
    /// What stands behind its @.
    PersonEmailDomain,
    /// The given name.
    PersonFirstName,
    /// The family name.
    PersonLastName,
    /// The telephone number, as typed.
    PersonPhone,
    /// What the person does.
    PersonJobTitle,
    /// One of the person's attributes, by name.
    PersonAttribute,
    /// The company's name.
    CompanyName,
    /// The company's domain.
    CompanyDomain,
    /// What the company does.
    CompanyIndustry,
    /// Where the company is.
    CompanyCountry,
    /// One of the company's attributes, by name.
    CompanyAttribute,
}

/// How a field is looked at. Text is compared in lower case, without blanks around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Operator {
    /// The same text.
    Is,
    /// Another text, or none.
    IsNot,
    /// The same text as one of the values.
    IsAnyOf,
    /// The value somewhere in it.
    Contains,
    /// The value at its start.
    StartsWith,
    /// Nothing, or nothing but blanks.
    IsEmpty,
    /// A greater number or a later date. What is neither is not.
    Greater,
    /// A lesser number or an earlier date. What is neither is not.
    Less,
}

impl Field {
    /// Whether a test of it names an attribute.
    pub const fn is_attribute(self) -> bool {
        matches!(self, Self::PersonAttribute | Self::CompanyAttribute)
    }

    const fn is_domain(self) -> bool {
        matches!(self, Self::PersonEmailDomain | Self::CompanyDomain)
    }
}

/// Whether a condition holds for a visitor. Of somebody who says nothing, every field is empty.
pub fn matches(condition: &Condition, person: Option<&Person>, company: Option<&Company>) -> bool {
    match condition {
        Condition::AllOf(all) => all.iter().all(|one| matches(one, person, company)),
        Condition::AnyOf(any) => any.iter().any(|one| matches(one, person, company)),
        Condition::Test(test) => holds(test, value(test, person, company)),
    }
}

/// What a visitor says in the field that a test looks at.
fn value<'a>(
    test: &Test,
    person: Option<&'a Person>,
    company: Option<&'a Company>,
) -> Option<&'a str> {
    let attribute = |of: &'a [Attribute]| {
        let name = test.attribute.as_deref()?;
        of.iter().find(|attribute| attribute.name == name).map(|found| found.value.as_str())
    };
    match test.field {
        Field::PersonEmail => person.map(|person| person.email.as_str()),
        Field::PersonEmailDomain => Some(person?.email.rsplit_once('@')?.1),
        Field::PersonFirstName => person?.first_name.as_deref(),
        Field::PersonLastName => person?.last_name.as_deref(),
        Field::PersonPhone => person?.phone.as_deref(),
        Field::PersonJobTitle => person?.job_title.as_deref(),
        Field::PersonAttribute => attribute(&person?.attributes),
        Field::CompanyName => company?.name.as_deref(),
        Field::CompanyDomain => company?.domain.as_deref(),
        Field::CompanyIndustry => company?.industry.as_deref(),
        Field::CompanyCountry => company?.country.as_deref(),
        Field::CompanyAttribute => attribute(&company?.attributes),
    }
}

fn holds(test: &Test, value: Option<&str>) -> bool {
    let said = value.map(str::trim).filter(|said| !said.is_empty());
    let Some(said) = said else {
        return matches!(test.operator, Operator::IsEmpty | Operator::IsNot);
    };
    let said = comparable(test.field, said);
    let mut values = test.values.iter().map(|value| comparable(test.field, value));
    let ordered = |order: Ordering| {
        let mut values = test.values.iter();
        values.any(|value| is_ordered(&said, value, order))
    };
    match test.operator {
        Operator::Is | Operator::IsAnyOf => values.any(|value| said == value),
        Operator::IsNot => values.all(|value| said != value),
        Operator::Contains => values.any(|value| said.contains(&*value)),
        Operator::StartsWith => values.any(|value| said.starts_with(&*value)),
        Operator::IsEmpty => false,
        Operator::Greater => ordered(Ordering::Greater),
        Operator::Less => ordered(Ordering::Less),
    }
}

fn is_ordered(said: &str, value: &str, order: Ordering) -> bool {
    let both = ordinal(said).zip(ordinal(value));
    both.is_some_and(|(said, value)| said.compare(&value) == Some(order))
}

/// Text in the form that is compared; domains as they go over the wire, so that `Bücher.example` and
/// `xn--bcher-kva.example` are the same.
fn comparable(field: Field, text: &str) -> Cow<'_, str> {
    let text = text.trim();
    let is_plain = |byte: u8| byte.is_ascii() && !byte.is_ascii_uppercase();
    if text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    match url::Host::parse(text) {
        Ok(url::Host::Domain(ascii)) if field.is_domain() => Cow::Owned(ascii),
        _ => Cow::Owned(text.to_lowercase()),
    }
}
