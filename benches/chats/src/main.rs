//! Agents who listen for live chats, and visitors who ask for them.
//!
//! `frontdesk-bench-chats URL KEY offers AGENTS RATE SECONDS` makes AGENTS, opens `incomingLiveChats` for each,
//! and asks for RATE chats a second: one line of JSON tells how long it took from sending `requestLiveChat` to
//! the event of the agent's subscription. `… subscriptions AGENTS COUNT` opens COUNT subscriptions of AGENTS
//! and holds them until standard input ends; the line is written once all stand.

mod desk;
mod offers;
mod subscriptions;

use anyhow::Context;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        match arguments[..] {
            [url, key, "offers", agents, rate, seconds] => {
                let desk = desk::Desk::new(url, key)?;
                let agents = agents.parse().context("AGENTS")?;
                offers::run(desk, agents, rate.parse()?, seconds.parse()?).await
            }
            [url, key, "subscriptions", agents, count] => {
                let desk = desk::Desk::new(url, key)?;
                subscriptions::run(desk, agents.parse()?, count.parse()?).await
            }
            _ => anyhow::bail!(
                "usage: URL KEY offers AGENTS RATE SECONDS | subscriptions AGENTS COUNT"
            ),
        }
    })
}
