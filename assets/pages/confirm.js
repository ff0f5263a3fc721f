// Books the meeting that a mail asked its reader to confirm. Nothing is booked before the button is pressed: programs
// that look at mails follow their links.

import { ask, gql } from "./api.js";
import { chooseConfirm } from "./words.js";

const CONFIRM = gql`
  mutation ConfirmBooking($input: ConfirmBookingInput!) {
    confirmBooking(input: $input) {
      __typename
      ... on MeetingBooked { manageToken booking { startsAt agent { name } } }
      ... on SlotUnavailable { message alternatives { startsAt } }
    }
  }
`;

// Beside this page, also where a proxy serves both under a path.
const endpoint = new URL("graphql", location.href);
const { locale, words } = chooseConfirm(navigator.languages);
const token = takeToken();
const at = (id) => document.getElementById(id);

/**
 * Reads the token and takes it out of the address, where it would stay in the history and on the
 * screen. The history entry's state keeps it, so that the page can be loaded again.
 */
function takeToken() {
  const given = new URLSearchParams(location.search).get("token") ?? history.state?.token;
  history.replaceState(given ? { token: given } : null, "", location.pathname);
  return given;
}

function translate() {
  document.documentElement.lang = locale;
  document.title = words.title;
  for (const node of document.querySelectorAll("[data-word]")) {
    node.textContent = words[node.dataset.word];
  }
}

/** Books, once at a time. Pressing again is answered with the same booking. */
async function confirm() {
  const form = at("confirm");
  if (form.hasAttribute("aria-busy")) return;
  form.setAttribute("aria-busy", "true");
  say(words.booking, "");
  try {
    const { confirmBooking: result } = await ask(endpoint, CONFIRM, { input: { token } });
    form.hidden = true;
    if (result.__typename === "MeetingBooked") booked(result);
    else say("", `${result.message} ${near(result.alternatives)}`);
  } catch (failure) {
    if (!failure.kind) console.error(failure);
    const said = words[failure.kind] ?? words.server;
    say("", typeof said === "function" ? said(failure.seconds) : said);
    form.hidden = failure.kind === "gone";
  } finally {
    form.removeAttribute("aria-busy");
  }
}

function booked({ manageToken, booking }) {
  say(words.booked(booking.agent.name, format(booking.startsAt)), "");
  at("title").textContent = words.bookedTitle;
  document.title = words.bookedTitle;
  at("manage").href = `manage?token=${encodeURIComponent(manageToken)}`;
  at("manage-row").hidden = false;
  at("title").focus();
}

function near(alternatives) {
  if (alternatives.length === 0) return "";
  return `${words.alternatives} ${alternatives.map((slot) => format(slot.startsAt)).join("; ")}.`;
}

function say(status, problem) {
  at("status").textContent = status;
  at("problem").textContent = problem;
}

function format(instant) {
  const parts = { weekday: "long", day: "numeric", month: "long", hour: "numeric", minute: "2-digit" };
  const zone = { timeZoneName: "short" };
  return new Intl.DateTimeFormat(locale, { ...parts, ...zone }).format(new Date(instant));
}

translate();
if (!token) {
  at("confirm").hidden = true;
  say("", words.noToken);
}
at("confirm").addEventListener("submit", (event) => {
  event.preventDefault();
  confirm();
});
