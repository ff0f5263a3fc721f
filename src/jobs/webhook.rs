//! Word of an event to a webhook, after the Standard Webhooks specification.

use std::time::{Duration, Instant};

use calendar_http::http::{Request, StatusCode, header::CONTENT_TYPE};
use calendar_http::{Bytes, Response, parse_retry_after};
use calendar_provider::ProviderError;
use chrono::{DateTime, TimeDelta, Utc};
use metrics::counter;
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use super::attempt::{Outcome, deadline, misfit};
use super::settle::Settled;
use crate::app::App;
use crate::service::webhook::{self as webhooks, DISABLED};
use crate::service::{Error, Result};
use crate::store::outbox::{self, Model, Payload, WebhookMessage};
use crate::store::run_raw;
use crate::store::webhook::{self, attempt};

/// How long a receiver may take to answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(15);
/// How much of an answer is read, and how much of that is kept, in bytes.
const READ: usize = 64 * 1024;
const KEPT: usize = 1024;
/// The waits between tries: the specification's, ten tries in three days.
const WAITS: [TimeDelta; 9] = [
    TimeDelta::seconds(5),
    TimeDelta::minutes(5),
    TimeDelta::minutes(30),
    TimeDelta::hours(2),
    TimeDelta::hours(5),
    TimeDelta::hours(10),
    TimeDelta::hours(14),
    TimeDelta::hours(20),
    TimeDelta::hours(24),
];
/// A webhook is disabled once every try has failed for so long.
const FAILS_FOR: TimeDelta = TimeDelta::days(5);

/// What came of asking a receiver.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    at: DateTime<Utc>,
    took: Duration,
    status: Option<u16>,
    /// Why it counts as failed.
    problem: Option<String>,
    response: Option<String>,
    retry_after: Option<TimeDelta>,
}

impl Asked {
    /// Why it is not delivered.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    fn is(&self, status: StatusCode) -> bool {
        self.status == Some(status.as_u16())
    }
}

/// Sends a message once, signed anew.
pub(super) async fn deliver(app: &App, row: &Model) -> Result<Outcome> {
    let (id, message) = about(row)?;
    let Some(webhook) = webhooks::find(app, id).await? else {
        return Ok(Outcome::GiveUp { error: "the webhook is gone".to_owned() });
    };
    if !webhook.enabled {
        return Ok(Outcome::GiveUp { error: DISABLED.to_owned() });
    }
    let at = app.now();
    let secrets = webhooks::secrets(app, &webhook, at)?;
    let signed = webhooks::sign(&secrets, &message.message_id, at, &message.body);
    let request = Request::post(&webhook.url)
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", &message.message_id)
        .header("webhook-timestamp", signed.timestamp)
        .header("webhook-signature", signed.signature)
        .body(Bytes::from(message.body.clone()))
        .map_err(Error::internal)?;
    // A little before the try itself is cut off, so that what came of it is written down.
    let deadline = ANSWERED_WITHIN.min(deadline(app, row) * 9 / 10);
    let client = webhooks::client(app).with_body_limit(READ).with_deadline(deadline);
    let begun = Instant::now();
    let answer = client.send_once(request).await;
    Ok(Outcome::Asked(Box::new(read(at, begun.elapsed(), answer))))
}

fn about(row: &Model) -> Result<(Uuid, &WebhookMessage)> {
    match (row.webhook_id, &row.payload.0) {
        (Some(id), Payload::Webhook(message)) => Ok((id, message)),
        _ => Err(misfit(row)),
    }
}

fn read(at: DateTime<Utc>, took: Duration, answer: Result<Response, ProviderError>) -> Asked {
    let asked = Asked { at, took, status: None, problem: None, response: None, retry_after: None };
    match answer {
        Ok(response) => {
            let status = response.status();
            Asked {
                status: Some(status.as_u16()),
                problem: problem(status),
                response: beginning(response.body()),
                retry_after: parse_retry_after(response.headers()),
                ..asked
            }
        }
        Err(error) => Asked { problem: Some(webhooks::words(&error)), ..asked },
    }
}

fn problem(status: StatusCode) -> Option<String> {
    if status.is_success() {
        return None;
    }
    let advice = if status.is_redirection() { "; redirects are not followed" } else { "" };
    Some(format!("the receiver answered {status}{advice}"))
}

/// The beginning of an answer, as far as it is text that a database takes.
fn beginning(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&body[..body.len().min(KEPT)]);
    let shown = |c: &char| matches!(c, '\n' | '\t') || !c.is_control();
    let text: String = text.chars().filter(shown).collect();
    let text = text.trim_end_matches(char::REPLACEMENT_CHARACTER).trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Writes a try down, and what follows from it for the delivery and the webhook.
