// What the page says, in each language it speaks. English first: it stands for all others.

const en = {
  title: "Your meeting",
  loading: "Looking for your meeting…",
  again: "Try again",
  when: "When",
  withWhom: "With",
  where: "Where",
  join: { GOOGLE_MEET: "Join by Google Meet", MICROSOFT_TEAMS: "Join by Microsoft Teams" },
  reasonGiven: "Reason",
  titleWith: (agent) => `Your meeting with ${agent}`,
  bookedZone: (range, zone) => `Booked as ${range} (${zone})`,
  over: "This meeting is over.",
  cancelledOn: (date) => `This meeting was called off on ${date}.`,
  cancelledState: "This meeting was called off.",

  move: "Choose another time",
  moveTitle: "Choose another time",
  moveNow: "Move the meeting",
  moveTo: (when) => `Move to ${when}`,
  keepTime: "Keep the present time",
  moved: (when) => `Your meeting is now on ${when}. A new confirmation is on its way by e-mail.`,
  taken: "That time has just been taken, and your meeting stays where it was.",
  alternatives: "These times near it are free:",

  cancel: "Call the meeting off",
  cancelTitle: "Call the meeting off?",
  reason: "Reason (optional; the person you were to meet will read it)",
  cancelNow: "Call it off",
  keepMeeting: "Keep the meeting",
  cancelled: "The meeting is called off. A confirmation is on its way by e-mail.",

  picker: {
    day: "Day",
    time: "Time",
    earlier: "Earlier days",
    later: "Later days",
    loading: "Looking for free times…",
    noTimes: "No times are free on these days.",
    noneOn: "no free times",
    zone: (zone) => `Times are in the time zone ${zone}.`,
  },

  noToken: "This address lacks the key to your meeting. Please open the link in the e-mail again.",
  gone:
    "This link opens no meeting. It may be incomplete, or too old: links work until 30 days after " +
    "the meeting. Please open the link in the newest e-mail.",
  conflict: "This meeting was changed in the meantime, or is over. This is how it stands now.",
  network: "The server can’t be reached. Please check your connection and try again.",
  busy: (seconds) =>
    seconds
      ? `Too many requests at once. Please try again in ${duration("en", seconds)}.`
      : "Too many requests at once. Please try again in a while.",
  input: "This was not accepted. Please check what you entered.",
  server: "Something went wrong on our side. Please try again in a while.",
};

const fr = {
  title: "Votre rendez-vous",
  loading: "Recherche de votre rendez-vous…",
  again: "Réessayer",
  when: "Quand",
  withWhom: "Avec",
  where: "Où",
  join: { GOOGLE_MEET: "Rejoindre par Google Meet", MICROSOFT_TEAMS: "Rejoindre par Microsoft Teams" },
  reasonGiven: "Motif",
  titleWith: (agent) => `Votre rendez-vous avec ${agent}`,
  bookedZone: (range, zone) => `Réservé pour ${range} (${zone})`,
  over: "Ce rendez-vous est passé.",
  cancelledOn: (date) => `Ce rendez-vous a été annulé le ${date}.`,
  cancelledState: "Ce rendez-vous est annulé.",

  move: "Choisir un autre horaire",
  moveTitle: "Choisir un autre horaire",
  moveNow: "Déplacer le rendez-vous",
  moveTo: (when) => `Déplacer au ${when}`,
  keepTime: "Garder l’horaire actuel",
  moved: (when) =>
    `Votre rendez-vous a maintenant lieu le ${when}. Une nouvelle confirmation vous parviendra par e-mail.`,
  taken: "Cet horaire vient d’être pris ; votre rendez-vous reste inchangé.",
  alternatives: "Ces horaires proches sont libres :",

  cancel: "Annuler le rendez-vous",
  cancelTitle: "Annuler le rendez-vous ?",
  reason: "Motif (facultatif ; votre interlocuteur le lira)",
  cancelNow: "Annuler le rendez-vous",
  keepMeeting: "Garder le rendez-vous",
  cancelled: "Le rendez-vous est annulé. Une confirmation vous parviendra par e-mail.",

  picker: {
    day: "Jour",
    time: "Horaire",
    earlier: "Jours précédents",
    later: "Jours suivants",
    loading: "Recherche des horaires libres…",
    noTimes: "Aucun horaire n’est libre ces jours-là.",
    noneOn: "aucun horaire libre",
    zone: (zone) => `Les horaires sont dans le fuseau ${zone}.`,
  },

  noToken:
    "Il manque à cette adresse la clé de votre rendez-vous. Veuillez rouvrir le lien reçu par e-mail.",
  gone:
    "Ce lien n’ouvre aucun rendez-vous. Il est peut-être incomplet ou trop ancien : les liens sont " +
    "valables jusqu’à 30 jours après le rendez-vous. Veuillez ouvrir le lien de l’e-mail le plus récent.",
  conflict: "Ce rendez-vous a été modifié entre-temps, ou il est passé. Voici où il en est.",
  network: "Le serveur est injoignable. Veuillez vérifier votre connexion et réessayer.",
  busy: (seconds) =>
    seconds
      ? `Trop de demandes à la fois. Veuillez réessayer dans ${duration("fr", seconds)}.`
      : "Trop de demandes à la fois. Veuillez réessayer dans un moment.",
  input: "La demande n’a pas été acceptée. Veuillez vérifier votre saisie.",
  server: "Une erreur s’est produite de notre côté. Veuillez réessayer dans un moment.",
};

