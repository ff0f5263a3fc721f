// GraphQL over server-sent events, distinct connections: the reference client.
//
//   graphql-sse.mjs URL

import { createClient } from 'graphql-sse';
import {
  callerFromArguments,
  createAgent,
  expectEqual,
  finish,
  runChecks,
  whileToggling,
  within,
} from './common.mjs';

const caller = callerFromArguments();
const agentId = await createAgent(caller, 'events');
const subscription = {
  query: 'subscription ($id: ID) { agentChanged(agentId: $id) { id liveChat { status } } }',
  variables: { id: agentId },
};

function newClient() {
  return createClient({ url: caller.url, headers: caller.headers, retryAttempts: 0 });
}

async function receivesTwoEvents() {
  const client = newClient();
  const events = [];
  const receive = async () => {
    for await (const result of client.iterate(subscription)) {
      events.push(result);
      if (events.length === 2) return;
    }
    throw new Error(`completed after ${events.length} events`);
  };
  try {
    await within(10, 'two events', whileToggling(caller, agentId, receive()));
    for (const event of events) {
      expectEqual(event.data?.agentChanged?.id, agentId, JSON.stringify(event));
    }
  } finally {
    client.dispose();
  }
}

// By GET, as an EventSource of a browser asks.
async function answersGet() {
  const url = new URL(caller.url);
  url.searchParams.set('query', subscription.query);
  url.searchParams.set('variables', JSON.stringify(subscription.variables));
  const abort = new AbortController();
  const response = await fetch(url, {
    headers: { ...caller.headers, accept: 'text/event-stream' },
    signal: abort.signal,
  });
  try {
    expectEqual(response.status, 200, 'status');
    expectEqual(response.headers.get('content-type')?.split(';')[0], 'text/event-stream', 'type');
    const read = async () => {
      let text = '';
      for await (const chunk of response.body) {
        text += new TextDecoder().decode(chunk);
        if (/^event: ?next$/m.test(text) && /^data: ?\{/m.test(text)) return;
      }
      throw new Error(`the stream ended after ${JSON.stringify(text)}`);
    };
    await within(10, 'an event by GET', whileToggling(caller, agentId, read()));
  } finally {
    abort.abort();
  }
}

async function reportsAnInvalidSubscription() {
  const client = newClient();
  const first = async () => {
    for await (const result of client.iterate({ query: 'subscription { noSuchField }' })) {
      return result;
    }
    return { completed: 'without a result' };
  };
  try {
    const outcome = await within(10, 'an answer', first().catch((error) => ({ errors: [error] })));
    if (!outcome.errors?.length) throw new Error(`answered with ${JSON.stringify(outcome)}`);
  } finally {
    client.dispose();
  }
}

const problems = await runChecks({
  'a subscription': receivesTwoEvents,
  'a subscription by GET': answersGet,
  'an invalid subscription': reportsAnInvalidSubscription,
});
finish(problems, 'reference client in distinct connections mode');
