//! What a provider says of itself.

/// What a provider is and what it can do; the same for every connection.
///
/// Begin with [`About::new`] and set what differs:
///
/// ```
/// use calendar_provider::{About, ConnectMethod, CredentialField};
///
/// let mut about = About::new("acme", "Acme Calendar", ConnectMethod::Credentials);
/// about.credential_fields = vec![CredentialField::secret("token", "API token")];
/// about.capabilities.writes = false;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct About {
    /// The stable key that connections are kept under: `a-z`, `0-9` and `-`, 1 to 32 characters.
    /// Changing it orphans every connection.
    pub id: String,
    /// What people call it, e.g. `Google Calendar`.
    pub name: String,
    /// How an agent connects.
    pub connect_with: ConnectMethod,
    /// What an agent grants by connecting; empty where nothing is granted.
    pub permissions: Vec<Permission>,
    /// The conference link it can add to an event, if any.
    pub conference: Option<ConferenceKind>,
    /// For [`ConnectMethod::Credentials`] and [`ConnectMethod::FeedUrl`]: what
    /// [`connect`](crate::CalendarProvider::connect) must be given.
    pub credential_fields: Vec<CredentialField>,
    /// What the server can ask of it.
    pub capabilities: Capabilities,
    /// Whether it holds all that it needs, e.g. an OAuth client. No agent can connect until then.
    pub configured: bool,
    /// The requests that its documentation allows this server in a minute, over all connections;
    /// none where nothing is said. Reading ahead of time keeps well below; bookings are not held up.
    pub requests_per_minute: Option<u32>,
}

impl About {
    /// A configured provider with no permissions, no conference, no credential fields and the
    /// default [`Capabilities`].
    pub fn new(
        id: impl Into<String>,
        name: impl Into<String>,
        connect_with: ConnectMethod,
    ) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            connect_with,
            permissions: Vec::new(),
            conference: None,
            credential_fields: Vec::new(),
            capabilities: Capabilities::default(),
            configured: true,
            requests_per_minute: None,
        }
    }
}

/// How an agent connects a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectMethod {
    /// The agent's browser is sent to the provider's consent page (RFC 6749).
    OAuth2,
    /// The agent types in what [`About::credential_fields`] lists.
    Credentials,
    /// The agent pastes the address of a published feed.
    FeedUrl,
    /// Nothing is needed.
    None,
}

/// One thing that an agent grants by connecting.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Permission {
    /// The scope as the provider spells it.
    pub scope: String,
    /// The same in the plain words of the provider's consent page.
    pub description: String,
    /// Whether connecting fails where it was not granted.
    pub required: bool,
    /// Other spellings by which the provider may tell that it was granted. Case never matters.
    pub aliases: Vec<String>,
}

impl Permission {
    /// A scope and what it means in plain words; connecting fails without it.
    pub fn new(scope: impl Into<String>, description: impl Into<String>) -> Self {
        let (scope, description) = (scope.into(), description.into());
        Self { scope, description, required: true, aliases: Vec::new() }
    }

    /// The same where connecting works without it.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    /// Whether it is among the scopes that were granted.
    pub fn is_granted(&self, granted: &[String]) -> bool {
        let mut spellings = std::iter::once(&self.scope).chain(&self.aliases);
        spellings.any(|one| granted.iter().any(|scope| scope.eq_ignore_ascii_case(one)))
    }
}

/// A kind of conference link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConferenceKind {
    /// Google Meet.
    GoogleMeet,
    /// Microsoft Teams.
    MicrosoftTeams,
}

/// One value that an agent types in to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CredentialField {
    /// The key under which [`ConnectRequest::credentials`](crate::ConnectRequest::credentials)
    /// holds the value.
    pub name: String,
    /// What a form writes beside it.
    pub label: String,
    /// Whether a form hides what is typed.
    pub secret: bool,
}

impl CredentialField {
    /// A value that may be shown, e.g. a user name.
    pub fn plain(name: impl Into<String>, label: impl Into<String>) -> Self {
        Self { name: name.into(), label: label.into(), secret: false }
    }

    /// A value that is hidden while it is typed, e.g. a password.
    pub fn secret(name: impl Into<String>, label: impl Into<String>) -> Self {
        Self { name: name.into(), label: label.into(), secret: true }
    }
}

/// What the server can ask of a provider. By default: writing and following changes, over the
/// network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Whether events can be written. Where not, `put_event`, `delete_event` and `get_event`
    /// answer [`ProviderError::Unsupported`](crate::ProviderError::Unsupported).
    pub writes: bool,
    /// Whether changes can be followed with a cursor. Where not, `changes` answers
    /// [`ProviderError::Unsupported`](crate::ProviderError::Unsupported), and busy time is polled.
    pub changes: bool,
    /// Whether the account's calendars can be listed, so that the agent picks which of them count.
    /// Where not, `calendars` answers
    /// [`ProviderError::Unsupported`](crate::ProviderError::Unsupported).
    pub calendars: bool,
    /// Whether the provider calls the server when something changed. Where not, `watch` answers
    /// [`ProviderError::Unsupported`](crate::ProviderError::Unsupported).
    pub push: bool,
    /// Where the events live.
    pub residence: Residence,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            writes: true,
            changes: true,
            calendars: false,
            push: false,
            residence: Residence::Remote,
        }
    }
}

/// Where a provider's events live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Residence {
    /// In the server's own database, written in the server's own transactions: what is read
    /// there is current, so that a booking needs no fresh look over the network.
    Local,
    /// In another system, which changes them without telling first.
    Remote,
}
