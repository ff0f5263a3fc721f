//! `frontdesk serve --demo`: agents to book with, and what to paste first.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Context;
use calendar_provider::TimeRange;
use chrono::{DateTime, Days, NaiveDate, SecondsFormat, Timelike, Utc, Weekday};
use chrono_tz::Tz;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::app::App;
use crate::scheduling::{TimeBlock, WeeklyBlock, WeeklyBlocks};
use crate::service::access::{AgentEditor, Caller, Profile};
use crate::service::agent::{self, MeetingAvailabilityUpdate, NewAgent};
use crate::service::calendar;
use crate::service::credential;
use crate::service::invite::{self, TemplateUpdate};
use crate::service::slots::{self, Route};
use crate::store::page::PageRequest;

/// An agent of the demo.
struct DemoAgent {
    name: &'static str,
    email: &'static str,
    locale: &'static str,
    zone: Tz,
    /// Of each working day.
    blocks: &'static [(&'static str, &'static str)],
    days: &'static [Weekday],
    buffer_minutes: i64,
    /// Its own subject and body; none: the default template, in each visitor's language.
    template: Option<(&'static str, &'static str)>,
}

const ENGLISH: &str = "\
Hi {{default person.firstName \"there\"}},

Thank you for your interest. I look forward to our call on **{{meeting.date}}** at
{{meeting.startTime}} ({{meeting.timeZone}}).

Just answer this message if there is anything you would like me to prepare.

{{agent.name}}
";

static AGENTS: [DemoAgent; 3] = [
    DemoAgent {
        name: "Camille Laurent",
        email: "camille@frontdesk.example",
        locale: "fr",
        zone: Tz::Europe__Paris,
        blocks: &[("09:00", "12:00"), ("14:00", "18:00")],
        days: &[Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri],
        buffer_minutes: 0,
        template: None,
    },
    DemoAgent {
        name: "Sam Rivera",
        email: "sam@frontdesk.example",
        locale: "en",
        zone: Tz::America__New_York,
        blocks: &[("09:00", "17:00")],
        days: &[Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri],
        buffer_minutes: 15,
        template: Some(("Our call on {{meeting.date}}", ENGLISH)),
    },
    DemoAgent {
        name: "Aiko Tanaka",
        email: "aiko@frontdesk.example",
        locale: "en",
        zone: Tz::Asia__Tokyo,
        blocks: &[("10:00", "13:00"), ("15:00", "19:00")],
        days: &[Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Sat],
        buffer_minutes: 10,
        template: Some(("{{agent.name}} and you, {{meeting.date}}", ENGLISH)),
    },
];

/// Makes the demo's agents and a key, and returns what to print. A database that holds the demo
/// already is served as it is.
///
/// # Errors
/// Where the database holds other agents.
pub async fn prepare(app: &App) -> anyhow::Result<String> {
    let present = present(app).await?;
    let lacking: Vec<_> = AGENTS.iter().filter(|demo| !present.contains(demo.email)).collect();
    let key = if lacking.is_empty() {
        None
    } else {
        let key = credential::create_api_key(app, "demo", Profile::Admin).await?;
        let caller =
            Caller::Key { id: key.record.id, name: key.record.name, profile: Profile::Admin };
        for demo in lacking {
            make(app, &caller, demo)
                .await
                .with_context(|| format!("no demo agent {}", demo.name))?;
        }
        Some(key.key)
    };
    greeting(app, key.as_deref()).await
}

/// The e-mail addresses of the agents that are there, all of them the demo's.
async fn present(app: &App) -> anyhow::Result<BTreeSet<String>> {
    let first = PageRequest { limit: 10, after: None, before: None, from_end: false };
    let agents = agent::list(app, &agent::Search::default(), &first).await?.items;
    let emails: BTreeSet<String> = agents.into_iter().map(|agent| agent.email_key).collect();
    if let Some(other) = emails.iter().find(|email| AGENTS.iter().all(|demo| demo.email != **email))
    {
        anyhow::bail!(
            "--demo is for a database without other agents, and {:?} holds {other}: leave --demo \
             out, or name another file in FRONTDESK_DATABASE_URL",
            app.config.database_url
        );
    }
    Ok(emails)
}

async fn make(app: &App, caller: &Caller, demo: &DemoAgent) -> anyhow::Result<()> {
    let new = NewAgent {
        name: demo.name.to_owned(),
        email: demo.email.to_owned(),
        locale: Some(demo.locale.to_owned()),
        profile: Profile::LiveAgent,
    };
    let editor = AgentEditor::new(caller, agent::create(app, caller, new).await?.id)?;
    let availability = MeetingAvailabilityUpdate {
        zone: Some(demo.zone),
        blocks: Some(weekly(demo)?),
        duration_minutes: Some(30),
        buffer_minutes: Some(demo.buffer_minutes),
        ..Default::default()
    };
    agent::set_meeting_availability(app, editor, availability).await?;
    calendar::connect(app, editor, calendar_provider_builtin::ID, BTreeMap::new()).await?;
    if let Some((subject, body)) = demo.template {
        let template = TemplateUpdate {
            subject: Some(subject.to_owned()),
            body: Some(body.to_owned()),
            include_conference_link: None,
        };
        invite::set_template(app, editor, template).await?;
    }
    Ok(())
}

