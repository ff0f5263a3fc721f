//! The template an agent starts with.

use super::locale::Reader;
use super::wording::Language;

/// The default subject and body for a reader of `locale`, a BCP 47 tag; English where there is
/// none in that language.
pub fn default_template(locale: &str) -> (&'static str, &'static str) {
    match Reader::of(locale).language {
        Language::English => ("Your meeting with {{agent.name}}", include_str!("defaults/en.md")),
        Language::French => {
            ("Votre rendez-vous avec {{agent.name}}", include_str!("defaults/fr.md"))
        }
    }
}
