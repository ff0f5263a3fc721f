// A choice of day and time: two weeks of days at once, then the times of one of them. Both are radio
// buttons, so keyboards and screen readers treat them as they should.

/** Days shown at once. */
const DAYS = 14;
/** Windows looked through for the first free day. */
const WINDOWS = 5;
/** Days from today beyond which no server offers anything. */
const FARTHEST = 730;

/**
 * @typedef {{ startsAt: string, endsAt: string }} Slot
 * @typedef {object} Options
 * @property {HTMLElement} root Where it goes; emptied first.
 * @property {Record<string, any>} words `day`, `time`, `earlier`, `later`, `loading`, `noTimes`,
 *   `noneOn` (of a day) and `zone` (a function of the zone's name).
 * @property {string} locale BCP 47, for dates and times.
 * @property {string} timeZone IANA name of the visitor's zone.
 * @property {(from: string, to: string) => Promise<{ days: { date: string, slots: Slot[] }[],
 *   fallback: { message: string } | null }>} load Asks for days, both inclusive, as YYYY-MM-DD.
 * @property {(slot: Slot | null) => void} onPick Told of every change of the choice.
 * @property {(failure: Error) => void} onFailure Told when days can't be had.
 */

/**
 * Builds a picker and shows the first days that have a free time.
 *
 * @param {Options} options
 */
export function createPicker(options) {
  const { root, words, locale, timeZone, load, onPick, onFailure } = options;
  const today = dateIn(timeZone, new Date());
  let from = today;
  let turn = 0;

  const earlier = element("button", { type: "button", className: "plain", textContent: words.earlier });
  const later = element("button", { type: "button", className: "plain", textContent: words.later });
  const days = element("div", { className: "days" });
  const times = element("div", { className: "times" });
  const note = element("p", { className: "quiet" });
  note.setAttribute("role", "status");
  const timeField = fieldset(words.time, times);
  const turning = element("div", { className: "turning" }, earlier, later);
  const zone = element("p", { className: "quiet", textContent: words.zone(timeZone) });
  root.replaceChildren(fieldset(words.day, days), turning, note, timeField, zone);
  earlier.addEventListener("click", () => show(plusDays(from, -DAYS)));
  later.addEventListener("click", () => show(plusDays(from, DAYS)));

  async function show(first, windows = 1) {
    const mine = ++turn;
    from = first < today ? today : first;
    onPick(null);
    note.textContent = words.loading;
    root.setAttribute("aria-busy", "true");
    try {
      const found = await search(from, windows);
      // An answer that comes late must not replace a newer one.
      if (mine !== turn) return;
      from = found.from;
      note.textContent = found.free ? "" : (found.fallback?.message ?? words.noTimes);
      showDays(found.days);
    } catch (failure) {
      if (mine !== turn) return;
      note.textContent = "";
      onFailure(failure);
    } finally {
      if (mine === turn) root.removeAttribute("aria-busy");
    }
    earlier.disabled = from <= today;
    later.disabled = plusDays(today, FARTHEST) < from;
  }

  /** The first of `windows` windows with a free time; where there is none, the first one. */
  async function search(first, windows) {
    let start = first;
    let none;
    for (let window = 0; window < windows; window++) {
      const answer = await load(start, plusDays(start, DAYS - 1));
      const free = answer.days.some((day) => day.slots.length > 0);
      const found = { ...answer, from: start, free };
      if (free) return found;
      none ??= found;
      start = plusDays(start, DAYS);
    }
    return none;
  }

  function showDays(list) {
    const format = (options) => new Intl.DateTimeFormat(locale, { ...options, timeZone: "UTC" });
    const [weekday, day, month, full] = [
      format({ weekday: "short" }),
      format({ day: "numeric" }),
      format({ month: "short" }),
      format({ weekday: "long", day: "numeric", month: "long" }),
    ];
    const tiles = list.map(({ date, slots }) => {
      const at = new Date(`${date}T00:00:00Z`);
      const name = slots.length > 0 ? full.format(at) : `${full.format(at)}, ${words.noneOn}`;
      const lines = [weekday, day, month].map((part) =>
        element("span", { textContent: part.format(at) }),
      );
      return radio({ group: "day", name, lines, disabled: slots.length === 0, onChoose: () => showTimes(slots) });
    });
    days.replaceChildren(...tiles);
    const first = list.findIndex((day) => day.slots.length > 0);
    if (first >= 0) tiles[first].querySelector("input").checked = true;
    showTimes(list[first]?.slots ?? []);
  }

  function showTimes(slots) {
    onPick(null);
    const plain = new Intl.DateTimeFormat(locale, { timeStyle: "short", timeZone });
    const exact = new Intl.DateTimeFormat(locale, {
      hour: "numeric",
      minute: "2-digit",
      timeZoneName: "short",
      timeZone,
    });
    const names = slots.map((slot) => plain.format(new Date(slot.startsAt)));
    const tiles = slots.map((slot, index) => {
      // Two slots can share a time: of unlike length, or in the hour that a clock change repeats.
      const alone = names.indexOf(names[index]) === names.lastIndexOf(names[index]);
      const ends = [new Date(slot.startsAt), new Date(slot.endsAt)];
      const name = alone ? names[index] : exact.formatRange(...ends);
      const lines = [element("span", { textContent: name })];
      return radio({ group: "time", name, lines, disabled: false, onChoose: () => onPick(slot) });
    });
    times.replaceChildren(...tiles);
    timeField.hidden = slots.length === 0;
  }

  show(today, WINDOWS);
  return { refresh: () => show(from) };
}

/** The date of an instant in a zone, as YYYY-MM-DD. */
export function dateIn(timeZone, instant) {
  const format = new Intl.DateTimeFormat("en-u-ca-gregory-nu-latn", {
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    timeZone,
  });
  const parts = Object.fromEntries(format.formatToParts(instant).map((part) => [part.type, part.value]));
  return `${parts.year}-${parts.month}-${parts.day}`;
}

/** The visitor's zone, or another where the browser has no name for it. */
export function visitorZone(otherwise) {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || otherwise;
}

/** Makes an element with properties and children. */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function plusDays(date, count) {
  const at = new Date(`${date}T00:00:00Z`);
  at.setUTCDate(at.getUTCDate() + count);
  return at.toISOString().slice(0, 10);
}

function fieldset(legend, content) {
  return element("fieldset", {}, element("legend", { textContent: legend }), content);
}

function radio({ group, name, lines, disabled, onChoose }) {
  const input = element("input", { type: "radio", name: `picker-${group}`, disabled });
  input.setAttribute("aria-label", name);
  input.addEventListener("change", onChoose);
  const tile = element("span", { className: "tile" }, ...lines);
  tile.setAttribute("aria-hidden", "true");
  return element("label", {}, input, tile);
}
