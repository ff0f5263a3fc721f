//! Errors as the contract wants them: a code, and for bad input the field.

use std::sync::Arc;

use async_graphql::ErrorExtensions;

use crate::service;

/// What resolvers answer. It shows nothing of itself and can't be made of a database's error by `?`,
/// so a cause can't leak through a resolver; async-graphql gets it through the one conversion below.
#[derive(Clone, Debug)]
pub struct ApiError(Arc<service::Error>);

/// What resolvers answer.
pub type Result<T, E = ApiError> = std::result::Result<T, E>;

impl From<service::Error> for ApiError {
    fn from(error: service::Error) -> Self {
        Self(Arc::new(error))
    }
}

impl From<ApiError> for async_graphql::Error {
    fn from(ApiError(error): ApiError) -> Self {
        if let service::Error::Internal(cause) = &*error {
            tracing::error!(error = format!("{cause:#}"), "a request met an internal error");
        }
        Self::new(error.to_string()).extend_with(|_, extensions| {
            extensions.set("code", error.code());
            match &*error {
                service::Error::BadInput { field, position, .. } => {
                    extensions.set("field", field.as_str());
                    if let Some((line, column)) = position {
                        extensions.set("line", *line);
                        extensions.set("column", *column);
                    }
                }
                service::Error::Taken { field, .. } => extensions.set("field", field.as_str()),
                service::Error::RateLimited { retry_after_seconds, .. } => {
                    extensions.set("retryAfterSeconds", *retry_after_seconds);
                }
                _ => {}
            }
        })
    }
}

/// Error of a loader: the same for every key of the batch. It can be made of a database's error, and
/// shows nothing of it either.
#[derive(Clone, Debug)]
pub struct LoadError(Arc<service::Error>);

impl From<service::Error> for LoadError {
    fn from(error: service::Error) -> Self {
        Self(Arc::new(error))
    }
}

impl From<sea_orm::DbErr> for LoadError {
    fn from(error: sea_orm::DbErr) -> Self {
        service::Error::from(error).into()
    }
}

impl From<LoadError> for ApiError {
    fn from(LoadError(error): LoadError) -> Self {
        Self(error)
    }
}
