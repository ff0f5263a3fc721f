//! Speaking to authorization servers: where an agent is sent, codes, tokens and their end.

use std::borrow::Cow;

use calendar_http::http::{Request, header::CONTENT_TYPE};
use calendar_http::{Bytes, HttpClient};
use calendar_provider::{OAuth2, Permission, ProviderError};
use chrono::{DateTime, TimeDelta, Utc};
use oauth2::basic::{
    BasicClient, BasicErrorResponse, BasicErrorResponseType, BasicTokenResponse, BasicTokenType,
};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest,
    HttpResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken,
    RequestTokenError, Scope, StandardErrorResponse, TokenResponse, TokenUrl,
};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// Most bytes of an authorization server's answer; tokens are of a few thousand.
const ANSWER_BYTES: usize = 256 * 1024;

/// What the token endpoint gave out.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) access_token: SecretString,
    /// None where there is none, or the former stays.
    pub(super) refresh_token: Option<SecretString>,
    /// When the access token was asked for.
    pub(super) issued_at: DateTime<Utc>,
    /// When it stops working; none where the server does not say.
    pub(super) expires_at: Option<DateTime<Utc>>,
    /// The scopes; none where they are those that were asked for (RFC 6749, section 5.1).
    pub(super) scopes: Option<Vec<String>>,
}

/// Why the token endpoint gave nothing out.
#[derive(Debug)]
pub(super) enum Refused {
    /// The code or refresh token is no good, or the agent has to answer something: `invalid_grant`
    /// and its kin. Asking again does not help.
    Grant,
    /// Anything else; asking later may help. It never says that the authorization ended.
    Other(ProviderError),
}

/// What an authorization request says besides what the provider's client does.
pub(super) struct Asking<'a> {
    pub(super) redirect_uri: &'a Url,
    pub(super) state: String,
    /// RFC 7636, section 4.1.
    pub(super) verifier: &'a str,
    /// The account that is meant, where one was connected before.
    pub(super) account: Option<&'a str>,
}

/// The address of the consent page (RFC 6749, section 4.1.1; RFC 7636, section 4.3).
pub(super) fn consent_page(client: &OAuth2, permissions: &[Permission], asking: Asking<'_>) -> Url {
    let verifier = PkceCodeVerifier::new(asking.verifier.to_owned());
    let redirect = RedirectUrl::from_url(asking.redirect_uri.clone());
    let server = BasicClient::new(ClientId::new(client.client_id.clone()))
        .set_auth_uri(AuthUrl::from_url(client.authorization_url.clone()));
    let state = CsrfToken::new(asking.state);
    let mut request = server
        .authorize_url(move || state)
        .add_scopes(permissions.iter().map(|permission| Scope::new(permission.scope.clone())))
        .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
        .set_redirect_uri(Cow::Owned(redirect));
    for (name, value) in &client.authorization_params {
        request = request.add_extra_param(name, value);
    }
    if let Some(account) = asking.account {
        request = request.add_extra_param("login_hint", account);
    }
    request.url().0
}

/// Exchanges a code for tokens (RFC 6749, section 4.1.3).
pub(super) async fn exchange(
    http: &HttpClient,
    client: &OAuth2,
    code: &SecretString,
    asking: (&Url, &str),
    now: DateTime<Utc>,
) -> Result<Granted, Refused> {
    let (redirect_uri, verifier) = asking;
    let server = server(client).set_token_uri(TokenUrl::from_url(client.token_url.clone()));
    let redirect = RedirectUrl::from_url(redirect_uri.clone());
    let request = server
        .exchange_code(AuthorizationCode::new(code.expose_secret().to_owned()))
        .set_pkce_verifier(PkceCodeVerifier::new(verifier.to_owned()))
        .set_redirect_uri(Cow::Owned(redirect));
    let sender = sender(http);
    granted(request.request_async(&sender).await, now)
}

/// Trades a refresh token for a new access token (RFC 6749, section 6).
pub(super) async fn refresh(
    http: &HttpClient,
    client: &OAuth2,
    refresh_token: &str,
    now: DateTime<Utc>,
) -> Result<Granted, Refused> {
    let server = server(client).set_token_uri(TokenUrl::from_url(client.token_url.clone()));
    let token = RefreshToken::new(refresh_token.to_owned());
    let sender = sender(http);
    granted(server.exchange_refresh_token(&token).request_async(&sender).await, now)
}

