//! When a request is made again, and after how long.

use std::time::Duration;

use chrono::TimeDelta;
use http::{
    HeaderMap, Method,
    header::{DATE, RETRY_AFTER},
};

/// The longest wait that is believed: who asks for more is asked again after a day.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// How much longer than the first backoff one can get.
const MAX_BACKOFF_GROWTH: u32 = 16;

/// How long a server asks to be left alone (RFC 9110, section 10.2.3), from zero to a day.
///
/// A date is measured against the answer's own `Date`, so that neither clock need be right. None
/// where there is no such header, it is not valid, or it is a date and the answer has none.
///
/// ```
/// use calendar_http::{http::HeaderMap, parse_retry_after};
/// use chrono::TimeDelta;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("retry-after", "120".parse()?);
/// assert_eq!(parse_retry_after(&headers), Some(TimeDelta::minutes(2)));
/// headers.insert("date", "Mon, 06 Jan 2031 10:00:00 GMT".parse()?);
/// headers.insert("retry-after", "Mon, 06 Jan 2031 10:05:00 GMT".parse()?);
/// assert_eq!(parse_retry_after(&headers), Some(TimeDelta::minutes(5)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn parse_retry_after(headers: &HeaderMap) -> Option<TimeDelta> {
    retry_after(headers).and_then(|it| TimeDelta::from_std(it).ok())
}

pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit()) {
        // A number too large for 64 bits is a long wait all the same.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let until = httpdate::parse_http_date(text).ok()?;
        let now = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?.trim()).ok()?;
        until.duration_since(now).unwrap_or(Duration::ZERO)
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// Whether doing it twice does what doing it once does: RFC 9110, section 9.2.2, and WebDAV's
/// methods that only read (RFC 4918, section 9.1; RFC 3253, section 3.6).
pub(crate) fn is_idempotent(method: &Method) -> bool {
    let names = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PROPFIND", "REPORT"];
    names.contains(&method.as_str())
}

/// How long to wait after attempt number `attempt`, counted from 1: anything up to a limit that
/// doubles each time, so that callers who failed together do not come back together ("full
/// jitter").
pub(crate) fn backoff(first: Duration, attempt: u32) -> Duration {
    let growth = 1_u32.checked_shl(attempt - 1).unwrap_or(u32::MAX).min(MAX_BACKOFF_GROWTH);
    first.saturating_mul(growth).mul_f64(fastrand::f64())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderMap;

    use super::{MAX_RETRY_AFTER, backoff, retry_after};

    #[track_caller]
    fn check(date: Option<&str>, value: &str, expected_seconds: Option<u64>) {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", value.parse().unwrap());
        if let Some(date) = date {
            headers.insert("date", date.parse().unwrap());
        }
        assert_eq!(retry_after(&headers), expected_seconds.map(Duration::from_secs), "{value}");
    }

    #[test]
    fn seconds_and_dates_are_read() {
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        check(None, "0", Some(0));
        check(None, "120", Some(120));
        check(date, "Sun, 06 Nov 1994 08:50:37 GMT", Some(60));
        check(date, "Sunday, 06-Nov-94 08:49:47 GMT", Some(10));
        check(date, "Sun Nov  6 08:49:38 1994", Some(1));
    }

    #[test]
    fn a_date_gone_by_is_no_wait_and_a_far_one_a_day() {
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        check(date, "Sun, 06 Nov 1994 08:49:36 GMT", Some(0));
        check(date, "Sat, 06 Nov 2094 08:49:37 GMT", Some(MAX_RETRY_AFTER.as_secs()));
        check(None, "86401", Some(86400));
        check(None, "99999999999999999999999999", Some(86400));
    }

    #[test]
    fn what_can_t_be_read_is_not_guessed() {
        check(None, "Sun, 06 Nov 1994 08:50:37 GMT", None);
        check(Some("yesterday"), "Sun, 06 Nov 1994 08:50:37 GMT", None);
        for value in ["", "-1", "+1", "1.5", "soon"] {
            check(Some("Sun, 06 Nov 1994 08:49:37 GMT"), value, None);
        }
    }

    #[test]
    fn backoff_doubles_to_its_limit_and_is_spread() {
        let first = Duration::from_millis(200);
        for (attempt, limit_ms) in [(1, 200), (2, 400), (3, 800), (5, 3200), (6, 3200), (99, 3200)]
        {
            let waits: Vec<_> = (0..500).map(|_| backoff(first, attempt)).collect();
            let limit = Duration::from_millis(limit_ms);
            assert!(waits.iter().all(|&it| it <= limit), "{attempt}");
            // 500 draws all on one side of the middle: once in 2^500.
            assert!(waits.iter().any(|&it| limit / 2 < it), "{attempt}");
            assert!(waits.iter().any(|&it| it < limit / 2), "{attempt}");
        }
    }
}
