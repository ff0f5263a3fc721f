//! The server and what it remembers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{Clock, Consent, Fault, Iss, Settings};

/// The authorization server. Its clones are the same server.
#[derive(Clone, Debug)]
pub struct OAuth {
    pub(crate) settings: Arc<Settings>,
    pub(crate) clock: Clock,
    state: Arc<Mutex<State>>,
}

/// What the token endpoint gave out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSet {
    /// The access token.
    pub access_token: String,
    /// The refresh token, where one came with it.
    pub refresh_token: Option<String>,
    /// How long the access token is said to live.
    pub expires_in: TimeDelta,
    /// What was granted, as it is told.
    pub scopes: BTreeSet<String>,
}

/// Why the token endpoint refused (RFC 6749, section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenRefused {
    /// The error's code, e.g. `invalid_grant`.
    pub error: &'static str,
    /// What was wrong, for whoever reads a failing test.
    pub description: &'static str,
}

/// How often what was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Codes that were exchanged.
    pub exchanges: usize,
    /// Refreshes that succeeded.
    pub refreshes: usize,
    /// Requests to the token endpoint, whatever came of them.
    pub token_requests: usize,
    /// The most requests to the token endpoint that were under way at one time.
    pub token_requests_at_once: usize,
    /// Revocations that ended a grant.
    pub revocations: usize,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) account: String,
    pub(crate) consent: Consent,
    pub(crate) iss: Iss,
    /// The fault, and for how many requests more where it is not for good.
    pub(crate) fault: Option<(Fault, Option<usize>)>,
    /// How much sooner than told access tokens end.
    pub(crate) skew: TimeDelta,
    pub(crate) grants: Vec<Grant>,
    pub(crate) codes: BTreeMap<String, Code>,
    pub(crate) access: BTreeMap<String, AccessToken>,
    pub(crate) refresh: BTreeMap<String, RefreshToken>,
    pub(crate) counts: Counts,
    pub(crate) under_way: usize,
    given_out: usize,
}

/// What one consent gave; ending it ends all that came of it.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) account: String,
    pub(crate) client_id: String,
    /// By [`Scope::name`](crate::Scope::name).
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) ended: bool,
}

#[derive(Debug)]
pub(crate) struct Code {
    pub(crate) grant: usize,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: String,
    pub(crate) offline: bool,
    pub(crate) until: DateTime<Utc>,
    pub(crate) used: bool,
}

#[derive(Debug)]
pub(crate) struct AccessToken {
    pub(crate) grant: usize,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) until: DateTime<Utc>,
}

#[derive(Debug)]
pub(crate) struct RefreshToken {
    pub(crate) grant: usize,
    pub(crate) replaced: bool,
}

impl State {
    /// A text that was never given out before.
    pub(crate) fn fresh(&mut self, kind: &str) -> String {
        self.given_out += 1;
        format!("fake-{kind}-{:06}", self.given_out)
    }

    pub(crate) fn end_grant(&mut self, grant: usize) {
        self.grants[grant].ended = true;
    }
}

impl OAuth {
    /// A server at which `owner@example.com` is signed in and consents to everything.
    pub fn new(settings: Settings, clock: Clock) -> Self {
        let state = State {
            account: "owner@example.com".to_owned(),
            consent: Consent::Grant,
            iss: Iss::Own,
            fault: None,
            skew: TimeDelta::zero(),
            grants: Vec::new(),
            codes: BTreeMap::new(),
            access: BTreeMap::new(),
            refresh: BTreeMap::new(),
            counts: Counts::default(),
            under_way: 0,
            given_out: 0,
        };
        Self { settings: Arc::new(settings), clock, state: Arc::new(Mutex::new(state)) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The clock that its tokens live by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Whoever visits the consent page from now on is `account`.
    pub fn sign_in(&self, account: impl Into<String>) {
        self.lock().account = account.into();
    }

    /// How they answer from now on.
    pub fn set_consent(&self, consent: Consent) {
        self.lock().consent = consent;
    }

    /// What is sent as `iss` from now on.
    pub fn set_iss(&self, iss: Iss) {
        self.lock().iss = iss;
    }

    /// Breaks the token endpoint until [`OAuth::mend`].
    pub fn inflict(&self, fault: Fault) {
        self.lock().fault = Some((fault, None));
    }

    /// Breaks the token endpoint for its next `requests` requests.
    pub fn inflict_next(&self, requests: usize, fault: Fault) {
        self.lock().fault = (requests > 0).then_some((fault, Some(requests)));
    }

    /// Ends what [`OAuth::inflict`] began.
    pub fn mend(&self) {
        self.lock().fault = None;
    }

    /// Access tokens given out from now on end this much sooner than `expires_in` says, as where
    /// the resource server's clock is ahead; negative where it is behind.
    pub fn set_skew(&self, skew: TimeDelta) {
        self.lock().skew = skew;
    }

    /// The account's owner removes every app from it: all its tokens end.
    pub fn remove_access(&self, account: &str) {
        let mut state = self.lock();
        state
            .grants
            .iter_mut()
            .filter(|grant| grant.account == account)
            .for_each(|grant| grant.ended = true);
    }

    /// Ends all access tokens and leaves the refresh tokens.
    pub fn expire_access_tokens(&self) {
        self.lock().access.clear();
    }

    /// An access token as if `account` had consented to `scopes`, for tests that are about
    /// something else.
    ///
    /// # Panics
    /// Where a scope or the settings' first client is not there.
    pub fn issue(&self, account: impl Into<String>, scopes: &[&str]) -> TokenSet {
        let client = self.settings.clients.first().expect("the settings have a client");
        let known = |asked: &&str| self.settings.scope(asked).expect("the scope is known").name();
        let scopes: BTreeSet<_> = scopes.iter().map(known).map(str::to_owned).collect();
        let mut state = self.lock();
        state.grants.push(Grant {
            account: account.into(),
            client_id: client.id.clone(),
            scopes: scopes.clone(),
            ended: false,
        });
        let grant = state.grants.len() - 1;
        let refresh_token = state.fresh("refresh-token");
        state.refresh.insert(refresh_token.clone(), RefreshToken { grant, replaced: false });
        self.access_token(&mut state, grant, scopes, Some(refresh_token))
    }

    /// How many grants of `account` still stand.
    pub fn standing_grants(&self, account: &str) -> usize {
        let state = self.lock();
        state.grants.iter().filter(|grant| grant.account == account && !grant.ended).count()
    }

    /// How often what was done so far.
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }
}