pub(super) async fn settle(
    app: &App,
    transaction: &DatabaseTransaction,
    row: &Model,
    lease: Uuid,
    asked: &Asked,
) -> Result<Settled> {
    let (id, _) = about(row)?;
    let Some(webhook) = webhook::hold(transaction, id).await? else { return Ok(Settled::Lost) };
    attempt::put(transaction, as_kept(app, row, asked)).await?;
    let now = app.now();
    let Some(problem) = &asked.problem else {
        if !outbox::finish(transaction, row.id, lease, now).await? {
            return Ok(Settled::Lost);
        }
        if webhook.failing_since.is_some() {
            let sql = "UPDATE webhooks SET failing_since = NULL WHERE id = ?";
            run_raw(transaction, sql, [id.into()]).await?;
        }
        count(asked);
        return Ok(Settled::Delivered);
    };
    let since = webhook.failing_since.unwrap_or(asked.at);
    if webhook.failing_since.is_none() {
        let sql = "UPDATE webhooks SET failing_since = ? WHERE id = ?";
        run_raw(transaction, sql, [since.into(), id.into()]).await?;
    }
    let run_at = next_try(app, row, asked).filter(|_| webhook.enabled);
    let disabled = webhook.enabled.then(|| reason_to_disable(asked, since, now)).flatten();
    let settled = match run_at.filter(|_| disabled.is_none()) {
        Some(run_at) => {
            let error = Some(problem.as_str());
            outbox::put_back(transaction, row.id, lease, run_at, error)
                .await?
                .then_some(Settled::PutBack)
        }
        None => outbox::give_up(transaction, row.id, lease, now, problem)
            .await?
            .then_some(Settled::GivenUp),
    };
    let Some(settled) = settled else { return Ok(Settled::Lost) };
    if let Some(reason) = disabled {
        disable(transaction, id, now, &reason).await?;
        tracing::warn!(webhook.id = %id, reason, "a webhook was disabled");
    } else if let Some(wait) = asked.retry_after {
        leave_alone(transaction, id, now, now + wait).await?;
    }
    count(asked);
    Ok(settled)
}

fn as_kept(app: &App, row: &Model, asked: &Asked) -> attempt::Model {
    attempt::Model {
        id: app.uuid(),
        delivery_id: row.id,
        attempted_at: asked.at,
        duration_ms: i32::try_from(asked.took.as_millis()).unwrap_or(i32::MAX),
        status: asked.status.map(Into::into),
        problem: asked.problem.clone(),
        response: asked.response.clone(),
    }
}

/// By the schedule, with up to a tenth left to chance so that what failed together is not tried
/// together, or later where the receiver asks for it. None after the last try.
fn next_try(app: &App, row: &Model, asked: &Asked) -> Option<DateTime<Utc>> {
    let wait = *WAITS.get(usize::try_from(row.attempts - 1).ok()?)?;
    let [.., chance] = app.ids.secret();
    let jitter = wait / 10 * i32::from(chance) / i32::from(u8::MAX);
    let wait = asked.retry_after.map_or(wait + jitter, |after| after.max(wait + jitter));
    Some(app.now() + wait).filter(|run_at| *run_at < row.give_up_at)
}

fn reason_to_disable(asked: &Asked, since: DateTime<Utc>, now: DateTime<Utc>) -> Option<String> {
    if asked.is(StatusCode::GONE) {
        return Some("the receiver answered 410 Gone: it wants no more".to_owned());
    }
    let days = FAILS_FOR.num_days();
    (since + FAILS_FOR <= now).then(|| format!("every delivery failed for {days} days"))
}

async fn disable(
    transaction: &DatabaseTransaction,
    id: Uuid,
    now: DateTime<Utc>,
    reason: &str,
) -> Result<()> {
    let sql = "UPDATE webhooks SET enabled = ?, disabled_reason = ? WHERE id = ?";
    run_raw(transaction, sql, [false.into(), reason.into(), id.into()]).await?;
    Ok(webhook::end_deliveries(transaction, id, now, DISABLED).await?)
}

/// Lets the other messages for a receiver wait that asks to be left alone.
async fn leave_alone(
    transaction: &DatabaseTransaction,
    id: Uuid,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<()> {
    let sql = "UPDATE outbox SET run_at = ? WHERE webhook_id = ? AND state = 'PENDING' \
        AND run_at < ? AND give_up_at > ? AND (lease_until IS NULL OR lease_until <= ?)";
    let values = [until.into(), id.into(), until.into(), until.into(), now.into()];
    run_raw(transaction, sql, values).await?;
    Ok(())
}

/// Counts a try by what was answered.
fn count(asked: &Asked) {
    let class = match asked.status.map(|status| status / 100) {
        Some(2) => "2xx",
        Some(3) => "3xx",
        Some(4) => "4xx",
        Some(5) => "5xx",
        Some(_) => "other",
        None => "none",
    };
    counter!("frontdesk_webhook_attempts_total", "answer" => class).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_an_answer_is_text() {
        assert_eq!(beginning(b""), None);
        assert_eq!(beginning(b"\0\x01\xff"), None);
        assert_eq!(beginning(b"no\0 such\r\nthing\n").as_deref(), Some("no such\nthing"));
        let long = "é".repeat(KEPT);
        assert_eq!(beginning(long.as_bytes()).unwrap().len(), KEPT);
        // Cut within a character, whose half is left out.
        assert_eq!(beginning(format!("a{long}").as_bytes()).unwrap().len(), KEPT - 1);
    }
}
