//! What a provider says of itself, and connecting.

use std::collections::BTreeSet;

use super::bench::{Bench, day};
use super::check::{Stop, checks, ensure};
use crate::{ConnectMethod, ErrorClass};

checks! {
    about_has_a_stable_id_and_a_name: Nothing,
    about_lists_what_connecting_needs: Nothing,
    about_and_the_oauth_client_agree: Nothing,
    connecting_gives_a_connection_that_works: Nothing,
    connecting_refuses_wrong_credentials: Nothing,
}

async fn about_has_a_stable_id_and_a_name(bench: &Bench) -> Result<(), Stop> {
    let about = bench.provider.about();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    ensure(
        (1..=32).contains(&about.id.len()) && about.id.bytes().all(plain),
        format_args!("the id {:?} is not 1 to 32 of a-z, 0-9 and -", about.id),
    )?;
    ensure(!about.name.trim().is_empty(), "the name is blank")
}

async fn about_lists_what_connecting_needs(bench: &Bench) -> Result<(), Stop> {
    let about = bench.provider.about();
    let names: BTreeSet<_> = about.credential_fields.iter().map(|field| &field.name).collect();
    ensure(names.len() == about.credential_fields.len(), "two credential fields have one name")?;
    match about.connect_with {
        ConnectMethod::Credentials | ConnectMethod::FeedUrl => {
            ensure(!names.is_empty(), "it connects with credentials and lists no field")
        }
        ConnectMethod::OAuth2 => {
            ensure(names.is_empty(), "it connects with OAuth and lists credential fields")?;
            ensure(!about.permissions.is_empty(), "it connects with OAuth and asks for nothing")
        }
        ConnectMethod::None => {
            ensure(names.is_empty(), "it connects with nothing and lists credential fields")
        }
    }
}

async fn about_and_the_oauth_client_agree(bench: &Bench) -> Result<(), Stop> {
    let about = bench.provider.about();
    ensure(about.requests_per_minute != Some(0), "it allows no request in a minute")?;
    let scopes: BTreeSet<_> = about.permissions.iter().map(|it| &it.scope).collect();
    ensure(scopes.len() == about.permissions.len(), "it asks for one scope twice")?;
    match (about.connect_with, bench.provider.oauth2()) {
        (ConnectMethod::OAuth2, None) => {
            ensure(!about.configured, "it is configured, connects with OAuth and has no client")
        }
        (ConnectMethod::OAuth2, Some(client)) => {
            ensure(!client.client_id.is_empty(), "its OAuth client has no identifier")
        }
        (_, client) => ensure(client.is_none(), "it has an OAuth client and does not use it"),
    }
}

async fn connecting_gives_a_connection_that_works(bench: &Bench) -> Result<(), Stop> {
    let request = bench.subject.connect_request().ok_or(Stop::Skipped("no connect_request"))?;
    let (owner, token) = (request.owner.clone(), request.access_token.clone());
    let connected = bench.provider.connect(request).await?;
    ensure(!connected.account.trim().is_empty(), "the account has no name")?;
    let mut connection = connected.into_connection(owner);
    if bench.provider.about().connect_with == ConnectMethod::OAuth2 {
        // The server keeps the tokens, and gives one with each call.
        connection.credentials = token.unwrap_or_default();
    }
    bench.provider.free_busy(&connection, day()).await?;
    Ok(())
}

async fn connecting_refuses_wrong_credentials(bench: &Bench) -> Result<(), Stop> {
    let request =
        bench.subject.wrong_connect_request().ok_or(Stop::Skipped("no wrong_connect_request"))?;
    let refusals = [ErrorClass::InvalidCredentials, ErrorClass::Unauthorized, ErrorClass::NotFound];
    let result = bench.provider.connect(request).await;
    bench.expect_refused(&bench.connection, result, &refusals)
}
