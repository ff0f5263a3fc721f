// Thousands of subscriptions in one program that reads them all, with the reference client: each hears of
// a booking, once.
//
//   many-subscriptions.mjs URL [SUBSCRIPTIONS]

import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { callerFromArguments, createAgent, execute, expectEqual, finish, runChecks } from './common.mjs';

const caller = callerFromArguments();
const COUNT = Number(process.argv[3] ?? 2000);
// As many as a socket may have at a time.
const PER_SOCKET = 50;
const SECONDS = 30;

const agentId = await createAgent(caller, 'many');
await execute(
  caller,
  `mutation ($input: SetMeetingAvailabilityInput!) { setMeetingAvailability(input: $input) { id } }`,
  {
    input: {
      agentId,
      timeZone: 'UTC',
      minimumNoticeMinutes: 0,
      blocks: ['MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY', 'FRIDAY', 'SATURDAY', 'SUNDAY'].map(
        (dayOfWeek) => ({ dayOfWeek, start: '00:00', end: '24:00' }),
      ),
    },
  },
);
await execute(
  caller,
  'mutation ($input: ConnectCalendarInput!) { connectCalendar(input: $input) { id } }',
  { input: { agentId, providerId: 'builtin' } },
);

// Every hour from the day after tomorrow, so that each booking has a time of its own.
let hours = 0;
const firstHour = Math.floor(Date.now() / 3_600_000) + 48;

async function book() {
  hours += 1;
  const startsAt = new Date((firstHour + hours) * 3_600_000).toISOString();
  const answer = await execute(
    caller,
    `mutation ($input: BookMeetingInput!) { bookMeeting(input: $input) {
      __typename ... on MeetingBooked { booking { id } } } }`,
    {
      input: {
        startsAt,
        timeZone: 'UTC',
        route: { agentId },
        person: { email: `ada-${hours}@visitors.example`, firstName: 'Ada', lastName: 'Lovelace' },
      },
    },
  );
  expectEqual(answer.bookMeeting.__typename, 'MeetingBooked', 'the booking');
  return answer.bookMeeting.booking.id;
}

class SocketWithKey extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols, { headers: caller.headers });
  }
}

// Calls `look` until it is true; false once `seconds` have passed.
async function until(seconds, look) {
  const end = Date.now() + seconds * 1000;
  while (!look()) {
    if (end < Date.now()) return false;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}

// Opens `COUNT` subscriptions, `perSocket` on each connection, and expects that all of them hear of a
// booking.
function allHear(perSocket) {
  return async () => {
    const heard = Array.from({ length: COUNT }, () => new Map());
    const ended = [];
    const clients = [];
    try {
      for (let index = 0; index < COUNT; index += 1) {
        if (index % perSocket === 0) {
          clients.push(
            createClient({
              url: caller.webSocketUrl,
              webSocketImpl: SocketWithKey,
              retryAttempts: 0,
              lazy: true,
            }),
          );
        }
        clients.at(-1).subscribe(
          {
            query: 'subscription ($id: ID) { bookingChanged(agentId: $id) { id status agent { id name } } }',
            variables: { id: agentId },
          },
          {
            next: (result) => {
              const id = result.data?.bookingChanged?.id ?? JSON.stringify(result);
              heard[index].set(id, (heard[index].get(id) ?? 0) + 1);
            },
            error: (error) => ended.push(error?.reason || error?.message || JSON.stringify(error)),
            complete: () => ended.push('completed'),
          },
        );
      }
      // No message says that a subscription is under way: who has heard of one booking hears of the next.
      for (let turn = 0; turn < 20 && heard.some((of) => of.size === 0); turn += 1) {
        await book();
        await until(3, () => heard.every((of) => of.size > 0));
      }
      const open = heard.filter((of) => of.size > 0).length;
      expectEqual({ open, ended: ended.slice(0, 3) }, { open: COUNT, ended: [] }, 'open subscriptions');

      const started = Date.now();
      const id = await book();
      await until(SECONDS, () => heard.every((of) => of.has(id)));
      const informed = heard.filter((of) => of.has(id)).length;
      console.log(`${informed} of ${COUNT}, ${perSocket} a socket, after ${Date.now() - started} ms`);
      expectEqual({ informed, ended: ended.slice(0, 3) }, { informed: COUNT, ended: [] }, 'who heard');
    } finally {
      for (const client of clients) client.terminate();
    }
  };
}

const problems = await runChecks({
  'many operations a socket': allHear(PER_SOCKET),
  'a socket each': allHear(1),
});
finish(problems, `${COUNT} of ${COUNT} subscriptions heard of a booking, ${PER_SOCKET} a socket and 1 a socket`);
