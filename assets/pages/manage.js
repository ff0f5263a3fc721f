// Lets the holder of a manage token see, move and call off one booking.

import { ask, gql } from "./api.js";
import { createPicker, element, visitorZone } from "./picker.js";
import { choose } from "./words.js";

const BOOKING = gql`
  query ManagedBooking($token: String!) {
    managedBooking(manageToken: $token) {
      status
      startsAt
      endsAt
      timeZone
      agent { id name }
      conference { kind joinUrl }
      cancelledAt
      cancellationReason
    }
  }
`;

const SLOTS = gql`
  query FreeSlots($input: SlotsInput!) {
    slots(input: $input) {
      days { date slots { startsAt endsAt } }
      fallback { message }
    }
  }
`;

const MOVE = gql`
  mutation MoveBooking($input: RescheduleBookingInput!) {
    rescheduleBooking(input: $input) {
      __typename
      ... on MeetingBooked { booking { startsAt } }
      ... on SlotUnavailable { message alternatives { startsAt endsAt } }
    }
  }
`;

const CANCEL = gql`
  mutation CancelBooking($input: CancelBookingInput!) {
    cancelBooking(input: $input) { status }
  }
`;

// Beside this page, also where a proxy serves both under a path.
const endpoint = new URL("graphql", location.href);
const { locale, words } = choose(navigator.languages);
const token = takeToken();
const at = (id) => document.getElementById(id);
const forms = [at("move"), at("cancel")];

let booking;
const zone = visitorZone("UTC");
let picker;
let chosen = null;
/** What "Try again" does. */
let retry = load;

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

/** Reads the booking and shows it; `said` stays on the screen. */
async function load(said = "") {
  if (!token) return fail(words.noToken);
  report(said || words.loading);
  try {
    const data = await ask(endpoint, BOOKING, { token });
    booking = data.managedBooking;
  } catch (failure) {
    return explain(failure, () => load(said));
  }
  if (!booking) {
    at("booking").hidden = true;
    closeForms();
    return fail(words.gone);
  }
  report(said);
  showBooking();
  // What was just said is not said twice.
  if (said) at("state").hidden = true;
}

function showBooking() {
  const { agent, conference, status, cancelledAt, cancellationReason } = booking;
  const over = new Date(booking.endsAt) <= new Date();
  const cancelled = status === "CANCELLED";
  at("title").textContent = words.titleWith(agent.name);
  document.title = words.titleWith(agent.name);
  at("agent").textContent = agent.name;
  at("when").textContent = span(booking, zone);
  at("when").dateTime = booking.startsAt;
  at("zone").textContent = words.picker.zone(zone);
  at("booked-zone").textContent = words.bookedZone(span(booking, booking.timeZone), booking.timeZone);
  at("booked-zone").hidden = span(booking, booking.timeZone) === span(booking, zone);
  at("state").hidden = !cancelled && !over;
  if (cancelled) {
    const day = cancelledAt && format({ dateStyle: "long" }, zone).format(new Date(cancelledAt));
    at("state").textContent = day ? words.cancelledOn(day) : words.cancelledState;
  } else if (over) {
    at("state").textContent = words.over;
  }
  showConference(cancelled || over ? null : conference);
  at("reason-given").textContent = cancellationReason ?? "";
  at("reason-row").hidden = !cancellationReason;
  at("actions").hidden = cancelled || over;
  closeForms();
  at("booking").hidden = false;
}

function showConference(conference) {
  const usable = /^https?:/i.test(conference?.joinUrl ?? "");
  at("join-row").hidden = !usable;
  if (!usable) return;
  at("join").href = conference.joinUrl;
  at("join").textContent = words.join[conference.kind] ?? conference.joinUrl;
}

function openMove() {
  open(at("move"), "move-title");
  picker = createPicker({
    root: at("picker"),
    words: words.picker,
    locale,
    timeZone: zone,
    load: freeSlots,
    onPick: pick,
    onFailure: (failure) => explain(failure, () => picker.refresh()),
  });
}

async function freeSlots(from, to) {
  const route = { agentId: booking.agent.id };
  const data = await ask(endpoint, SLOTS, { input: { from, to, timeZone: zone, route } });
  return data.slots;
}

