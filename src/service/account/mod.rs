//! Accounts: companies whose visitors go to one agent.

pub mod domain;

use super::Result;
use crate::app::App;
use crate::store;
use crate::store::booking::{Company, Person};

/// The account of a visitor's company: the one that has the longest registered domain which the
/// company's domain is or is under. One statement, or none where there is no company.
///
/// # Errors
/// None but the database's.
pub async fn matching(
    app: &App,
    person: Option<&Person>,
    company: Option<&Company>,
) -> Result<Option<store::account::Model>> {
    let Some(domain) = domain::of_visitor(person, company) else { return Ok(None) };
    Ok(store::account::of_domains(&app.db, &domain::candidates(&domain)).await?)
}
