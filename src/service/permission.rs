//! What callers may be allowed, and the profiles that do.

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
    ViewRouting,
    ManageRouting,
    ManagePrivacyAndSecurity,
    ManageIntegrations,
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
    pub const ALL: [Self; 13] = [
        Self::ManageLiveChatAvailability,
        Self::ConnectCalendar,
        Self::ManageCalendarAvailability,
        Self::ManageAgents,
        Self::ViewMyConversations,
        Self::ViewAllConversations,
        Self::ManageAllMeetings,
        Self::ViewRouting,
        Self::ManageRouting,
        Self::ManagePrivacyAndSecurity,
        Self::ManageIntegrations,
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
            Self::ViewRouting => "VIEW_ROUTING",
            Self::ManageRouting => "MANAGE_ROUTING",
            Self::ManagePrivacyAndSecurity => "MANAGE_PRIVACY_AND_SECURITY",
            Self::ManageIntegrations => "MANAGE_INTEGRATIONS",
            Self::ViewReports => "VIEW_REPORTS",
            Self::ExportReports => "EXPORT_REPORTS",
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

    /// What it allows.
    pub const fn permissions(self) -> &'static [Permission] {
        use Permission as P;
        match self {
            Self::Admin => &Permission::ALL,
            Self::SalesAdmin => &[
                P::ManageLiveChatAvailability,
                P::ConnectCalendar,
                P::ManageCalendarAvailability,
                P::ManageAgents,
                P::ViewMyConversations,
                P::ViewAllConversations,
                P::ManageAllMeetings,
                P::ViewRouting,
                P::ManageRouting,
                P::ViewReports,
                P::ExportReports,
            ],
            Self::MarketingAdmin => &[
                P::ViewAllConversations,
                P::ViewRouting,
                P::ManageRouting,
                P::ManageIntegrations,
                P::ViewReports,
                P::ExportReports,
            ],
            Self::MarketingUser => &[P::ViewAllConversations, P::ViewRouting, P::ViewReports],
            Self::LiveAgent => &[
                P::ManageLiveChatAvailability,
                P::ConnectCalendar,
                P::ManageCalendarAvailability,
                P::ViewMyConversations,
            ],
            Self::CalendarAgent => &[P::ConnectCalendar, P::ManageCalendarAvailability],
        }
    }
}