function pick(slot) {
  chosen = slot;
  at("do-move").disabled = !slot;
  at("do-move").textContent = slot ? words.moveTo(start(slot)) : words.moveNow;
}

/** Moves the booking to `slot`, or offers what is free near it. */
async function move(slot) {
  const input = { booking: { manageToken: token }, startsAt: slot.startsAt };
  await change(at("move"), () => move(slot), async () => {
    const { rescheduleBooking: result } = await ask(endpoint, MOVE, { input });
    if (result.__typename === "SlotUnavailable") {
      offer(result);
      picker.refresh();
      return;
    }
    await load(words.moved(start(result.booking)));
    at("title").focus();
  });
}

function offer({ message, alternatives }) {
  const buttons = alternatives.map((slot) => {
    const button = element("button", { type: "button", className: "plain", textContent: start(slot) });
    button.addEventListener("click", () => move(slot));
    return button;
  });
  // Where nothing else is free, the server says what to do instead.
  const said = alternatives.length > 0 ? `${words.taken} ${words.alternatives}` : message;
  fail(said, element("div", { className: "actions" }, ...buttons));
}

async function cancel() {
  const reason = at("reason").value.trim() || null;
  const input = { booking: { manageToken: token }, reason };
  await change(at("cancel"), cancel, async () => {
    await ask(endpoint, CANCEL, { input });
    await load(words.cancelled);
    at("title").focus();
  });
}

/** Runs a change once at a time, and explains what stopped it. */
async function change(form, again, run) {
  if (form.hasAttribute("aria-busy")) return;
  form.setAttribute("aria-busy", "true");
  clearProblem();
  try {
    await run();
  } catch (failure) {
    if (failure.kind === "conflict") {
      await load();
      fail(words.conflict);
    } else {
      explain(failure, again);
    }
  } finally {
    form.removeAttribute("aria-busy");
  }
}

function open(form, title) {
  closeForms();
  report("");
  form.hidden = false;
  at("actions").hidden = true;
  at(title).focus();
}

function closeForms() {
  clearProblem();
  pick(null);
  for (const form of forms) form.hidden = true;
}

function report(text) {
  clearProblem();
  at("status").textContent = text;
}

function explain(failure, again) {
  if (!failure.kind) console.error(failure);
  const said = words[failure.kind] ?? words.server;
  fail(typeof said === "function" ? said(failure.seconds) : said);
  if (failure.kind === "gone" || failure.kind === "input") return;
  retry = again;
  at("again").hidden = false;
}

function fail(text, ...more) {
  at("status").textContent = "";
  at("problem").replaceChildren(element("p", { textContent: text }), ...more);
  at("problem").scrollIntoView({ block: "nearest" });
  at("again").hidden = true;
}

function clearProblem() {
  at("problem").replaceChildren();
  at("again").hidden = true;
}

function format(options, timeZone) {
  return new Intl.DateTimeFormat(locale, { ...options, timeZone });
}

/** Day and time of a slot's or booking's start, for the visitor. */
function start({ startsAt }) {
  const parts = { weekday: "long", day: "numeric", month: "long", hour: "numeric", minute: "2-digit" };
  return format(parts, zone).format(new Date(startsAt));
}

/** Day, start and end, in a zone. */
function span({ startsAt, endsAt }, timeZone) {
  const parts = { dateStyle: "full", timeStyle: "short" };
  return format(parts, timeZone).formatRange(new Date(startsAt), new Date(endsAt));
}

translate();
at("open-move").addEventListener("click", openMove);
at("open-cancel").addEventListener("click", () => open(at("cancel"), "cancel-title"));
at("again").addEventListener("click", () => {
  clearProblem();
  retry();
});
at("move").addEventListener("submit", (event) => {
  event.preventDefault();
  if (chosen) move(chosen);
});
at("cancel").addEventListener("submit", (event) => {
  event.preventDefault();
  cancel();
});
for (const button of document.querySelectorAll("[data-close]")) {
  button.addEventListener("click", () => {
    const from = button.closest("form");
    closeForms();
    at("actions").hidden = false;
    at(from.id === "move" ? "open-move" : "open-cancel").focus();
  });
}
load();
