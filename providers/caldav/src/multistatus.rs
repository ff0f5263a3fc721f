//! What a server says of its resources (RFC 4918, section 13).

use calendar_provider::ProviderError;
use roxmltree::{Document, Node, ParsingOptions};
use url::Url;

use crate::href;
use crate::props::Props;

/// The namespace of WebDAV.
pub(crate) const DAV: &str = "DAV:";
/// The namespace of CalDAV (RFC 4791, section 4).
pub(crate) const CALDAV: &str = "urn:ietf:params:xml:ns:caldav";
/// The namespace of Apple's extensions, which many servers share.
pub(crate) const CALENDAR_SERVER: &str = "http://calendarserver.org/ns/";

/// More nodes than any answer within the size limit needs: a small text of empty elements would
/// otherwise take many times its own size in memory.
const MAX_NODES: u32 = 1_500_000;

/// An answer about several resources.
#[derive(Debug, Default)]
pub(crate) struct Multistatus {
    /// One for each resource, in the server's order.
    pub(crate) members: Vec<Member>,
    /// Where `sync-collection` goes on (RFC 6578, section 6.4).
    pub(crate) sync_token: Option<String>,
    /// Whether the server left some out (507; RFC 6578, section 3.6, and RFC 5323, section 2.3.1).
    pub(crate) truncated: bool,
}

/// What is said of one resource.
#[derive(Debug)]
pub(crate) struct Member {
    /// Which one.
    pub(crate) href: Url,
    /// A status of the resource as a whole, e.g. 404 where it is gone.
    pub(crate) status: Option<u16>,
    /// The properties that it has, of those that were asked for.
    pub(crate) props: Props,
}

impl Member {
    /// Whether the server says that it is not there, or no longer.
    pub(crate) const fn is_gone(&self) -> bool {
        matches!(self.status, Some(404 | 410))
    }
}

impl Multistatus {
    /// Of a server that says no more than that it would be too much.
    pub(crate) fn cut_short() -> Self {
        Self { truncated: true, ..Self::default() }
    }

    /// Reads the answer to a request for `base`.
    ///
    /// # Errors
    /// Transient where the text is no multistatus: e.g. a page of a proxy in between, or cut off.
    /// Permanent where it names another server.
    pub(crate) fn read(body: &[u8], base: &Url) -> Result<Self, ProviderError> {
        let text = utf8(body)?;
        let document = parse(text)?;
        let root = document.root_element();
        if !root.has_tag_name((DAV, "multistatus")) {
            return Err(unreadable());
        }
        let mut answer = Self { sync_token: text_of(root, "sync-token"), ..Self::default() };
        for response in children(root, DAV, "response") {
            answer.read_response(response, base)?;
        }
        Ok(answer)
    }

    fn read_response(&mut self, response: Node<'_, '_>, base: &Url) -> Result<(), ProviderError> {
        let status = children(response, DAV, "status").next().map(status).transpose()?;
        if status == Some(507) {
            self.truncated = true;
            return Ok(());
        }
        let mut props = Props::default();
        for propstat in children(response, DAV, "propstat") {
            let found = children(propstat, DAV, "status").next().map(self::status).transpose()?;
            // Properties with another status are named only to say that they can't be had.
            if found.is_some_and(|it| (200..300).contains(&it)) {
                for prop in children(propstat, DAV, "prop") {
                    props.read(prop);
                }
            }
        }
        let mut hrefs = children(response, DAV, "href").peekable();
        if hrefs.peek().is_none() {
            return Err(unreadable());
        }
        for href in hrefs {
            let href = href::resolve(base, href.text().unwrap_or_default())?;
            self.members.push(Member { href, status, props: props.clone() });
        }
        Ok(())
    }

    /// The one member of an answer of depth 0, where it stands.
    pub(crate) fn into_only(self) -> Option<Member> {
        self.members.into_iter().find(|it| it.status.is_none_or(|it| (200..300).contains(&it)))
    }
}

/// Whether the body of a refusal holds this precondition (RFC 4918, section 16).
pub(crate) fn has_precondition(body: &[u8], namespace: &str, name: &str) -> bool {
    let Ok(text) = std::str::from_utf8(body) else { return false };
    let Ok(document) = parse(text) else { return false };
    let root = document.root_element();
    root.has_tag_name((DAV, "error"))
        && root.children().any(|it| it.has_tag_name((namespace, name)))
}

/// The text, where it is UTF-8.
pub(crate) fn utf8(body: &[u8]) -> Result<&str, ProviderError> {
    std::str::from_utf8(body)
        .map_err(|cause| ProviderError::transient("the answer is not UTF-8").with_source(cause))
}

/// No DTD is read, so that there are no entities to expand (and no multistatus has one).
fn parse(text: &str) -> Result<Document<'_>, ProviderError> {
    let options =
        ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    // The parser's own error quotes the text.
    Document::parse_with_options(text, options).map_err(|_| unreadable())
}

fn unreadable() -> ProviderError {
    ProviderError::transient("the answer is not a WebDAV multistatus")
}

/// The children of this name.
pub(crate) fn children<'a, 'input>(
    node: Node<'a, 'input>,
    namespace: &'a str,
    name: &'a str,
) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(move |it| it.has_tag_name((namespace, name)))
}

fn text_of(node: Node<'_, '_>, name: &str) -> Option<String> {
    let text = children(node, DAV, name).next()?.text()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The number of a status line (RFC 9112, section 4).
fn status(node: Node<'_, '_>) -> Result<u16, ProviderError> {
    let number = node.text().and_then(|it| it.split_whitespace().nth(1)?.parse().ok());
    number.ok_or_else(unreadable)
}

#[cfg(test)]
mod tests;
