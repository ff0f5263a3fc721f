//! What can be wrong with Google.

use axum::body::{Body, Bytes, HttpBody};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::answer::ApiError;

/// What is wrong with every call of the API but OAuth's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The back end is down: 503.
    Down,
    /// Another status with Google's error document, e.g. 500.
    Status(u16),
    /// The token is refused although it is valid: 401.
    Unauthorized,
    /// 403 with this reason, `rateLimitExceeded` or `userRateLimitExceeded`.
    Forbidden(&'static str),
    /// 429, with so many seconds in `Retry-After`.
    TooManyRequests(u32),
    /// The connection ends in the middle of the answer.
    CutOff,
    /// A page of a proxy, with status 200.
    Html,
    /// JSON that is no UTF-8.
    NotUtf8,
    /// An answer of 200 MiB.
    Huge,
    /// No answer.
    Hang,
    /// The call is carried out, and its answer is lost: 503.
    AnswerLost,
}

impl Fault {
    /// What a call meets; none where it is carried out first.
    pub(crate) async fn strike(&self) -> Option<Response> {
        Some(match self {
            Self::Down => ApiError::backend(503).into_response(),
            Self::Status(status) => ApiError::backend(*status).into_response(),
            Self::Unauthorized => ApiError::unauthorized().into_response(),
            Self::Forbidden(reason) => ApiError::limit(403, reason, None).into_response(),
            Self::TooManyRequests(seconds) => {
                ApiError::limit(429, "rateLimitExceeded", Some(*seconds)).into_response()
            }
            Self::CutOff => fake_oauth::cut_off(b"{\"kind\": \"calendar#events\", \"items\": ["),
            Self::Html => {
                let page = "<!doctype html><title>Sign in to the network</title>";
                (StatusCode::OK, [(CONTENT_TYPE, "text/html")], page).into_response()
            }
            Self::NotUtf8 => json(Bytes::from_static(b"{\"summary\": \"\xff\xfe\"}").into()),
            Self::Huge => json(Body::new(Whitespace(200))),
            Self::Hang => std::future::pending().await,
            Self::AnswerLost => return None,
        })
    }
}

fn json(body: Body) -> Response {
    ([(CONTENT_TYPE, "application/json; charset=UTF-8")], body).into_response()
}

/// So many MiB of white space, made as they are read.
struct Whitespace(usize);

impl HttpBody for Whitespace {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        static MIB: [u8; 1 << 20] = [b' '; 1 << 20];
        let left = self.0.checked_sub(1);
        self.0 = left.unwrap_or_default();
        std::task::Poll::Ready(left.map(|_| Ok(http_body::Frame::data(Bytes::from_static(&MIB)))))
    }
}
