// Asking a Frontdesk server, and saying what went wrong in terms a page can act on.

/** Lets editors and tests find the GraphQL documents. */
export const gql = String.raw;

/** How long one try may take, in milliseconds. */
const TIMEOUT = 20_000;
/** The waits before the second and third try, in milliseconds. */
const WAITS = [800, 2_500];

/**
 * Why a request was not answered.
 *
 * `kind` is one of: "network" (no answer), "busy" (too many requests; `seconds` says how long to
 * wait), "gone" (NOT_FOUND), "conflict", "input" (BAD_USER_INPUT; `field` says where), "server".
 */
export class Failure extends Error {
  constructor(kind, { seconds, field, message } = {}) {
    super(message ?? kind);
    this.kind = kind;
    this.seconds = seconds;
    this.field = field;
  }
}

/**
 * Sends one operation and returns its data. What got no answer is tried again: every operation of
 * these pages can be repeated without doing anything twice (bookings by their idempotency key).
 *
 * @param {string | URL} endpoint The server's /graphql.
 * @param {string} query The document.
 * @param {object} variables Its variables.
 */
export async function ask(endpoint, query, variables) {
  for (const wait of WAITS) {
    try {
      return await once(endpoint, query, variables);
    } catch (failure) {
      if (failure.kind !== "network") throw failure;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
  return once(endpoint, query, variables);
}

async function once(endpoint, query, variables) {
  let response, body;
  try {
    response = await fetch(endpoint, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/graphql-response+json, application/json",
      },
      body: JSON.stringify({ query, variables }),
      credentials: "omit",
      cache: "no-store",
      referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout(TIMEOUT),
    });
    body = await response.json();
  } catch {
    // A proxy that limits requests, or finds no server, answers with a page of its own.
    if (response?.status === 429) throw new Failure("busy", { seconds: waitOf(response) });
    throw new Failure("network");
  }
  const error = body.errors?.[0];
  if (!error) return body.data;
  const { code, field, retryAfterSeconds } = error.extensions ?? {};
  const details = { field, message: error.message };
  switch (code) {
    case "RATE_LIMITED":
      throw new Failure("busy", { ...details, seconds: retryAfterSeconds ?? waitOf(response) });
    case "NOT_FOUND":
      throw new Failure("gone", details);
    case "CONFLICT":
      throw new Failure("conflict", details);
    case "BAD_USER_INPUT":
      throw new Failure("input", details);
    default:
      throw new Failure("server", details);
  }
}

/** Retry-After in seconds, where the server sent one (RFC 9110, section 10.2.3). */
function waitOf(response) {
  const seconds = Number.parseInt(response.headers.get("retry-after"), 10);
  return Number.isNaN(seconds) ? undefined : seconds;
}