/// Has a token forgotten, and where it is a refresh token all that came of it (RFC 7009, section 2.1).
/// Nothing is done where the provider has no such endpoint; a token that ended already is a success.
///
/// # Errors
/// Those that may pass.
pub(super) async fn revoke(
    http: &HttpClient,
    client: &OAuth2,
    token: &SecretString,
) -> Result<(), ProviderError> {
    let Some(url) = &client.revocation_url else { return Ok(()) };
    let request = Request::post(url.as_str())
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(revocation(client, token))
        .map_err(|error| {
            ProviderError::permanent("its address can't be used").with_source(error)
        })?;
    let response = http.with_body_limit(ANSWER_BYTES).send(request).await?;
    if !response.status().is_success() {
        // A token that ended already, for a server that tells of it, as Google's does.
        tracing::info!(status = %response.status(), "an authorization server did not revoke a token");
    }
    Ok(())
}

/// The body of a revocation request, with the client's authentication (RFC 6749, section 2.3.1).
fn revocation(client: &OAuth2, token: &SecretString) -> Bytes {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("token", token.expose_secret()).append_pair("client_id", &client.client_id);
    if let Some(secret) = &client.client_secret {
        form.append_pair("client_secret", secret.expose_secret());
    }
    form.finish().into()
}

fn server(client: &OAuth2) -> BasicClient {
    // In the body, as Google's and Microsoft's guides show it; RFC 6749, section 2.3.1 allows it.
    let server = BasicClient::new(ClientId::new(client.client_id.clone()))
        .set_auth_type(AuthType::RequestBody);
    match &client.client_secret {
        Some(secret) => {
            server.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()))
        }
        None => server,
    }
}

fn sender(
    http: &HttpClient,
) -> impl Fn(HttpRequest) -> futures_util::future::BoxFuture<'static, Result<HttpResponse, ProviderError>>
{
    let http = http.with_body_limit(ANSWER_BYTES);
    move |request| {
        let http = http.clone();
        Box::pin(async move {
            let response = http.send(request.map(Bytes::from)).await?;
            Ok(response.map(|body| body.to_vec()))
        })
    }
}

type Answer = Result<BasicTokenResponse, RequestTokenError<ProviderError, BasicErrorResponse>>;

fn granted(answer: Answer, now: DateTime<Utc>) -> Result<Granted, Refused> {
    let tokens = answer.map_err(refused)?;
    if *tokens.token_type() != BasicTokenType::Bearer {
        let error = ProviderError::transient("its token endpoint gave out no bearer token");
        return Err(Refused::Other(error));
    }
    let secret = |token: &str| SecretString::from(token.to_owned());
    let lifetime = tokens.expires_in().and_then(|lifetime| TimeDelta::from_std(lifetime).ok());
    let names = |scopes: &Vec<Scope>| {
        scopes.iter().map(|scope| scope.to_string()).filter(|scope| !scope.is_empty()).collect()
    };
    Ok(Granted {
        access_token: secret(tokens.access_token().secret()),
        refresh_token: tokens.refresh_token().map(|token| secret(token.secret())),
        issued_at: now,
        expires_at: lifetime.and_then(|lifetime| now.checked_add_signed(lifetime)),
        scopes: tokens.scopes().map(names),
    })
}

/// What an error means. What the server wrote is left out: it may repeat a token.
fn refused(error: RequestTokenError<ProviderError, BasicErrorResponse>) -> Refused {
    let message = match error {
        RequestTokenError::ServerResponse(response) => match said(&response) {
            None => return Refused::Grant,
            Some(message) => message,
        },
        RequestTokenError::Request(error) if error.is_retryable() => return Refused::Other(error),
        RequestTokenError::Request(error) => {
            let message = "its token endpoint can't be used";
            return Refused::Other(ProviderError::transient(message).with_source(error));
        }
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            "its token endpoint's answer can't be read"
        }
    };
    Refused::Other(ProviderError::transient(message))
}

/// What an error response says (RFC 6749, section 5.2); none where the grant itself is no good.
fn said(response: &StandardErrorResponse<BasicErrorResponseType>) -> Option<&'static str> {
    match response.error() {
        BasicErrorResponseType::InvalidGrant => None,
        // OpenID Connect Core, section 3.1.2.6: the agent must answer something first.
        BasicErrorResponseType::Extension(code)
            if ["interaction_required", "consent_required", "login_required"]
                .contains(&code.as_str()) =>
        {
            None
        }
        BasicErrorResponseType::InvalidClient | BasicErrorResponseType::UnauthorizedClient => {
            tracing::error!("an authorization server does not accept this server's OAuth client");
            Some("it does not accept this server's OAuth client")
        }
        _ => Some("its token endpoint refused the request"),
    }
}
