//! The command line, with the calendar providers that a program of one's own adds.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use calendar_provider::CalendarProvider;
use calendar_provider_remote as remote;
use clap::{Parser, Subcommand};
use secrecy::SecretString;
use url::Url;
use uuid::Uuid;

use crate::app::App;
use crate::clock::{Clock, SystemClock};
use crate::config::{Bookings, Config, ConfigError, Connections, Proof};
use crate::server::{self, Migrations, Serve, print};
use crate::service::access::Profile;
use crate::service::credential;
use crate::work::Allowance;
use crate::{cluster, demo, graphql, ids, telemetry};

/// Calendars beside those that Frontdesk has itself.
type Extra = Vec<Arc<dyn CalendarProvider>>;

/// Books meetings with people, over GraphQL.
#[derive(Debug, Parser)]
#[command(name = "frontdesk", version)]
struct Arguments {
    /// A TOML file with settings; FRONTDESK_* variables go over it.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Migrates the database, serves the API and delivers calendar entries and mails.
    Serve {
        /// Leaves delivering to `frontdesk worker`.
        #[arg(long)]
        no_worker: bool,
        /// Makes three agents to book with in an empty database, and prints a query to paste.
        #[arg(long)]
        demo: bool,
    },
    /// Delivers calendar entries and mails, beside `frontdesk serve --no-worker`.
    Worker,
    /// Brings the database's tables up to date.
    Migrate,
    /// Prints the API's schema in GraphQL's schema language.
    Schema,
    /// Checks the settings and prints them, without what is secret.
    CheckConfig,
    /// Calendar providers at a URL.
    #[command(subcommand)]
    Provider(Provider),
    /// Makes, lists and revokes keys of programs that call the API.
    #[command(subcommand)]
    ApiKey(ApiKey),
}

#[derive(Debug, Subcommand)]
enum Provider {
    /// Runs the conformance kit against a provider: see docs/providers/remote.md. It makes and
    /// deletes events, so point it at a calendar for tests.
    Test {
        /// What the contract's paths begin with.
        url: Url,
        /// A file with the secret that signs requests: whsec_ and base64.
        #[arg(long, value_name = "FILE")]
        secret_file: PathBuf,
        /// What an agent would type in to connect, as NAME=VALUE; can be given several times.
        #[arg(long = "credential", value_name = "NAME=VALUE", value_parser = credential)]
        credentials: Vec<(String, SecretString)>,
    },
}

#[derive(Debug, Subcommand)]
enum ApiKey {
    /// Makes a key and prints it alone; it is not shown again.
    Create {
        /// What it is for, up to 100 characters.
        #[arg(long)]
        name: String,
        /// What it may do: ADMIN, SALES_ADMIN, MARKETING_ADMIN, MARKETING_USER, LIVE_AGENT or
        /// CALENDAR_AGENT.
        #[arg(long, value_parser = profile)]
        profile: Profile,
    },
    /// Lists the keys: ID, profile, state, when made, name.
    List,
    /// Takes a key back, at once.
    Revoke {
        /// As `list` prints it.
        #[arg(value_parser = key_id)]
        id: Uuid,
    },
}

/// Runs the program with calendar providers of one's own beside Frontdesk's. Call it from `main`
/// and do nothing else: it reads the command line, and makes the async runtime.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     frontdesk::run_with(vec![/* Arc::new(MyCalendar::new()) */])
/// }
/// ```
#[must_use]
pub fn run_with(providers: Extra) -> ExitCode {
    // An error says that there is one already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(Arguments::parse(), providers) {
        Ok(code) => code,
        Err(error) => {
            let line = format!("{error:#}").replace(['\r', '\n'], " ");
            eprintln!("frontdesk: {line}");
            let is_configuration = error.downcast_ref::<ConfigError>().is_some();
            ExitCode::from(if is_configuration { 2 } else { 1 })
        }
    }
}

