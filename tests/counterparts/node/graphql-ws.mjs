// GraphQL over WebSocket (graphql-transport-ws): the reference client, then the close codes that the
// protocol names, provoked by hand.
//
//   graphql-ws.mjs URL

import http from 'node:http';
import { randomBytes } from 'node:crypto';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import {
  callerFromArguments,
  createAgent,
  expectEqual,
  finish,
  runChecks,
  whileToggling,
  within,
} from './common.mjs';

const PROTOCOL = 'graphql-transport-ws';
const caller = callerFromArguments();
const agentId = await createAgent(caller, 'websocket');
const subscription = {
  query: 'subscription ($id: ID) { agentChanged(agentId: $id) { id liveChat { status } } }',
  variables: { id: agentId },
};

// ------------------------------------------------------------------------ the reference client

class SocketWithKey extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols, { headers: caller.headers });
  }
}

// The key goes with the upgrade request, as a server's own client sends it, or with connection_init,
// as a browser must.
function clientWith(credentials) {
  const inMessage = credentials === 'in the first message';
  return createClient({
    url: caller.webSocketUrl,
    webSocketImpl: inMessage ? WebSocket : SocketWithKey,
    connectionParams: inMessage ? caller.headers : undefined,
    retryAttempts: 0,
  });
}

async function firstResult(client, operation) {
  for await (const result of client.iterate(operation)) return result;
  throw new Error('completed without a result');
}

async function subscribesWith(credentials) {
  const client = clientWith(credentials);
  try {
    const result = await within(
      10,
      'an event',
      whileToggling(caller, agentId, firstResult(client, subscription)),
    );
    expectEqual(result.data?.agentChanged?.id, agentId, JSON.stringify(result));
  } finally {
    await client.dispose();
  }
}

async function queries() {
  const client = clientWith('in the upgrade request');
  try {
    const results = [];
    for await (const result of client.iterate({ query: '{ __typename }' })) results.push(result);
    expectEqual(
      results.map((result) => result.data),
      [{ __typename: 'Query' }],
      'the only result',
    );
  } finally {
    await client.dispose();
  }
}

async function reportsErrors() {
  const client = clientWith('in the upgrade request');
  try {
    const failure = await firstResult(client, { query: '{ noSuchField }' }).then(
      (result) => result.errors,
      (error) => error,
    );
    if (!Array.isArray(failure) || failure.length === 0) {
      throw new Error(`an invalid query was answered with ${JSON.stringify(failure)}`);
    }
    // The connection outlives a failed operation.
    const next = await firstResult(client, { query: '{ __typename }' });
    expectEqual(next.data, { __typename: 'Query' }, 'the next operation');
  } finally {
    await client.dispose();
  }
}

// ------------------------------------------------------------------------------- close codes

// A connection to say anything on. `closed` resolves to the code the server closed with.
function openSocket() {
  const socket = new WebSocket(caller.webSocketUrl, PROTOCOL, { headers: caller.headers });
  const received = [];
  const waiting = [];
  socket.on('message', (data) => {
    const message = JSON.parse(data);
    const index = waiting.findIndex((entry) => entry.type === message.type);
    if (index >= 0) waiting.splice(index, 1)[0].resolve(message);
    else received.push(message);
  });
  return {
    opened: new Promise((resolve, reject) => {
      socket.on('open', resolve);
      socket.on('error', reject);
    }),
    closed: new Promise((resolve) => socket.on('close', resolve)),
    send: (message) =>
      socket.send(typeof message === 'object' && !Buffer.isBuffer(message) ? JSON.stringify(message) : message),
    next: (type) => {
      const index = received.findIndex((message) => message.type === type);
      if (index >= 0) return Promise.resolve(received.splice(index, 1)[0]);
      return new Promise((resolve) => waiting.push({ type, resolve }));
    },
    end: () => socket.terminate(),
  };
}

// Says `messages` in order, each after an acknowledged connection_init where `acknowledged`, and
// expects the server to close with `code`.
function closesWith(code, { acknowledged, messages, seconds = 5 }) {
  return async () => {
    const socket = openSocket();
    try {
      await within(5, 'the upgrade', socket.opened);
      if (acknowledged) {
        socket.send({ type: 'connection_init' });
        await within(5, 'connection_ack', socket.next('connection_ack'));
      }
      for (const message of messages) socket.send(message);
      expectEqual(await within(seconds, `close code ${code}`, socket.closed), code, 'close code');
    } finally {
      socket.end();
    }
  };
}

