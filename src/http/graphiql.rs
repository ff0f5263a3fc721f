//! GraphiQL, the page a browser gets at `/graphql`. Everything it loads is in this binary, built by
//! `assets/graphiql/update` and kept compressed.

use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderValue, Response, StatusCode,
        header::{
            ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY,
            CONTENT_TYPE, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
        },
    },
};

const PAGE: &str = include_str!("../../assets/graphiql/index.html");
const SCRIPT: &[u8] = include_bytes!("../../assets/graphiql/dist/graphiql.js.gz");
const STYLE: &[u8] = include_bytes!("../../assets/graphiql/dist/graphiql.css.gz");

/// Nothing from anywhere else, and no script in the page itself. The editor sets styles of its own
/// as it runs, so those can't be forbidden.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    connect-src 'self'; img-src 'self' data:; font-src 'self' data:; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// The page.
pub(crate) fn page() -> Response<Body> {
    let mut response = asset("text/html; charset=utf-8", "no-store", PAGE.as_bytes());
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(VARY, HeaderValue::from_static("accept"));
    response
}

/// `GET /graphiql/graphiql.js`
pub(crate) async fn script(headers: HeaderMap) -> Response<Body> {
    compressed(&headers, "text/javascript; charset=utf-8", SCRIPT)
}

/// `GET /graphiql/graphiql.css`
pub(crate) async fn style(headers: HeaderMap) -> Response<Body> {
    compressed(&headers, "text/css; charset=utf-8", STYLE)
}

/// Every browser takes gzip; whoever does not gets 406 rather than a second copy in the binary.
fn compressed(
    headers: &HeaderMap,
    content_type: &'static str,
    bytes: &'static [u8],
) -> Response<Body> {
    let accepted = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("");
    let gzip =
        accepted.split(',').map(|coding| coding.split(';').next().unwrap_or_default().trim());
    if !gzip.into_iter().any(|coding| coding.eq_ignore_ascii_case("gzip") || coding == "*") {
        let mut response = Response::new(Body::from("this is kept as gzip only\n"));
        *response.status_mut() = StatusCode::NOT_ACCEPTABLE;
        return response;
    }
    let mut response = asset(content_type, "public, max-age=3600", bytes);
    let headers = response.headers_mut();
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    response
}

fn asset(content_type: &'static str, cache: &'static str, bytes: &'static [u8]) -> Response<Body> {
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