const LANGUAGES = { en, fr };

/** What the page says on which a booking is confirmed; what went wrong is said as on the other page. */
const CONFIRM = {
  en: {
    ...en,
    title: "Confirm your meeting",
    explain: "Your meeting is booked once you press the button.",
    confirm: "Confirm the meeting",
    booking: "Booking…",
    bookedTitle: "Your meeting is booked",
    booked: (agent, when) =>
      `You are meeting ${agent} on ${when}. A confirmation is on its way by e-mail.`,
    alternatives: "Free near it:",
    manage: "See, move or cancel the meeting",
    noToken: "This address lacks the key to your meeting. Please open the link in the e-mail again.",
    gone: "This link confirms no meeting any more. Links work for 15 minutes: please book again.",
    conflict: "Something else happened to this meeting. Please open the link in the e-mail again.",
    busy: (seconds) =>
      seconds
        ? `You have too many meetings ahead, or asked too often. Please try again in ${duration("en", seconds)}.`
        : "Too many requests at once. Please try again in a while.",
  },
  fr: {
    ...fr,
    title: "Confirmez votre rendez-vous",
    explain: "Votre rendez-vous est pris dès que vous appuyez sur le bouton.",
    confirm: "Confirmer le rendez-vous",
    booking: "Réservation…",
    bookedTitle: "Votre rendez-vous est pris",
    booked: (agent, when) =>
      `Vous rencontrez ${agent} le ${when}. Une confirmation vous parviendra par e-mail.`,
    alternatives: "Horaires libres proches :",
    manage: "Voir, déplacer ou annuler le rendez-vous",
    noToken:
      "Il manque à cette adresse la clé de votre rendez-vous. Veuillez rouvrir le lien reçu par e-mail.",
    gone:
      "Ce lien ne confirme plus de rendez-vous. Les liens sont valables 15 minutes : veuillez " +
      "reprendre rendez-vous.",
    conflict: "Ce rendez-vous a changé entre-temps. Veuillez rouvrir le lien reçu par e-mail.",
    busy: (seconds) =>
      seconds
        ? `Vous avez trop de rendez-vous à venir, ou trop de demandes. Veuillez réessayer dans ${duration("fr", seconds)}.`
        : "Trop de demandes à la fois. Veuillez réessayer dans un moment.",
  },
};

/**
 * The first of the browser's languages that the page speaks, with its words. The tag keeps its region,
 * so that dates are written as they are there.
 *
 * @param {readonly string[]} wanted BCP 47 tags, the best first.
 */
export function choose(wanted) {
  return chooseFrom(LANGUAGES, wanted);
}

/** The same for the page on which a booking is confirmed. */
export function chooseConfirm(wanted) {
  return chooseFrom(CONFIRM, wanted);
}

function chooseFrom(languages, wanted) {
  const primary = (tag) => tag.toLowerCase().split("-")[0];
  const locale = wanted.find((tag) => primary(tag) in languages) ?? "en";
  return { locale, words: languages[primary(locale)] };
}

function duration(locale, seconds) {
  const [value, unit] = seconds < 90 ? [seconds, "second"] : [Math.ceil(seconds / 60), "minute"];
  return new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "long" }).format(value);
}
