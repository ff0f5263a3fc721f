//! Visitors and their companies.

use async_graphql::{InputObject, SimpleObject};

use super::scalars::EmailAddress;
use crate::store::booking as record;

/// A visitor.
#[derive(Clone, Debug, InputObject)]
pub struct PersonInput {
    /// Where the confirmation goes.
    pub(crate) email: EmailAddress,
    /// At most 100 characters, as the rest of the names; no links in any of them.
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) job_title: Option<String>,
    /// At most 50, each name once.
    pub(crate) attributes: Option<Vec<AttributeInput>>,
}

/// A visitor's company.
#[derive(Clone, Debug, InputObject)]
pub struct CompanyInput {
    /// At most 200 characters, as the rest; no links in any of them.
    pub(crate) name: Option<String>,
    /// A host name, e.g. example.com.
    pub(crate) domain: Option<String>,
    pub(crate) industry: Option<String>,
    pub(crate) country: Option<String>,
    /// At most 50, each name once.
    pub(crate) attributes: Option<Vec<AttributeInput>>,
}

/// A named value.
#[derive(Clone, Debug, InputObject)]
pub struct AttributeInput {
    /// At most 64 characters.
    name: String,
    /// At most 500 characters.
    value: String,
}

/// A visitor.
#[derive(Clone, Debug, SimpleObject)]
pub struct Person {
    /// Where the confirmation goes.
    email: EmailAddress,
    /// As given at booking, as is the rest.
    first_name: Option<String>,
    /// Family name.
    last_name: Option<String>,
    /// As typed.
    phone: Option<String>,
    /// As typed.
    job_title: Option<String>,
    /// In the order given.
    attributes: Vec<Attribute>,
}

/// A visitor's company.
#[derive(Clone, Debug, SimpleObject)]
pub struct Company {
    /// As given at booking, as is the rest.
    name: Option<String>,
    /// A host name.
    domain: Option<String>,
    /// As typed.
    industry: Option<String>,
    /// As typed.
    country: Option<String>,
    /// In the order given.
    attributes: Vec<Attribute>,
}

/// A named value.
#[derive(Clone, Debug, SimpleObject)]
pub struct Attribute {
    /// Unique among its siblings.
    name: String,
    /// Its value.
    value: String,
}

impl From<PersonInput> for record::Person {
    fn from(input: PersonInput) -> Self {
        Self {
            email: input.email.0,
            first_name: input.first_name,
            last_name: input.last_name,
            phone: input.phone,
            job_title: input.job_title,
            attributes: read(input.attributes),
        }
    }
}

impl From<CompanyInput> for record::Company {
    fn from(input: CompanyInput) -> Self {
        Self {
            name: input.name,
            domain: input.domain,
            industry: input.industry,
            country: input.country,
            attributes: read(input.attributes),
        }
    }
}

fn read(attributes: Option<Vec<AttributeInput>>) -> Vec<record::Attribute> {
    let attributes = attributes.into_iter().flatten();
    attributes.map(|a| record::Attribute { name: a.name, value: a.value }).collect()
}

impl From<&record::Person> for Person {
    fn from(person: &record::Person) -> Self {
        Self {
            email: EmailAddress(person.email.clone()),
            first_name: person.first_name.clone(),
            last_name: person.last_name.clone(),
            phone: person.phone.clone(),
            job_title: person.job_title.clone(),
            attributes: show(&person.attributes),
        }
    }
}

impl From<&record::Company> for Company {
    fn from(company: &record::Company) -> Self {
        Self {
            name: company.name.clone(),
            domain: company.domain.clone(),
            industry: company.industry.clone(),
            country: company.country.clone(),
            attributes: show(&company.attributes),
        }
    }
}

fn show(attributes: &[record::Attribute]) -> Vec<Attribute> {
    let show = |a: &record::Attribute| Attribute { name: a.name.clone(), value: a.value.clone() };
    attributes.iter().map(show).collect()
}
