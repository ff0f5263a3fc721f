//! Frontdesk with Acme's calendar: every command of `frontdesk`, and one provider more.

use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let acme = acme_frontdesk::Acme::new("https://api.acme.example/");
    frontdesk::run_with(vec![Arc::new(acme.expect("the address is one"))])
}