fn run(arguments: Arguments, extra: Extra) -> anyhow::Result<ExitCode> {
    if matches!(arguments.command, Command::Schema) {
        print(&graphql::sdl())?;
        return Ok(ExitCode::SUCCESS);
    }
    let config = read(arguments.config.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(execute(arguments.command, config, extra))
}

fn read(file: Option<&Path>) -> Result<Config, ConfigError> {
    let config = Config::load(file)?;
    telemetry::init(config.log_format)?;
    Ok(config)
}

async fn execute(command: Command, config: Config, extra: Extra) -> anyhow::Result<ExitCode> {
    match command {
        Command::Provider(Provider::Test { url, secret_file, credentials }) => {
            return test_provider(&config, url, &secret_file, credentials).await;
        }
        Command::Serve { no_worker, demo } => {
            let app = Arc::new(server::open(config, Migrations::Run, extra).await?);
            let greeting = if demo { Some(demo::prepare(&app).await?) } else { None };
            server::serve(app, Serve { worker: !no_worker, greeting }).await?;
        }
        Command::Worker => {
            let app = server::open(config, Migrations::Require, extra).await?;
            server::work(Arc::new(app)).await?;
        }
        Command::Migrate => {
            // With SQLite this makes the key too, so that whoever starts next finds both.
            server::open(config, Migrations::Run, extra).await?;
        }
        Command::Schema => print(&graphql::sdl())?,
        Command::CheckConfig => {
            server::check_settings(&config)?;
            print(&shown(&config))?;
        }
        Command::ApiKey(command) => {
            let app = server::open(config, Migrations::Run, extra).await?;
            api_key(&app, command).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Holds a provider at a URL to its contract.
async fn test_provider(
    config: &Config,
    url: Url,
    secret_file: &Path,
    credentials: Vec<(String, SecretString)>,
) -> anyhow::Result<ExitCode> {
    let secret = std::fs::read_to_string(secret_file)
        .with_context(|| format!("--secret-file {} can't be read", secret_file.display()))?;
    let settings = remote::Settings::new(url, secret.trim().into());
    let mut target = remote::conformance::Target::new(settings);
    target.credentials.extend(credentials);
    // The kit provokes failures: they are to be seen as they are, each on its own.
    let http = server::http_client(config, |settings| {
        settings.attempts = 1;
        settings.circuit_failures = u32::MAX;
    })?;
    let clock: remote::Clock = Arc::new(|| SystemClock.now());
    let (report, code) = remote::conformance::run_test(target, http, clock).await;
    print(&report)?;
    Ok(code)
}

async fn api_key(app: &App, command: ApiKey) -> anyhow::Result<()> {
    match command {
        ApiKey::Create { name, profile } => {
            let new = credential::create_api_key(app, &name, profile).await?;
            print(&format!("{}\n", new.key))?;
        }
        ApiKey::List => {
            let mut lines = String::new();
            for key in credential::api_keys(app).await? {
                let id = ids::API_KEY.format(key.id);
                let state = if key.revoked_at.is_some() { "revoked" } else { "in force" };
                let made = key.created_at.format("%Y-%m-%dT%H:%M:%SZ");
                let (profile, name) = (key.profile, key.name);
                lines.push_str(&format!("{id}  {profile:<15}  {state:<8}  {made}  {name}\n"));
            }
            print(&lines)?;
        }
        ApiKey::Revoke { id } => {
            credential::revoke_api_key(app, id).await?;
            // Servers close what the key has open; they read of it within a second otherwise.
            cluster::bus::say_now(app).await;
        }
    }
    Ok(())
}

fn profile(text: &str) -> Result<Profile, String> {
    Profile::parse(text).ok_or_else(|| {
        let known: Vec<&str> = Profile::ALL.iter().map(|profile| profile.as_str()).collect();
        format!("must be one of {}", known.join(", "))
    })
}

fn credential(text: &str) -> Result<(String, SecretString), &'static str> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = parts.ok_or("must be NAME=VALUE")?;
    Ok((name.to_owned(), value.into()))
}

fn key_id(text: &str) -> Result<Uuid, &'static str> {
    ids::API_KEY.parse(text).ok_or("must be an ID as `frontdesk api-key list` prints it")
}

/// The settings as TOML, but for what is secret.
fn shown(config: &Config) -> String {
    let (limits, delivery, sync) = (&config.limits, &config.delivery, &config.sync);
    let points: String =
        [("visitors", limits.visitors), ("agents", limits.agents), ("api_keys", limits.api_keys)]
            .map(|(of, allowance)| {
                let Allowance { points_per_second, burst, points_per_operation } = allowance;
                format!(
                    "[limits.{of}]\npoints_per_second = {points_per_second}\nburst = {burst}\n\
             points_per_operation = {points_per_operation}\n\n"
                )
            })
            .concat();
    let push_url = match &config.push_url {
        Some(url) => format!("push_url = \"{url}\""),
        None => "# push_url is not given, and public_url is not https".to_owned(),
    };
    let told = config.calendars.providers();
    let calendars: String =
        told.map(|id| format!("\n[calendars.{id}]\n# given and not shown\n")).collect();
    let secret_key = match (&config.secret_key, config.secret_key_file()) {
        (None, Some(path)) => format!("# secret_key is kept in {}", path.display()),
        _ => "# secret_key is given and not shown".to_owned(),
    };
    let connections = shown_connections(config.connections);
    let bookings = shown_bookings(config.bookings);
    let proof = shown_proof(&config.proof);
    format!(
        "listen = \"{}\"\npublic_url = \"{}\"\nmanage_url = \"{}\"\nconfirm_url = \"{}\"\n# database_url is {:?}\n\
         database_connections = {}\n# mail_url is not shown\nmail_from = {:?}\n{secret_key}\n\
         cors_origins = {:?}\nreturn_urls = {:?}\n{push_url}\npush_contact = \"{}\"\nallow_private_addresses = {}\ntrusted_proxies = {}\ndefault_locale = {:?}\nlog_format = \"{}\"\n\
         meeting_fallback = {:?}\n\n\
         [limits]\nmails_per_hour = {}\nlive_chats_per_hour = {}\n\
         calendar_staleness_minutes = {}\nprovider_timeout_seconds = {}\nanswer_bytes = {}\n\n\
         {points}{connections}\
         [delivery]\ngive_up_after_minutes = {}\nfirst_retry_seconds = {}\n\
         longest_retry_minutes = {}\nconference_wait_seconds = {}\nlease_seconds = {}\n\
         concurrency = {}\npoll_milliseconds = {}\n\n\
         [sync]\npoll_seconds = {}\npushed_poll_seconds = {}\nconcurrency = {}\nlease_seconds = {}\n\n\
         [live_chat]\noffer_seconds = {}\nwait_minutes = {}\nidle_minutes = {}\n\
         open_per_mailbox = {}\nopen_per_network = {}\nopen_per_network_in_all = {}\n\n\
         [reminders]\nminutes_before = {:?}\n\
         {calendars}{bookings}{proof}",
        config.listen,
        config.public_url,
        config.manage_url,
        config.confirm_url,
        config.database_url,
        config.database_connections,
        config.mail_from.to_string(),
        config.cors_origins,
        config.return_urls.iter().map(Url::as_str).collect::<Vec<_>>(),
        config.push_contact,
        config.allow_private_addresses,
        config.trusted_proxies,
        config.default_locale,
        format!("{:?}", config.log_format).to_lowercase(),
        config.meeting_fallback,
        limits.mails_per_hour,
        limits.live_chats_per_hour,
        limits.calendar_staleness_minutes,
        limits.provider_timeout_seconds,
        limits.answer_bytes,
        delivery.give_up_after_minutes,
        delivery.first_retry_seconds,
        delivery.longest_retry_minutes,
        delivery.conference_wait_seconds,
        delivery.lease_seconds,
        delivery.concurrency,
        delivery.poll_milliseconds,
        sync.poll_seconds,
        sync.pushed_poll_seconds,
        sync.concurrency,
        sync.lease_seconds,
        config.live_chat.offer_seconds,
        config.live_chat.wait_minutes,
        config.live_chat.idle_minutes,
        config.live_chat.open_per_mailbox,
        config.live_chat.open_per_network,
        config.live_chat.open_per_network_in_all,
        config.reminders.minutes_before,
    )
}

/// The settings of connections as TOML.
fn shown_connections(connections: Connections) -> String {
    format!(
        "[connections]\ntotal = {}\nper_address = {}\nbuffer_bytes = {}\nall_buffer_bytes = {}\n\
         stalled_seconds = {}\n\n",
        connections.total,
        connections.per_address,
        connections.buffer_bytes,
        connections.all_buffer_bytes,
        connections.stalled_seconds,
    )
}

/// The settings of bookings as TOML.
fn shown_bookings(bookings: Bookings) -> String {
    format!(
        "\n[bookings]\nper_hour_and_address = {}\nper_day_and_address = {}\nper_day_and_agent = {}\n\
         per_hour = {}\nper_hour_for_each_agent = {}\nopen_per_mailbox = {}\nconfirm_by_email = {}\n\
         unconfirmed_per_address = {}\n",
        bookings.per_hour_and_address,
        bookings.per_day_and_address,
        bookings.per_day_and_agent,
        bookings.per_hour,
        bookings.per_hour_for_each_agent,
        bookings.open_per_mailbox,
        bookings.confirm_by_email,
        bookings.unconfirmed_per_address,
    )
}

/// The settings of proofs as TOML, but for what is secret.
fn shown_proof(proof: &Proof) -> String {
    let optional = |key: &str, value: Option<&str>| match value {
        Some(value) => format!("{key} = {value:?}\n"),
        None => format!("# {key} is not given\n"),
    };
    let secret = if proof.secret.is_some() { "given and not shown" } else { "not given" };
    format!(
        "\n[proof]\nverifier = {:?}\n{}# secret is {secret}\n{}hostnames = {:?}\n{}\
         timeout_seconds = {}\ndifficulty = {}\nchallenge_seconds = {}\n",
        proof.verifier.as_str(),
        optional("site_key", proof.site_key.as_deref()),
        optional("verify_url", proof.verify_url.as_ref().map(Url::as_str)),
        proof.hostnames,
        optional("action", proof.action.as_deref()),
        proof.timeout_seconds,
        proof.difficulty,
        proof.challenge_seconds,
    )
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[track_caller]
    fn parse(line: &str) -> Command {
        Arguments::try_parse_from(line.split(' ')).unwrap().command
    }

    #[test]
    fn commands_and_their_options_are_read() {
        assert!(matches!(
            parse("frontdesk serve --no-worker --demo"),
            Command::Serve { no_worker: true, demo: true }
        ));
        assert!(matches!(
            parse("frontdesk serve"),
            Command::Serve { no_worker: false, demo: false }
        ));
        let Command::ApiKey(ApiKey::Create { name, profile }) =
            parse("frontdesk api-key create --name website --profile LIVE_AGENT")
        else {
            panic!("not read as a key to make");
        };
        assert_eq!((name.as_str(), profile), ("website", Profile::LiveAgent));
        let id = "key_01900000000070008000000000000001";
        let Command::ApiKey(ApiKey::Revoke { id: read }) =
            parse(&format!("frontdesk api-key revoke {id}"))
        else {
            panic!("not read as a key to revoke");
        };
        assert_eq!(ids::API_KEY.format(read), id);
    }

    #[test]
    fn a_settings_file_may_stand_before_or_after_the_command() {
        for line in ["frontdesk --config a.toml migrate", "frontdesk migrate --config a.toml"] {
            let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(arguments.config.as_deref(), Some(Path::new("a.toml")));
        }
    }

    #[test]
    fn a_profile_that_there_is_not_is_refused_with_those_there_are() {
        let line = "frontdesk api-key create --name a --profile admin";
        let error = Arguments::try_parse_from(line.split(' ')).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("CALENDAR_AGENT"), "{error}");
    }

    #[test]
    fn settings_are_shown_as_toml_without_secrets() {
        let shown = shown(&Config::load(None).unwrap());
        let keys = shown.lines().filter(|line| !line.starts_with('#')).count();
        assert!(20 < keys, "{shown}");
        assert!(shown.contains("poll_milliseconds = 1000\n"), "{shown}");
        assert!(shown.contains("answer_bytes = "), "{shown}");
        assert!(shown.contains("[connections]\ntotal = 16384\n"), "{shown}");
        assert!(shown.contains("log_format = \"text\"\n"), "{shown}");
    }
}
