//! What callers may be allowed, and the profiles that do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// What a profile may allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "described in the schema, graphql::access")]
pub enum Permission {
    ManageLiveChatAvailability,
    ConnectCalendar,
    ManageCalendarAvailability,
    ManageAgents,
    ViewMyConversations,
    ViewAllConversations,
    ManageAllMeetings,
    ViewMyRouting,
    ViewRouting,
    ViewAccounts,
    ManageRouting,
    ManagePrivacyAndSecurity,
    ManageIntegrations,
    ViewMyReports,
    ViewReports,
    ExportReports,
}

/// A named set of permissions, for a key or an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "described in the schema, graphql::access")]
pub enum Profile {
    Admin,
    SalesAdmin,
    MarketingAdmin,
    MarketingUser,
    LiveAgent,
    CalendarAgent,
}

impl Permission {
    /// All of them, in the schema's order.
    pub const ALL: [Self; 16] = [
        Self::ManageLiveChatAvailability,
        Self::ConnectCalendar,
        Self::ManageCalendarAvailability,
        Self::ManageAgents,
        Self::ViewMyConversations,
        Self::ViewAllConversations,
        Self::ManageAllMeetings,
        Self::ViewMyRouting,
        Self::ViewRouting,
        Self::ViewAccounts,
        Self::ManageRouting,
        Self::ManagePrivacyAndSecurity,
        Self::ManageIntegrations,
        Self::ViewMyReports,
        Self::ViewReports,
        Self::ExportReports,
    ];

    /// As in the schema.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ManageLiveChatAvailability => "MANAGE_LIVE_CHAT_AVAILABILITY",
            Self::ConnectCalendar => "CONNECT_CALENDAR",
            Self::ManageCalendarAvailability => "MANAGE_CALENDAR_AVAILABILITY",
            Self::ManageAgents => "MANAGE_AGENTS",
            Self::ViewMyConversations => "VIEW_MY_CONVERSATIONS",
            Self::ViewAllConversations => "VIEW_ALL_CONVERSATIONS",
            Self::ManageAllMeetings => "MANAGE_ALL_MEETINGS",
            Self::ViewMyRouting => "VIEW_MY_ROUTING",
            Self::ViewRouting => "VIEW_ROUTING",
            Self::ViewAccounts => "VIEW_ACCOUNTS",
            Self::ManageRouting => "MANAGE_ROUTING",
            Self::ManagePrivacyAndSecurity => "MANAGE_PRIVACY_AND_SECURITY",
            Self::ManageIntegrations => "MANAGE_INTEGRATIONS",
            Self::ViewMyReports => "VIEW_MY_REPORTS",
            Self::ViewReports => "VIEW_REPORTS",
            Self::ExportReports => "EXPORT_REPORTS",
        }
    }

    /// The narrower ones that whoever has this one has as well.
    const fn includes(self) -> &'static [Self] {
        match self {
            Self::ManageAgents => &[
                Self::ManageLiveChatAvailability,
                Self::ConnectCalendar,
                Self::ManageCalendarAvailability,
            ],
            Self::ViewAllConversations => &[Self::ViewMyConversations],
            Self::ViewRouting => &[Self::ViewMyRouting],
            Self::ManageRouting => &[Self::ViewRouting, Self::ViewAccounts],
            Self::ViewReports => &[Self::ViewMyReports],
            Self::ExportReports => &[Self::ViewReports],
            Self::ManageLiveChatAvailability
            | Self::ConnectCalendar
            | Self::ManageCalendarAvailability
            | Self::ViewMyConversations
            | Self::ManageAllMeetings
            | Self::ViewMyRouting
            | Self::ViewAccounts
            | Self::ManagePrivacyAndSecurity
            | Self::ManageIntegrations
            | Self::ViewMyReports => &[],
        }
    }
}

impl Profile {
    /// All of them, in the schema's order.
    pub const ALL: [Self; 6] = [
        Self::Admin,
        Self::SalesAdmin,
        Self::MarketingAdmin,
        Self::MarketingUser,
        Self::LiveAgent,
        Self::CalendarAgent,
    ];

    /// As in the schema, on the command line and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "ADMIN",
            Self::SalesAdmin => "SALES_ADMIN",
            Self::MarketingAdmin => "MARKETING_ADMIN",
            Self::MarketingUser => "MARKETING_USER",
            Self::LiveAgent => "LIVE_AGENT",
            Self::CalendarAgent => "CALENDAR_AGENT",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.as_str() == text)
    }

    /// What it allows, in the schema's order.
    pub fn permissions(self) -> &'static [Permission] {
        static ALL: LazyLock<BTreeMap<Profile, Vec<Permission>>> = LazyLock::new(|| {
            Profile::ALL.into_iter().map(|profile| (profile, with_narrower(profile))).collect()
        });
        ALL.get(&self).map_or(&[][..], Vec::as_slice)
    }

    /// Whether it allows all that `other` does.
    pub fn covers(self, other: Self) -> bool {
        let held = self.permissions();
        other.permissions().iter().all(|wanted| held.contains(wanted))
    }

    /// What it is made of; what that includes comes with it.
    const fn made_of(self) -> &'static [Permission] {
        use Permission as P;
        match self {
            Self::Admin => &Permission::ALL,
            Self::SalesAdmin => &[
                P::ManageAgents,
                P::ManageAllMeetings,
                P::ManageRouting,
                P::ViewAccounts,
                P::ViewAllConversations,
                P::ViewReports,
                P::ExportReports,
            ],
            Self::MarketingAdmin => &[
                P::ViewRouting,
                P::ManagePrivacyAndSecurity,
                P::ManageIntegrations,
                P::ViewReports,
                P::ExportReports,
            ],
            Self::MarketingUser => &[P::ViewRouting, P::ViewReports],
            Self::LiveAgent => &[
                P::ManageLiveChatAvailability,
                P::ConnectCalendar,
                P::ManageCalendarAvailability,
                P::ViewMyConversations,
                P::ViewMyRouting,
                P::ViewMyReports,
            ],
            Self::CalendarAgent => &[
                P::ConnectCalendar,
                P::ManageCalendarAvailability,
                P::ViewMyRouting,
                P::ViewMyReports,
            ],
        }
    }
}

fn with_narrower(profile: Profile) -> Vec<Permission> {
    let mut open = profile.made_of().to_vec();
    let mut found = BTreeSet::new();
    while let Some(permission) = open.pop() {
        if found.insert(permission) {
            open.extend(permission.includes());
        }
    }
    // Their order is the schema's.
    found.into_iter().collect()
}