fn weekly(demo: &DemoAgent) -> anyhow::Result<WeeklyBlocks> {
    let mut blocks = Vec::new();
    for &day in demo.days {
        for (start, end) in demo.blocks {
            let block = TimeBlock::new(start.parse()?, end.parse()?)?;
            blocks.push(WeeklyBlock { day, block });
        }
    }
    Ok(WeeklyBlocks::new(blocks)?)
}

/// What to paste first, with dates that work.
async fn greeting(app: &App, key: Option<&str>) -> anyhow::Result<String> {
    let zone = AGENTS[0].zone;
    let from = app.now().with_timezone(&zone).date_naive() + Days::new(1);
    let days = slots::Days { from, to: from + Days::new(6), zone };
    let free = slots::slots(app, Route::Queue, days).await?;
    let url = format!("http://{}/graphql", reachable(app.config.listen));
    let key = match key {
        Some(key) => format!("{key}\n            (may do everything, and is shown this once)"),
        None => "as before; where it is lost: frontdesk api-key create --name demo --profile ADMIN"
            .to_owned(),
    };
    let mails = match app.config.mail_url.expose_secret().trim().strip_prefix("file:") {
        Some(directory) => format!("written to {directory}/ as .eml files"),
        None => "sent by SMTP".to_owned(),
    };
    let slots = slots_query(days.from, days.to, zone);
    let mut text = format!(
        "\nFrontdesk is up, with three agents to book.\n\n\
         GraphiQL    {url} in a browser\n\
         API key     {key}\n\
         Mails       {mails}\n\n\
         1. What is free? Paste this into GraphiQL:\n\n{slots}\n   or into a shell:\n\n{}\n",
        curl(&url, &slots)
    );
    // A time of day that a visitor would choose, where there is one.
    let is_daytime =
        |slot: &&TimeRange| (9..17).contains(&slot.start().with_timezone(&zone).hour());
    if let Some(slot) = free.iter().find(is_daytime).or(free.first()) {
        let book = booking_mutation(slot.start(), zone);
        text.push_str(&format!(
            "2. Book, as a visitor would, and open the mail:\n\n{book}\n   or:\n\n{}\n",
            curl(&url, &book)
        ));
    }
    Ok(text)
}

/// The address to use on this machine: one that listens on all is reached on the loopback one.
fn reachable(listen: SocketAddr) -> SocketAddr {
    match listen.ip() {
        ip if !ip.is_unspecified() => listen,
        _ => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), listen.port()),
    }
}

fn slots_query(from: NaiveDate, to: NaiveDate, zone: Tz) -> String {
    format!(
        "query {{\n  slots(input: {{ from: \"{from}\", to: \"{to}\", timeZone: \"{zone}\" }}) {{\n    \
         days {{ date slots {{ startsAt endsAt }} }}\n    fallback {{ message }}\n  }}\n}}\n"
    )
}

fn booking_mutation(start: DateTime<Utc>, zone: Tz) -> String {
    let start = start.to_rfc3339_opts(SecondsFormat::Secs, true);
    format!(
        "mutation {{\n  bookMeeting(input: {{\n    startsAt: \"{start}\", timeZone: \"{zone}\"\n    \
         person: {{ email: \"ada@visitor.example\", firstName: \"Ada\", lastName: \"Lovelace\" }}\n    \
         company: {{ name: \"Analytical Engines\" }}\n  }}) {{\n    __typename\n    \
         ... on MeetingBooked {{ booking {{ id startsAt agent {{ name }} }} manageToken }}\n    \
         ... on SlotUnavailable {{ message alternatives {{ startsAt }} }}\n  }}\n}}\n"
    )
}

/// A line for the shell. Neither document holds a single quote.
fn curl(url: &str, document: &str) -> String {
    let one_line = document.split_whitespace().collect::<Vec<_>>().join(" ");
    let body = json!({ "query": one_line });
    format!("curl -s {url} -H 'content-type: application/json' -d '{body}'\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{TemplateSource, check_template};

    #[test]
    fn templates_and_blocks_are_accepted() {
        for demo in &AGENTS {
            assert!(!weekly(demo).unwrap().is_empty());
            if let Some((subject, body)) = demo.template {
                check_template(TemplateSource { subject, body }).unwrap();
            }
        }
    }

    #[test]
    fn what_is_pasted_into_a_shell_is_one_quoted_line() {
        let from = NaiveDate::from_ymd_opt(2027, 1, 4).unwrap();
        let documents =
            [slots_query(from, from, Tz::UTC), booking_mutation(DateTime::UNIX_EPOCH, Tz::UTC)];
        for document in documents {
            async_graphql::parser::parse_query(&document).unwrap();
            let line = curl("http://127.0.0.1:8080/graphql", &document);
            assert_eq!(line.matches('\'').count(), 4, "{line}");
            assert_eq!(line.matches('\n').count(), 1, "{line}");
        }
    }

    #[test]
    fn an_address_that_listens_on_all_is_reached_on_the_loopback_one() {
        assert_eq!(reachable(([0, 0, 0, 0], 8080).into()), ([127, 0, 0, 1], 8080).into());
        assert_eq!(reachable(([10, 0, 0, 1], 80).into()), ([10, 0, 0, 1], 80).into());
    }
}
