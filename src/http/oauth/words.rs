//! What the page after connecting a calendar says, in each language we write.

use crate::mail::{self, Language};
use crate::service::calendar::{Problem, Told};

/// The page's words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) title: &'static str,
    pub(super) paragraphs: Vec<String>,
    /// A list after the first paragraph's end.
    pub(super) items: Vec<String>,
    pub(super) back: &'static str,
}

/// What came of it, in words for whoever sits in front of the browser.
pub(super) fn words(told: &Told, language: Language) -> Words {
    let (title, paragraphs) = match &told.outcome {
        Ok(account) => connected(told.provider.as_deref(), account, language),
        Err(problem) => not_connected(told.provider.as_deref(), problem, language),
    };
    let items = match &told.outcome {
        Err(Problem::Missing(permissions)) => permissions.clone(),
        _ => Vec::new(),
    };
    let back = language.either("Go back", "Retour");
    Words { title, paragraphs, items, back }
}

fn connected(
    provider: Option<&str>,
    account: &str,
    language: Language,
) -> (&'static str, Vec<String>) {
    let provider = name(provider, language);
    let text = match language {
        Language::English => {
            format!("{provider} of {account} is connected. You can close this page.")
        }
        Language::French => {
            format!("{provider} de {account} est connecté. Vous pouvez fermer cette page.")
        }
    };
    (language.either("Your calendar is connected", "Votre agenda est connecté"), vec![text])
}

fn not_connected(
    provider: Option<&str>,
    problem: &Problem,
    language: Language,
) -> (&'static str, Vec<String>) {
    if matches!(problem, Problem::NotNeeded) {
        let text = language.either(
            "Your calendar works, or another one was connected since. There is nothing to do.",
            "Votre agenda fonctionne, ou un autre a été connecté depuis. Il n’y a rien à faire.",
        );
        let title = language.either("Nothing to do", "Il n’y a rien à faire");
        return (title, vec![text.to_owned()]);
    }
    let why = why(&name(provider, language), problem, language);
    let stays = language.either(
        "Nothing was changed: a calendar that was connected before still is.",
        "Rien n’a changé\u{a0}: un agenda connecté auparavant l’est toujours.",
    );
    let title =
        language.either("Your calendar was not connected", "Votre agenda n’a pas été connecté");
    (title, vec![why, stays.to_owned()])
}

fn why(provider: &str, problem: &Problem, language: Language) -> String {
    let either = |english: String, french: String| match language {
        Language::English => english,
        Language::French => french,
    };
    // A provider's words, on a page of ours.
    let refused = match problem {
        Problem::Refused(message) => mail::unlinked(message),
        _ => String::new(),
    };
    match problem {
        Problem::Unknown | Problem::NotNeeded => either(
            "This link was used already or is too old. Please begin again.".to_owned(),
            "Ce lien a déjà été utilisé ou est trop ancien. Veuillez recommencer.".to_owned(),
        ),
        Problem::OtherBrowser => either(
            "This was begun in another browser, or your browser does not take cookies. Please begin \
             again, and stay in one browser."
                .to_owned(),
            "La démarche a commencé dans un autre navigateur, ou le vôtre refuse les cookies. \
             Veuillez recommencer, dans un seul navigateur."
                .to_owned(),
        ),
        Problem::OtherIssuer => either(
            format!("The answer did not come from {provider}. Please begin again."),
            format!("La réponse ne vient pas de {provider}. Veuillez recommencer."),
        ),
        Problem::Denied => either(
            format!("You, or an administrator of your account, did not give {provider}’s consent."),
            format!("Vous, ou un administrateur de votre compte, avez refusé l’accès à {provider}."),
        ),
        Problem::Missing(_) => either(
            format!("{provider} is of no use without these permissions. Please begin again and \
                     leave their boxes ticked:"),
            format!("{provider} ne peut servir sans ces autorisations. Veuillez recommencer en \
                     laissant leurs cases cochées\u{a0}:"),
        ),
        Problem::OtherAccount(expected) => either(
            format!("This link is for the account {expected}. To connect another one, begin in the \
                     application."),
            format!("Ce lien est destiné au compte {expected}. Pour en connecter un autre, passez \
                     par l’application."),
        ),
        Problem::Unreachable => either(
            format!("{provider} did not answer. Please try again in a few minutes."),
            format!("{provider} n’a pas répondu. Veuillez réessayer dans quelques minutes."),
        ),
        Problem::Refused(_) => either(
            format!("{provider} did not work: {refused}."),
            format!("{provider} n’a pas fonctionné\u{a0}: {refused}."),
        ),
        Problem::Fault(_) => either(
            "Something went wrong on our side. Please try again later.".to_owned(),
            "Une erreur s’est produite de notre côté. Veuillez réessayer plus tard.".to_owned(),
        ),
    }
}

fn name(provider: Option<&str>, language: Language) -> String {
    provider.unwrap_or(language.either("The calendar", "L’agenda")).to_owned()
}