const subscribe = { id: 'one', type: 'subscribe', payload: subscription };

async function answersPing() {
  const socket = openSocket();
  try {
    await within(5, 'the upgrade', socket.opened);
    socket.send({ type: 'connection_init' });
    await within(5, 'connection_ack', socket.next('connection_ack'));
    socket.send({ type: 'ping' });
    await within(5, 'pong', socket.next('pong'));
  } finally {
    socket.end();
  }
}

// After `complete` the ID is free again: the same one may subscribe anew.
async function freesTheIdOnComplete() {
  const socket = openSocket();
  try {
    await within(5, 'the upgrade', socket.opened);
    socket.send({ type: 'connection_init' });
    await within(5, 'connection_ack', socket.next('connection_ack'));
    socket.send(subscribe);
    socket.send({ id: 'one', type: 'complete' });
    socket.send(subscribe);
    const event = await within(10, 'an event', whileToggling(caller, agentId, socket.next('next')));
    expectEqual(event.id, 'one', 'the ID of the event');
  } finally {
    socket.end();
  }
}

// An upgrade by hand, since a WebSocket library refuses what is asked of it here. Resolves to the
// code of the close frame, or to the HTTP status where the server did not upgrade at all.
function upgrade(protocol) {
  return new Promise((resolve, reject) => {
    const request = http.request(caller.url, {
      headers: {
        ...caller.headers,
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-key': randomBytes(16).toString('base64'),
        'sec-websocket-version': '13',
        ...(protocol ? { 'sec-websocket-protocol': protocol } : {}),
      },
    });
    request.on('error', reject);
    request.on('response', (response) => {
      response.resume();
      resolve({ status: response.statusCode });
    });
    request.on('upgrade', (_response, socket, head) => {
      let bytes = head;
      const look = () => {
        // RFC 6455, 5.5.1: opcode 8, unmasked, and the first two bytes of the payload are the code.
        if (bytes.length >= 4 && (bytes[0] & 0x0f) === 8) {
          resolve({ code: bytes.readUInt16BE(2) });
          socket.destroy();
        }
      };
      socket.on('data', (data) => {
        bytes = Buffer.concat([bytes, data]);
        look();
      });
      socket.on('end', () => resolve({ code: null }));
      socket.on('error', reject);
      look();
    });
    request.end();
  });
}

function refusesProtocol(protocol) {
  return async () => {
    const outcome = await within(5, 'a close frame', upgrade(protocol));
    expectEqual(outcome, { code: 4406 }, `an upgrade with ${protocol ?? 'no subprotocol'}`);
  };
}

const problems = await runChecks({
  'a query over the socket': queries,
  'a subscription, the key in the upgrade request': () => subscribesWith('in the upgrade request'),
  'a subscription, the key in connection_init': () => subscribesWith('in the first message'),
  'an invalid query': reportsErrors,
  'ping is answered by pong': answersPing,
  'complete frees the ID': freesTheIdOnComplete,
  '4400, not JSON': closesWith(4400, { acknowledged: true, messages: ['nonsense'] }),
  '4400, unknown type': closesWith(4400, { acknowledged: true, messages: [{ type: 'start' }] }),
  '4400, subscribe without an ID': closesWith(4400, {
    acknowledged: true,
    messages: [{ type: 'subscribe', payload: subscription }],
  }),
  '4401, subscribe before connection_init': closesWith(4401, {
    acknowledged: false,
    messages: [subscribe],
  }),
  '4406, unknown subprotocol': refusesProtocol('no-such-protocol'),
  '4406, no subprotocol': refusesProtocol(undefined),
  '4408, no connection_init': closesWith(4408, { acknowledged: false, messages: [], seconds: 20 }),
  '4409, the ID is in use': closesWith(4409, { acknowledged: true, messages: [subscribe, subscribe] }),
  '4429, connection_init twice': closesWith(4429, {
    acknowledged: true,
    messages: [{ type: 'connection_init' }],
  }),
});
finish(problems, 'reference client and close codes 4400, 4401, 4406, 4408, 4409, 4429');
