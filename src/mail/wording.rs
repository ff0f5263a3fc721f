//! Our own words around the agent's, in each language we write.

use super::context::InviteContext;
use super::locale::Reader;
use super::render::MailKind;
use super::values::unlinked;

/// A language that we write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English, for everybody whose language we do not write.
    English,
    /// French.
    French,
}

impl Language {
    /// From BCP 47's language subtag, in lower case; English for those we do not write.
    pub(super) fn of(subtag: &str) -> Self {
        if subtag == "fr" { Self::French } else { Self::English }
    }

    /// For a reader with this BCP 47 tag.
    pub fn of_tag(tag: &str) -> Self {
        Reader::of(tag).language
    }

    /// What is said in this language.
    pub const fn either(self, english: &'static str, french: &'static str) -> &'static str {
        match self {
            Self::English => english,
            Self::French => french,
        }
    }

    /// As written in HTML's `lang`.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::French => "fr",
        }
    }

    pub(super) fn duration(self, hours: i64, minutes: i64) -> String {
        let plural = |count: i64, one: &str, many: &str| match (self, count) {
            (Self::English, 1) | (Self::French, 0 | 1) => format!("{count} {one}"),
            _ => format!("{count} {many}"),
        };
        let hour_word = match self {
            Self::English => plural(hours, "hour", "hours"),
            Self::French => plural(hours, "heure", "heures"),
        };
        let minute_word = plural(minutes, "minute", "minutes");
        match (hours, minutes) {
            (0, _) => minute_word,
            (_, 0) => hour_word,
            _ => format!("{hour_word} {minute_word}"),
        }
    }

    /// The words for visitors.
    pub(super) const fn words(self) -> &'static Words {
        match self {
            Self::English => &ENGLISH,
            Self::French => &FRENCH,
        }
    }

    pub(super) const fn heading(self, kind: MailKind) -> &'static str {
        match (self, kind) {
            (Self::English, MailKind::Confirmation) => "Your meeting is confirmed",
            (Self::English, MailKind::Rescheduled) => "Your meeting has moved",
            (Self::English, MailKind::Update) => "Your meeting has been updated",
            (Self::English, MailKind::Reminder) => "Your meeting is coming up",
            (Self::English, MailKind::Cancelled) => "Your meeting is cancelled",
            (Self::French, MailKind::Confirmation) => "Votre rendez-vous est confirmé",
            (Self::French, MailKind::Rescheduled) => "Votre rendez-vous a été déplacé",
            (Self::French, MailKind::Update) => "Votre rendez-vous a été mis à jour",
            (Self::French, MailKind::Reminder) => "Votre rendez-vous approche",
            (Self::French, MailKind::Cancelled) => "Votre rendez-vous est annulé",
        }
    }
}

/// Labels and sentences.
pub(super) struct Words {
    pub(super) when: &'static str,
    pub(super) duration: &'static str,
    pub(super) time_zone: &'static str,
    pub(super) with: &'static str,
    pub(super) join: &'static str,
    pub(super) manage: &'static str,
    pub(super) name: &'static str,
    pub(super) email: &'static str,
    pub(super) phone: &'static str,
    pub(super) job_title: &'static str,
    pub(super) company: &'static str,
    pub(super) domain: &'static str,
    pub(super) industry: &'static str,
    pub(super) country: &'static str,
    pub(super) notes: &'static str,
    pub(super) reason: &'static str,
    pub(super) before: &'static str,
    pub(super) problem: &'static str,
    /// Between a label and its value, in text.
    pub(super) colon: &'static str,
    /// "Meeting with"
    pub(super) meeting_with: &'static str,
    /// Before the earlier subject of a mail about a change.
    pub(super) cancelled: &'static str,
    pub(super) moved: &'static str,
    pub(super) updated: &'static str,
    pub(super) reminder: &'static str,
    /// In place of the agent's body in a reminder.
    pub(super) coming_up: &'static str,
    /// In place of the agent's body once there is no meeting.
    pub(super) no_longer: &'static str,
    pub(super) other: &'static str,
    /// Headings of mails to the agent, also the beginnings of their subjects.
    pub(super) notice_booked: &'static str,
    pub(super) notice_moved: &'static str,
    pub(super) notice_cancelled: &'static str,
    pub(super) failed_calendar: &'static str,
    pub(super) failed_calendar_advice: &'static str,
    pub(super) failed_mail: &'static str,
    pub(super) failed_mail_advice: &'static str,
    pub(super) reauthenticate: &'static str,
    pub(super) reauthenticate_advice: &'static str,
    pub(super) calendar: &'static str,
    pub(super) account: &'static str,
    pub(super) connect_again: &'static str,
}

