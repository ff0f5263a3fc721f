//! Log lines, on standard error.

use std::io::stderr;

use tracing_subscriber::EnvFilter;

use crate::config::{ConfigError, LogFormat, problem};

/// What is logged where `FRONTDESK_LOG` says nothing.
const DEFAULT_FILTER: &str = "info,sqlx=warn,sea_orm=warn";

/// Logs from now on in `format`, filtered by `FRONTDESK_LOG`
/// ([`EnvFilter`]'s directives, e.g. `debug` or `info,frontdesk::jobs=debug`).
///
/// # Errors
/// Where the filter can't be read.
pub fn init(format: LogFormat) -> Result<(), ConfigError> {
    let written = std::env::var("FRONTDESK_LOG").unwrap_or_else(|_| DEFAULT_FILTER.to_owned());
    let filter = EnvFilter::try_new(&written).map_err(|_| {
        let allowed = "must be directives like debug or info,frontdesk::jobs=debug";
        problem("log", &written, allowed)
    })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    // An error says that something else in this process logs already, and keeps doing so.
    let _ = match format {
        LogFormat::Text => lines.with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    Ok(())
}
