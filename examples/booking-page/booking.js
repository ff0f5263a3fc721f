// Shows what is free, and books it.

import { ask, gql } from "./api.js";
import { createPicker, element, visitorZone } from "./picker.js";

const SLOTS = gql`
  query FreeSlots($input: SlotsInput!) {
    slots(input: $input) {
      days { date slots { startsAt endsAt } }
      fallback { message }
    }
  }
`;

const BOOK = gql`
  mutation BookMeeting($input: BookMeetingInput!) {
    bookMeeting(input: $input) {
      __typename
      ... on MeetingBooked { booking { startsAt agent { name } } }
      ... on SlotUnavailable { message alternatives { startsAt endsAt } }
      ... on ProofRequired { provider }
      ... on EmailConfirmationRequired { held expiresAt }
    }
  }
`;

const WORDS = {
  day: "Day",
  time: "Time",
  earlier: "Earlier days",
  later: "Later days",
  loading: "Looking for free times…",
  noTimes: "No times are free on these days.",
  noneOn: "no free times",
  zone: (zone) => `Times are in the time zone ${zone}.`,
};

const PROBLEMS = {
  network: () => "The server can’t be reached. Please check your connection and try again.",
  busy: ({ seconds }) =>
    seconds
      ? `Too many requests at once. Please try again in ${Math.max(1, Math.ceil(seconds / 60))} min.`
      : "Too many requests at once. Please try again in a while.",
  gone: () => "There is nobody to book here any more.",
  conflict: () => "This request was changed while it was on its way. Please try again.",
  input: () => "This was not accepted. Please check what you entered.",
  server: () => "Something went wrong on our side. Please try again in a while.",
};

const at = (id) => document.getElementById(id);
const setting = (name) => document.querySelector(`meta[name="frontdesk-${name}"]`).content;

const endpoint = new URL(setting("api"), location.href);
const route = setting("agent") ? { agentId: setting("agent") } : undefined;
// The words above are in the language of the page; so are its dates.
const locale = document.documentElement.lang;
const zone = visitorZone("UTC");

let chosen = null;
let retry;
/** The last input without its key, as text, and the key. */
let attempt = { text: "", key: "" };

const picker = createPicker({
  root: at("picker"),
  words: WORDS,
  locale,
  timeZone: zone,
  load: freeSlots,
  onPick: pick,
  onFailure: (failure) => explain(failure, () => picker.refresh()),
});

async function freeSlots(from, to) {
  const data = await ask(endpoint, SLOTS, { input: { from, to, timeZone: zone, route } });
  return data.slots;
}

function pick(slot) {
  chosen = slot;
  at("details").hidden = !slot;
  if (slot) at("book").textContent = `Book ${start(slot)}`;
}

/** Books `slot`, or offers what is free near it. */
async function book(slot) {
  const form = at("form");
  if (form.hasAttribute("aria-busy")) return;
  form.setAttribute("aria-busy", "true");
  clearProblem();
  at("status").textContent = "Booking…";
  try {
    const { bookMeeting: result } = await ask(endpoint, BOOK, { input: withKey(input(slot)) });
    at("status").textContent = "";
    if (result.__typename === "MeetingBooked") {
      confirm(result.booking);
    } else if (result.__typename === "EmailConfirmationRequired") {
      askToConfirm(result);
    } else if (result.__typename === "SlotUnavailable") {
      attempt = { text: "", key: "" };
      offer(result);
    } else {
      // ProofRequired: a page for a server with a verifier shows the widget of `provider` here, and sends the same
      // input again with its answer as `proof`. This one has no widget.
      fail("Too many meetings are being booked at the moment. Please try again in an hour.");
    }
  } catch (failure) {
    at("status").textContent = "";
    explain(failure, () => book(slot));
  } finally {
    form.removeAttribute("aria-busy");
  }
}

function input({ startsAt, endsAt }) {
  const value = (id) => at(id).value.trim() || undefined;
  return {
    startsAt,
    endsAt,
    timeZone: zone,
    // The mails are written in it.
    locale: navigator.language,
    person: { email: value("email"), firstName: value("first-name"), lastName: value("last-name") },
    notes: value("notes"),
    route,
  };
}

/**
 * Adds the idempotency key. The same input gets the same key: whether `ask` sends it again, or the
 * visitor does after an answer was lost, it is booked once. Another input is another request, and
 * gets another key.
 */
function withKey(input) {
  const text = JSON.stringify(input);
  if (attempt.text !== text) attempt = { text, key: randomKey() };
  return { ...input, idempotencyKey: attempt.key };
}

/** 128 random bits. crypto.randomUUID would do, but pages served by plain HTTP don't have it. */
function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function confirm(booking) {
  at("form").hidden = true;
  at("title").textContent = "Your meeting is booked";
  at("status").textContent =
    `You are meeting ${booking.agent.name} on ${start(booking)}. The confirmation is on its way to ` +
    `${at("email").value.trim()}; its link lets you move the meeting or call it off.`;
  at("title").focus();
}

function askToConfirm({ held, expiresAt }) {
  const time = new Intl.DateTimeFormat(locale, { timeStyle: "short", timeZone: zone }).format(new Date(expiresAt));
  at("form").hidden = true;
  at("title").textContent = "Please confirm by e-mail";
  at("status").textContent =
    `Your meeting is not booked yet. Open the message to ${at("email").value.trim()} and confirm before ${time}. ` +
    (held ? "The time is held for you until then." : "Until then somebody else may take the time.");
  at("title").focus();
}

function offer({ message, alternatives }) {
  const buttons = alternatives.map((slot) => {
    const button = element("button", { type: "button", className: "plain", textContent: start(slot) });
    button.addEventListener("click", () => book(slot));
    return button;
  });
  // Where nothing else is free, the server says what to do instead.
  const said = buttons.length > 0 ? "That time has just been taken. These times near it are free:" : message;
  picker.refresh();
  fail(said, element("div", { className: "actions" }, ...buttons));
}

function explain(failure, again) {
  if (!failure.kind) console.error(failure);
  const say = PROBLEMS[failure.kind] ?? PROBLEMS.server;
  fail(say(failure));
  if (failure.kind === "input") {
    const email = failure.field === "input.person.email";
    at("email").setAttribute("aria-invalid", String(email));
    at("email-problem").textContent = email ? "Please check the e-mail address." : "";
    if (email) at("email").focus();
    return;
  }
  retry = again;
  at("again").hidden = failure.kind === "gone";
}

function fail(text, ...more) {
  at("problem").replaceChildren(element("p", { textContent: text }), ...more);
  at("problem").scrollIntoView({ block: "nearest" });
}

function clearProblem() {
  at("problem").replaceChildren();
  at("again").hidden = true;
  at("email").removeAttribute("aria-invalid");
  at("email-problem").textContent = "";
}

/** Day and time of a slot's or booking's start, for the visitor. */
function start({ startsAt }) {
  const parts = { weekday: "long", day: "numeric", month: "long", hour: "numeric", minute: "2-digit" };
  return new Intl.DateTimeFormat(locale, { ...parts, timeZone: zone }).format(new Date(startsAt));
}

at("again").addEventListener("click", () => {
  clearProblem();
  retry();
});
at("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (chosen) book(chosen);
});
