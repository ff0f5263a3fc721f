//! An OAuth 2.0 authorization server for tests.
//!
//! The authorization code grant with PKCE (RFC 6749, section 4.1; RFC 7636), refresh (section 6)
//! and revocation (RFC 7009), strict in what it takes. There is no page to click on: whoever
//! signed in with [`OAuth::sign_in`] answers at once, as [`Consent`] says. What providers do
//! differently is in [`Settings`]; what goes wrong is in [`Fault`]. Its time is a [`Clock`] that
//! the test sets. There is no `id_token`.
//!
//! ```
//! use chrono::DateTime;
//! use fake_oauth::{Client, Clock, OAuth, Settings, Visit};
//!
//! let settings = Settings::new("https://issuer.example")
//!     .with_client(Client::new("frontdesk", "secret", "https://desk.example/oauth/callback"))
//!     .with_scopes(["calendar"]);
//! let oauth = OAuth::new(settings, Clock::new(DateTime::UNIX_EPOCH));
//! oauth.sign_in("ada@example.com");
//! let page = "https://issuer.example/authorize?response_type=code&client_id=frontdesk\
//!     &redirect_uri=https://desk.example/oauth/callback&state=abc&scope=calendar\
//!     &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
//! let Visit::Redirect(back) = oauth.visit(&page.parse()?) else { panic!("refused") };
//! assert!(back.query_pairs().any(|(name, value)| name == "state" && value == "abc"));
//! # Ok::<(), url::ParseError>(())
//! ```

mod authorize;
mod bearer;
mod clock;
mod control;
mod endpoints;
mod form;
mod serve;
mod settings;
mod state;
mod token;

pub use authorize::Visit;
pub use bearer::{Access, BearerError};
pub use clock::Clock;
pub use control::{Consent, Fault, Iss};
pub use endpoints::{Paths, cut_off};
pub use serve::Server;
pub use settings::{Client, Offline, Renewal, Revocation, Scope, Settings};
pub use state::{Counts, OAuth, TokenRefused, TokenSet};
