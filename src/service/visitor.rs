//! What visitors say of themselves, checked: these words reach mails, so they must not be able to
//! carry somebody else's message.

use super::{Error, Result, text};
use crate::store::booking::{Attribute, Company, Person};

/// Most attributes of one person or company.
const ATTRIBUTES: usize = 50;
/// Longest name of an attribute, in characters.
const ATTRIBUTE_NAME_CHARS: usize = 64;
/// Longest value of an attribute, in characters.
const ATTRIBUTE_VALUE_CHARS: usize = 500;

/// Checks a person. `field` is where it stands in the input.
///
/// # Errors
/// `BAD_USER_INPUT` naming the part at fault.
pub fn person(field: &str, given: Person) -> Result<Person> {
    let name = |part: &str, value: Option<String>| {
        line(&format!("{field}.{part}"), value, text::NAME_CHARS)
    };
    Ok(Person {
        email: text::email(&format!("{field}.email"), &given.email)?,
        first_name: name("firstName", given.first_name)?,
        last_name: name("lastName", given.last_name)?,
        phone: phone(&format!("{field}.phone"), given.phone)?,
        job_title: name("jobTitle", given.job_title)?,
        attributes: attributes(field, given.attributes)?,
    })
}

/// Checks a company. `field` is where it stands in the input.
///
/// # Errors
/// `BAD_USER_INPUT` naming the part at fault.
pub fn company(field: &str, given: Company) -> Result<Company> {
    let part = |part: &str, value: Option<String>| {
        line(&format!("{field}.{part}"), value, text::LINE_CHARS)
    };
    Ok(Company {
        name: part("name", given.name)?,
        domain: domain(&format!("{field}.domain"), given.domain)?,
        industry: part("industry", given.industry)?,
        country: part("country", given.country)?,
        attributes: attributes(field, given.attributes)?,
    })
}

fn line(field: &str, value: Option<String>, most: usize) -> Result<Option<String>> {
    let value = text::optional(field, value.as_deref(), most)?;
    text::no_link(field, value.as_deref())?;
    Ok(value)
}

/// A telephone number in dots looks like an IP address to a mail program's eyes, and to no others.
fn phone(field: &str, value: Option<String>) -> Result<Option<String>> {
    let digits = |c: char| c.is_ascii_digit() || " +-./()".contains(c);
    match &value {
        Some(number) if number.chars().all(digits) && !number.contains("//") => {
            text::optional(field, Some(number), text::NAME_CHARS)
        }
        _ => line(field, value, text::NAME_CHARS),
    }
}

/// A company's domain is a link by its nature, so it must be just that: a host name, no more.
fn domain(field: &str, value: Option<String>) -> Result<Option<String>> {
    let value = text::optional(field, value.as_deref(), 253)?;
    let Some(value) = value else { return Ok(None) };
    let is_host = value.contains('.')
        && matches!(url::Host::parse(&value), Ok(url::Host::Domain(_)))
        && !value.contains(['/', '@', ':', '%']);
    if is_host {
        return Ok(Some(value.to_lowercase()));
    }
    Err(Error::bad_input(field, format!("{field} must be a host name, e.g. example.com")))
}

fn attributes(field: &str, given: Vec<Attribute>) -> Result<Vec<Attribute>> {
    if ATTRIBUTES < given.len() {
        let message = format!("at most {ATTRIBUTES} attributes, not {}", given.len());
        return Err(Error::bad_input(format!("{field}.attributes"), message));
    }
    let mut checked: Vec<Attribute> = Vec::with_capacity(given.len());
    for (index, attribute) in given.into_iter().enumerate() {
        let at = |part: &str| format!("{field}.attributes.{index}.{part}");
        let name = text::required(&at("name"), &attribute.name, ATTRIBUTE_NAME_CHARS)?;
        if checked.iter().any(|other| other.name == name) {
            let message = format!("the attribute {name} is given twice");
            return Err(Error::bad_input(at("name"), message));
        }
        text::no_link(&at("name"), Some(&name))?;
        let value = line(&at("value"), Some(attribute.value), ATTRIBUTE_VALUE_CHARS)?;
        checked.push(Attribute { name, value: value.unwrap_or_else(String::new) });
    }
    Ok(checked)
}
