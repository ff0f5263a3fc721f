//! The properties that are asked for, as they are read.

use calendar_provider::ProviderError;
use roxmltree::Node;
use url::Url;

use crate::href;
use crate::multistatus::{CALDAV, CALENDAR_SERVER, DAV, children};

/// What a resource has of all properties that are ever asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Props {
    /// `DAV:getetag`, quotes and all.
    pub(crate) etag: Option<String>,
    /// `CALDAV:calendar-data`: an iCalendar text.
    pub(crate) data: Option<String>,
    /// `DAV:sync-token`.
    pub(crate) sync_token: Option<String>,
    /// `CS:getctag`: differs after every change to the collection.
    pub(crate) ctag: Option<String>,
    /// `DAV:displayname`.
    pub(crate) name: Option<String>,
    /// Whether `DAV:resourcetype` holds `CALDAV:calendar`.
    pub(crate) is_calendar: bool,
    /// `CALDAV:supported-calendar-component-set`, where it is told.
    pub(crate) components: Option<Vec<String>>,
    /// `DAV:current-user-privilege-set`: local names, where it is told.
    pub(crate) privileges: Option<Vec<String>>,
    /// `DAV:supported-report-set`: local names.
    pub(crate) reports: Vec<String>,
    /// `DAV:current-user-principal`.
    pub(crate) principal: Option<String>,
    /// `CALDAV:calendar-home-set`.
    pub(crate) homes: Vec<String>,
    /// `CALDAV:schedule-inbox-URL`.
    pub(crate) inbox: Option<String>,
    /// `CALDAV:schedule-default-calendar-URL`.
    pub(crate) default_calendar: Option<String>,
    /// `CALDAV:calendar-user-address-set`.
    pub(crate) addresses: Vec<String>,
    /// `CALDAV:calendar-timezone`: an iCalendar text with one VTIMEZONE.
    pub(crate) time_zone: Option<String>,
}

impl Props {
    /// Takes in what stands in one `DAV:prop`.
    pub(crate) fn read(&mut self, prop: Node<'_, '_>) {
        for node in prop.children().filter(Node::is_element) {
            let tag = node.tag_name();
            match (tag.namespace(), tag.name()) {
                (Some(DAV), name) => self.read_dav(name, node),
                (Some(CALDAV), name) => self.read_caldav(name, node),
                (Some(CALENDAR_SERVER), "getctag") => self.ctag = text(node),
                _ => {}
            }
        }
    }

    fn read_dav(&mut self, name: &str, node: Node<'_, '_>) {
        match name {
            "getetag" => self.etag = text(node),
            "sync-token" => self.sync_token = text(node),
            "displayname" => self.name = text(node),
            "resourcetype" => {
                self.is_calendar = children(node, CALDAV, "calendar").next().is_some();
            }
            "current-user-principal" => self.principal = hrefs(node).next(),
            "current-user-privilege-set" => {
                self.privileges = Some(names_within(node, "privilege"));
            }
            "supported-report-set" => self.reports = names_within(node, "report"),
            _ => {}
        }
    }

    fn read_caldav(&mut self, name: &str, node: Node<'_, '_>) {
        match name {
            // Not trimmed: it is a text of its own.
            "calendar-data" => self.data = node.text().map(str::to_owned),
            "calendar-home-set" => self.homes = hrefs(node).collect(),
            "calendar-timezone" => self.time_zone = text(node),
            "calendar-user-address-set" => self.addresses = hrefs(node).collect(),
            "schedule-inbox-URL" => self.inbox = hrefs(node).next(),
            "schedule-default-calendar-URL" => self.default_calendar = hrefs(node).next(),
            "supported-calendar-component-set" => {
                let names = children(node, CALDAV, "comp").filter_map(|it| it.attribute("name"));
                self.components = Some(names.map(str::to_ascii_uppercase).collect());
            }
            _ => {}
        }
    }

    /// Whether it is a calendar that can hold events and that the agent may see.
    pub(crate) fn holds_events(&self) -> bool {
        let events = self.components.as_ref().is_none_or(|it| it.iter().any(|it| it == "VEVENT"));
        self.is_calendar && events && self.may(&["all", "read", "read-free-busy"])
    }

    /// Whether the agent may create and change events (RFC 3744, section 3).
    pub(crate) fn is_writable(&self) -> bool {
        self.may(&["all", "write"]) || (self.may(&["write-content"]) && self.may(&["bind"]))
    }

    /// Whether one of these privileges is granted; a server that tells none has no access control
    /// and grants all.
    fn may(&self, any_of: &[&str]) -> bool {
        let granted = |it: &String| any_of.contains(&it.as_str());
        self.privileges.as_ref().is_none_or(|it| it.iter().any(granted))
    }

    /// The zone's IANA name, where the calendar's own zone has one.
    pub(crate) fn zone(&self) -> Option<chrono_tz::Tz> {
        let text = self.time_zone.as_ref()?;
        text.lines().find_map(|line| line.trim().strip_prefix("TZID:")?.trim().parse().ok())
    }

    /// The calendar homes, on whichever server they are.
    pub(crate) fn homes(&self, base: &Url) -> Result<Vec<Url>, ProviderError> {
        self.homes.iter().map(|it| href::resolve_anywhere(base, it)).collect()
    }
}

fn text(node: Node<'_, '_>) -> Option<String> {
    let text = node.text()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn hrefs(node: Node<'_, '_>) -> impl Iterator<Item = String> {
    children(node, DAV, "href").filter_map(text)
}

/// The local names of what stands in elements called `within`, at any level.
fn names_within(node: Node<'_, '_>, within: &str) -> Vec<String> {
    let holders = node.descendants().filter(|it| it.has_tag_name((DAV, within)));
    let names = holders.flat_map(|it| it.children().filter(Node::is_element));
    names.map(|it| it.tag_name().name().to_owned()).collect()
}