static ENGLISH: Words = Words {
    when: "When",
    duration: "Duration",
    time_zone: "Time zone",
    with: "With",
    join: "Join the meeting",
    manage: "Move or cancel",
    name: "Name",
    email: "E-mail",
    phone: "Telephone",
    job_title: "Job title",
    company: "Company",
    domain: "Domain",
    industry: "Industry",
    country: "Country",
    notes: "Notes",
    reason: "Reason",
    before: "Before",
    problem: "Problem",
    colon: ": ",
    meeting_with: "Meeting with",
    cancelled: "Cancelled",
    moved: "New time",
    updated: "Updated",
    reminder: "Reminder",
    coming_up: "This is a reminder of your meeting. If you can't make it, please move or cancel it.",
    no_longer: "This meeting will not take place. Answer this message for any question.",
    other: "Other",
    notice_booked: "New meeting",
    notice_moved: "Meeting moved",
    notice_cancelled: "Meeting cancelled",
    failed_calendar: "A meeting is missing from your calendar",
    failed_calendar_advice: "Your calendar did not take this meeting, and we have stopped trying. \
                             The meeting stands: please enter it yourself.",
    failed_mail: "A visitor was not told about a meeting",
    failed_mail_advice: "The mail to the visitor could not be delivered, and we have stopped \
                         trying. Please check the address and write to the visitor yourself.",
    reauthenticate: "Please connect your calendar again",
    reauthenticate_advice: "Your calendar no longer lets us in, for example because its password \
                            was changed or our access was withdrawn. Until you connect it again, \
                            visitors can't book meetings with you. Meetings that are booked stand.",
    calendar: "Calendar",
    account: "Account",
    connect_again: "Connect the calendar again",
};

static FRENCH: Words = Words {
    when: "Quand",
    duration: "Durée",
    time_zone: "Fuseau horaire",
    with: "Avec",
    join: "Rejoindre la réunion",
    manage: "Déplacer ou annuler",
    name: "Nom",
    email: "E-mail",
    phone: "Téléphone",
    job_title: "Fonction",
    company: "Entreprise",
    domain: "Domaine",
    industry: "Secteur",
    country: "Pays",
    notes: "Message",
    reason: "Motif",
    before: "Avant",
    problem: "Problème",
    colon: "\u{a0}: ",
    meeting_with: "Rendez-vous avec",
    cancelled: "Annulé",
    moved: "Nouvel horaire",
    updated: "Mis à jour",
    reminder: "Rappel",
    coming_up: "Ceci est un rappel de votre rendez-vous. En cas d’empêchement, merci de le déplacer ou de l’annuler.",
    no_longer: "Ce rendez-vous n’aura pas lieu. Pour toute question, répondez à ce message.",
    other: "Autres",
    notice_booked: "Nouveau rendez-vous",
    notice_moved: "Rendez-vous déplacé",
    notice_cancelled: "Rendez-vous annulé",
    failed_calendar: "Un rendez-vous manque dans votre agenda",
    failed_calendar_advice: "Votre agenda n’a pas accepté ce rendez-vous et nous avons cessé \
                             d’essayer. Le rendez-vous est maintenu\u{a0}: veuillez l’inscrire \
                             vous-même.",
    failed_mail: "Un visiteur n’a pas été prévenu d’un rendez-vous",
    failed_mail_advice: "Le message au visiteur n’a pas pu être remis et nous avons cessé \
                         d’essayer. Veuillez vérifier l’adresse et lui écrire vous-même.",
    reauthenticate: "Veuillez reconnecter votre agenda",
    reauthenticate_advice: "Votre agenda ne nous laisse plus entrer, par exemple parce que son mot \
                            de passe a changé ou que notre accès a été retiré. Tant que vous ne \
                            l’avez pas reconnecté, les visiteurs ne peuvent pas prendre \
                            rendez-vous avec vous. Les rendez-vous pris sont maintenus.",
    calendar: "Agenda",
    account: "Compte",
    connect_again: "Reconnecter l’agenda",
};

/// The title of the event in the visitor's calendar: "Meeting with" the agent.
pub fn meeting_summary(context: &InviteContext) -> String {
    let words = Reader::of(&context.locale).language.words();
    format!("{} {}", words.meeting_with, unlinked(&context.agent.name))
}

/// What the event in the visitor's calendar says: where to join, and where to move or cancel it.
/// Holds nothing that the visitor wrote.
pub fn meeting_description(context: &InviteContext) -> String {
    let words = Reader::of(&context.locale).language.words();
    let meeting = &context.meeting;
    let line = |label: &str, url: &Option<url::Url>| {
        let url = super::render::web_url(url.as_ref())?;
        Some(format!("{label}{}{url}", words.colon))
    };
    let lines =
        [line(words.join, &meeting.conference_url), line(words.manage, &meeting.manage_url)];
    lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// The title of the event in the agent's own calendar: the visitor's name or address, and company.
pub fn agent_summary(context: &InviteContext) -> String {
    let words = Reader::of(&context.locale).language.words();
    let who = context.person.full_name().unwrap_or_else(|| context.person.email.clone());
    let company = context.company.as_ref().and_then(|company| company.name.as_deref());
    match company.map(unlinked).filter(|name| !name.is_empty()) {
        Some(company) => format!("{} {} ({company})", words.meeting_with, unlinked(&who)),
        None => format!("{} {}", words.meeting_with, unlinked(&who)),
    }
}
