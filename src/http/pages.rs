//! The pages behind links of mails: a visitor sees, moves and calls off a booking, or confirms one. Looking at a
//! page does nothing: programs that look at mails follow their links.
//!
//! Its files are as in `assets/pages`, without a build step. They speak to `/graphql` like any
//! frontend, so nothing here knows of bookings. The link holds the key to one, hence the headers: the
//! address must not reach other sites, search engines or caches.

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

/// Nothing from anywhere else, nothing inline, and no frame around it in which a click could be
/// stolen.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'";

const MANAGE: &str = include_str!("../../assets/pages/manage.html");
const CONFIRM: &str = include_str!("../../assets/pages/confirm.html");
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// What the pages load: where it is served, what it is, and its text.
const FILES: [(&str, &str, &str); 6] = [
    ("/manage/confirm.js", SCRIPT, include_str!("../../assets/pages/confirm.js")),
    ("/manage/manage.js", SCRIPT, include_str!("../../assets/pages/manage.js")),
    ("/manage/words.js", SCRIPT, include_str!("../../assets/pages/words.js")),
    ("/manage/picker.js", SCRIPT, include_str!("../../assets/pages/picker.js")),
    ("/manage/api.js", SCRIPT, include_str!("../../assets/pages/api.js")),
    ("/manage/style.css", STYLE, include_str!("../../assets/pages/style.css")),
];

/// `GET /manage`, `GET /confirm` and what they load, to be merged into the router.
pub fn pages() -> Router {
    // Who types the server's address alone is shown what can be asked there.
    let home = get(async || Redirect::to("/graphql"));
    let router = Router::new()
        .route("/", home)
        .route("/manage", get(async || page(MANAGE)))
        .route("/confirm", get(async || page(CONFIRM)));
    FILES.into_iter().fold(router, |router, (path, kind, text)| {
        // Asked for anew each time: a page and scripts of different releases may not fit together.
        router.route(path, get(async move || file(kind, "no-cache", text)))
    })
}

fn page(text: &'static str) -> Response {
    let mut response = file("text/html; charset=utf-8", "no-store", text);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(
        HeaderName::from_static("x-robots-tag"),
        HeaderValue::from_static("noindex, nofollow, noarchive"),
    );
    response
}

fn file(kind: &'static str, cache: &'static str, text: &'static str) -> Response {
    let headers =
        [(CONTENT_TYPE, kind), (CACHE_CONTROL, cache), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, text).into_response()
}
