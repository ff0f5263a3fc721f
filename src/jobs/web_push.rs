//! Word of a live chat that is offered, in a browser of an agent who is not in the app.

use calendar_http::http::{HeaderValue, Request, StatusCode, header};
use calendar_http::{Bytes, Response, parse_retry_after};
use calendar_provider::ProviderError;

use super::attempt::{Delivered, Outcome, misfit};
use crate::app::App;
use crate::service::push::{self, Push};
use crate::service::webhook::words;
use crate::service::{Error, Result};
use crate::store::outbox::{LiveChatPush, Model, Payload};

/// Asks the browser's push service to push (RFC 8030, section 5), unless the offer is over.
pub(super) async fn deliver(app: &App, row: &Model) -> Result<Outcome> {
    let Payload::LiveChatPush(which) = &row.payload.0 else { return Err(misfit(row)) };
    let Some(push) = push::of_offer(app, which).await? else {
        return Ok(Outcome::Done(Delivered::Notice));
    };
    let request = request(app, &push).await?;
    // Once: when to try again is the outbox's to say, and each try has a TTL and a token of its own.
    let outcome = match push::client(app).send_once(request).await {
        Ok(response) => answered(app, row, which, &push, &response).await?,
        Err(error @ ProviderError::Transient { .. }) => Outcome::retry(words(&error)),
        Err(error) => Outcome::GiveUp { error: words(&error) },
    };
    if matches!(outcome, Outcome::Retry { .. }) && push.expires_at <= app.now() {
        // There is nothing left to tell, which is no failure that anybody could mend.
        return Ok(Outcome::Done(Delivered::Notice));
    }
    Ok(outcome)
}

async fn request(app: &App, push: &Push) -> Result<Request<Bytes>> {
    let endpoint = push.subscription.endpoint();
    let (now, contact) = (app.now(), &app.config.push_contact);
    let vapid = push::vapid(app).await?.authorization(endpoint, contact, now)?;
    let mut authorization = HeaderValue::try_from(vapid).map_err(Error::internal)?;
    authorization.set_sensitive(true);
    // Nothing of the offer is of use once it is over, so whoever is offline till then is told nothing.
    let seconds = (push.expires_at - now).num_seconds().max(1);
    let body = push.subscription.encrypt(&push.message)?;
    Request::post(endpoint.as_str())
        .header(header::AUTHORIZATION, authorization)
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::CONTENT_ENCODING, "aes128gcm")
        .header("TTL", seconds)
        .header("Urgency", "high")
        .header("Topic", push.topic.as_str())
        .body(Bytes::from(body))
        .map_err(Error::internal)
}

async fn answered(
    app: &App,
    row: &Model,
    which: &LiveChatPush,
    push: &Push,
    response: &Response,
) -> Result<Outcome> {
    let status = response.status();
    match status.as_u16() {
        200..=299 => {}
        // The browser unsubscribed, or is no more (RFC 8030, section 7.3).
        404 | 410 => push::forget(app, which.registration).await?,
        401 | 403 => {
            let origin = push.subscription.origin();
            tracing::error!(
                delivery.id = %row.id, origin, status = status.as_u16(),
                "a push service does not accept this server's key or contact: see push_contact"
            );
            return Ok(Outcome::GiveUp { error: problem(status) });
        }
        429 | 500..=599 => {
            let after = parse_retry_after(response.headers());
            return Ok(Outcome::Retry { error: problem(status), after });
        }
        _ => return Ok(Outcome::GiveUp { error: problem(status) }),
    }
    Ok(Outcome::Done(Delivered::Notice))
}

fn problem(status: StatusCode) -> String {
    format!("the push service answered {status}")
}
