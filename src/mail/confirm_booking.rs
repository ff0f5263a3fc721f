//! The mail by which a visitor confirms a booking. It holds nothing that anybody typed: a stranger may have given
//! the address.

use calendar_provider::TimeRange;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use handlebars::html_escape;
use url::Url;

use super::layout::{Button, Fact, Layout};
use super::locale::Reader;
use super::render::{Rendered, web_url};

/// A booking to confirm.
#[derive(Clone, Debug)]
pub struct ConfirmBooking<'a> {
    /// The visitor's language, BCP 47.
    pub locale: &'a str,
    /// The visitor's zone.
    pub zone: Tz,
    /// When the meeting would start.
    pub starts_at: DateTime<Utc>,
    /// The whole meeting, where its end is known.
    pub range: Option<TimeRange>,
    /// Whether the time is held until then.
    pub held: bool,
    /// Until when it can be confirmed.
    pub expires_at: DateTime<Utc>,
    /// The page whose button books.
    pub link: &'a Url,
}

/// Asks a visitor to confirm a booking.
pub fn confirm_booking(ask: &ConfirmBooking<'_>) -> Rendered {
    let reader = Reader::of(ask.locale);
    let language = reader.language;
    let words = language.words();
    let heading =
        language.either("Please confirm your meeting", "Veuillez confirmer votre rendez-vous");
    let held = match ask.held {
        true => language.either(
            "The time is held for you until then.",
            "L’horaire vous est réservé jusque-là.",
        ),
        false => language.either(
            "The time is not held for you: it is booked if it is still free when you confirm.",
            "L’horaire ne vous est pas réservé\u{a0}: il est pris s’il est encore libre quand vous confirmez.",
        ),
    };
    let advice = language.either(
        "A meeting was asked for with this e-mail address. It is booked once you press the button on \
         the page behind this link.",
        "Un rendez-vous a été demandé avec cette adresse e-mail. Il est pris dès que vous appuyez sur \
         le bouton de la page derrière ce lien.",
    );
    let ignore = language.either(
        "If you did not ask for it, ignore this message: nothing is booked then.",
        "Si vous ne l’avez pas demandé, ignorez ce message\u{a0}: rien n’est alors pris.",
    );
    let at =
        |instant| format!("{}, {}", reader.date(instant, ask.zone), reader.time(instant, ask.zone));
    let when = ask.range.map_or_else(|| at(ask.starts_at), |range| reader.span(range, ask.zone));
    let facts = vec![
        Fact::new(words.when, when),
        Fact::new(words.time_zone, ask.zone.name()),
        Fact::new(language.either("Confirm by", "À confirmer avant le"), at(ask.expires_at)),
    ];
    let label = language.either("Confirm the meeting", "Confirmer le rendez-vous");
    let button = web_url(Some(ask.link)).map(|url| Button { label, url: url.to_string() });
    let subject = format!("{heading}{}{}", words.colon, at(ask.starts_at));
    let layout = Layout {
        language,
        heading: heading.to_owned(),
        facts,
        buttons: button.into_iter().collect(),
    };
    let parts = [advice, held, ignore];
    let html: String = parts.iter().map(|part| format!("<p>{}</p>", html_escape(part))).collect();
    layout.render(subject, &parts.join("\n\n"), &html)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_says_when_and_links_once() {
        let link = Url::parse("https://meet.example.com/confirm?token=fdc_x").unwrap();
        for (locale, subject, held, free) in [
            ("en-GB", "Please confirm your meeting", "is held for you", "if it is still free"),
            ("fr", "Veuillez confirmer votre rendez-vous", "est réservé", "s’il est encore libre"),
        ] {
            for is_held in [true, false] {
                let mail = confirm_booking(&ConfirmBooking {
                    locale,
                    zone: chrono_tz::Europe::Paris,
                    starts_at: "2027-01-05T09:00:00Z".parse().unwrap(),
                    range: None,
                    held: is_held,
                    expires_at: "2027-01-04T08:15:00Z".parse().unwrap(),
                    link: &link,
                });
                assert!(mail.subject.starts_with(subject), "{}", mail.subject);
                assert!(
                    mail.text.contains("10:00") && mail.text.contains("09:15"),
                    "{}",
                    mail.text
                );
                assert!(mail.text.contains(if is_held { held } else { free }), "{}", mail.text);
                assert_eq!(mail.text.matches("https://").count(), 1, "{}", mail.text);
                assert_eq!(mail.html.matches("href=").count(), 1, "{}", mail.html);
            }
        }
    }
}
