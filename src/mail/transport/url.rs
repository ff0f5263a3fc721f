//! The mail URL: which transport, and how it is reached.

use std::path::PathBuf;

use lettre::transport::smtp::AsyncSmtpTransportBuilder;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, Tokio1Executor};
use percent_encoding::percent_decode_str;
use url::Url;

use super::Way;

/// What a mail URL may be, for error messages.
const ALLOWED: &str = "file:DIR, smtp://user:password@host:port?tls=required|opportunistic|none or \
                       smtps://user:password@host:port";

/// A mail URL that cannot be used. One line, without the password.
#[derive(Debug, thiserror::Error)]
#[error("bad mail URL: {key} is {value:?}; allowed: {allowed}")]
pub struct MailUrlError {
    /// The part that is wrong: `url`, `directory`, `host`, `tls`, …
    pub key: String,
    /// What was given; a password is replaced by `***`.
    pub value: String,
    /// What may stand there.
    pub allowed: &'static str,
}

impl MailUrlError {
    fn new(key: impl Into<String>, value: impl Into<String>, allowed: &'static str) -> Self {
        Self { key: key.into(), value: value.into(), allowed }
    }
}

/// A mail URL, read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum MailUrl {
    File(PathBuf),
    Smtp(SmtpUrl),
}

#[derive(PartialEq, Eq)]
pub(super) struct SmtpUrl {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
    pub(super) login: Option<Login>,
}

/// Not `Debug`, so that it cannot be logged by mistake.
#[derive(PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
}

impl std::fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let login = if self.login.is_some() { "***@" } else { "" };
        write!(f, "{:?} {login}{}:{}", self.security, self.host, self.port)
    }
}

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Security {
    /// TLS from the first byte.
    Tls,
    /// STARTTLS, or no mail.
    StartTls,
    /// STARTTLS where the server offers it: not safe against someone on the line.
    OpportunisticStartTls,
    /// None.
    Plain,
}

/// Reads a mail URL.
pub(super) fn parse(text: &str) -> Result<MailUrl, MailUrlError> {
    let text = text.trim();
    if let Some(directory) = text.strip_prefix("file:") {
        return file(directory);
    }
    let url = Url::parse(text).map_err(|_error| MailUrlError::new("url", masked(text), ALLOWED))?;
    match url.scheme() {
        "smtp" | "smtps" => Ok(MailUrl::Smtp(smtp(&url)?)),
        scheme => Err(MailUrlError::new("scheme", scheme, ALLOWED)),
    }
}

impl MailUrl {
    /// The transport it names.
    pub(super) fn into_way(self) -> Result<Way, MailUrlError> {
        match self {
            Self::File(directory) => Ok(Way::File(directory)),
            Self::Smtp(smtp) => Ok(Way::Smtp(smtp.builder()?.build())),
        }
    }

    /// Whether there is a transport it names. Makes none: that needs a tokio runtime, and settings are
    /// checked before there is one.
    pub(super) fn check(self) -> Result<(), MailUrlError> {
        match self {
            Self::File(_) => Ok(()),
            Self::Smtp(smtp) => smtp.builder().map(drop),
        }
    }
}

impl SmtpUrl {
    fn builder(self) -> Result<AsyncSmtpTransportBuilder, MailUrlError> {
        let tls = || {
            TlsParameters::new(self.host.clone()).map_err(|_error| {
                MailUrlError::new("host", &self.host, "a host name that a certificate can name")
            })
        };
        let tls = match self.security {
            Security::Tls => Tls::Wrapper(tls()?),
            Security::StartTls => Tls::Required(tls()?),
            Security::OpportunisticStartTls => Tls::Opportunistic(tls()?),
            Security::Plain => Tls::None,
        };
        let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&self.host)
            .port(self.port)
            .tls(tls);
        Ok(match self.login {
            Some(Login { user, password }) => builder.credentials(Credentials::new(user, password)),
            None => builder,
        })
    }
}

/// `file:DIR`, and `file:///DIR` as others write it.
fn file(directory: &str) -> Result<MailUrl, MailUrlError> {
    let directory = directory.strip_prefix("//").unwrap_or(directory);
    if directory.is_empty() || directory.contains('\0') {
        return Err(MailUrlError::new("directory", directory, "a directory, e.g. file:mail"));
    }
    Ok(MailUrl::File(PathBuf::from(directory)))
}

fn smtp(url: &Url) -> Result<SmtpUrl, MailUrlError> {
    let host = url.host_str().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| MailUrlError::new("host", "", "a host name or address"))?;
    if !matches!(url.path(), "" | "/") {
        return Err(MailUrlError::new("path", url.path(), "nothing after the port"));
    }
    if url.fragment().is_some() {
        return Err(MailUrlError::new("fragment", "#", "a password with its # written as %23"));
    }
    let wrapped = url.scheme() == "smtps";
    let mut security = if wrapped { Security::Tls } else { Security::StartTls };
    for (key, value) in url.query_pairs() {
        security = match (&*key, &*value, wrapped) {
            ("tls", "required", true) => Security::Tls,
            ("tls", value, true) => {
                return Err(MailUrlError::new("tls", value, "required, with smtps"));
            }
            ("tls", "required", false) => Security::StartTls,
            ("tls", "opportunistic", false) => Security::OpportunisticStartTls,
            ("tls", "none", false) => Security::Plain,
            ("tls", value, false) => {
                return Err(MailUrlError::new("tls", value, "required, opportunistic or none"));
            }
            (key, value, _) => return Err(MailUrlError::new(key, value, "the one parameter tls")),
        };
    }
    let port = match url.port() {
        Some(0) => return Err(MailUrlError::new("port", "0", "1 to 65535")),
        Some(port) => port,
        None if wrapped => 465,
        None => 587,
    };
    Ok(SmtpUrl { host: host.to_owned(), port, security, login: login(url)? })
}

fn login(url: &Url) -> Result<Option<Login>, MailUrlError> {
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", Some(_)) => Err(MailUrlError::new("user", "", "a user before the password")),
        (user, None) => Err(MailUrlError::new(
            "password",
            "",
            if user.is_empty() { ALLOWED } else { "a password after the user, or neither" },
        )),
        (user, Some(password)) => Ok(Some(Login {
            user: decoded("user", user)?,
            password: decoded("password", password)?,
        })),
    }
}

/// Undoes percent-encoding. The value is not named in the error: it may be the password.
fn decoded(key: &str, text: &str) -> Result<String, MailUrlError> {
    percent_decode_str(text)
        .decode_utf8()
        .map(Into::into)
        .map_err(|_error| MailUrlError::new(key, "***", "percent-encoded UTF-8"))
}

/// The text with what may be a password hidden: all between the scheme and the last `@`.
fn masked(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            format!("{}://***{}", &text[..scheme], &text[at..])
        }
        (_, Some(at)) => format!("***{}", &text[at..]),
        _ => text.to_owned(),
    }
}
