//! Frontdesk books meetings between website visitors and the agents of one organisation.
//!
//! Read top-down: [`config`] and [`app`] are what a process holds, [`http`] is where a request
//! comes in, [`graphql`] decodes it, [`service`] does it, [`scheduling`] decides what is free,
//! [`store`] keeps it, and [`jobs`] delivers what it caused with [`mail`]. [`server`] puts a process
//! together, and [`run_with`] runs it with calendars of one's own.

pub mod app;
pub mod clock;
pub mod cluster;
pub mod command_line;
pub mod config;
pub mod demo;
pub mod graphql;
pub mod http;
pub mod ids;
pub mod jobs;
pub mod mail;
pub mod private_file;
pub mod routing;
pub mod scheduling;
pub mod secrets;
pub mod server;
pub mod service;
pub mod store;
pub mod telemetry;
pub mod work;

pub use command_line::run_with;
