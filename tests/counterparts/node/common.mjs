// What the scripts in this directory share.

// The server and the caller: the URL is the first argument, the API key is in FRONTDESK_API_KEY, so
// that it shows in no list of processes.
export function callerFromArguments() {
  const url = process.argv[2];
  const key = process.env.FRONTDESK_API_KEY;
  if (!url || !key) {
    console.error(`usage: FRONTDESK_API_KEY=… ${process.argv[1]} URL`);
    process.exit(2);
  }
  return {
    url,
    webSocketUrl: url.replace(/^http/, 'ws'),
    headers: { authorization: `Bearer ${key}` },
  };
}

// Sends one GraphQL operation by plain HTTP and returns its data.
export async function execute(caller, query, variables) {
  const response = await fetch(caller.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...caller.headers },
    body: JSON.stringify({ query, variables }),
  });
  const answer = await response.json();
  if (answer.errors) throw new Error(`${query}: ${JSON.stringify(answer.errors)}`);
  return answer.data;
}

// An agent to subscribe to.
export async function createAgent(caller, name) {
  const data = await execute(
    caller,
    'mutation ($input: CreateAgentInput!) { createAgent(input: $input) { id } }',
    { input: { name, email: `${name}-${process.pid}-${Date.now()}@example.com` } },
  );
  return data.createAgent.id;
}

// Changes the agent, which its subscribers then hear of.
export async function toggleLiveChat(caller, agentId, status) {
  await execute(
    caller,
    'mutation ($input: SetLiveChatOverrideInput!) { setLiveChatOverride(input: $input) { id } }',
    { input: { agentId, status } },
  );
}

// Toggles the agent again and again until `promise` settles: a subscription is under way at some
// moment after its request was sent, and no message of the protocol says when.
export async function whileToggling(caller, agentId, promise) {
  let settled = false;
  const watched = promise.finally(() => {
    settled = true;
  });
  const toggling = (async () => {
    for (let turn = 0; !settled; turn += 1) {
      await toggleLiveChat(caller, agentId, turn % 2 ? 'AVAILABLE' : 'UNAVAILABLE');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  const [value] = await Promise.all([watched, toggling]);
  return value;
}

// `promise`, or an error once `seconds` have passed.
export async function within(seconds, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing within ${seconds} s`)), seconds * 1000);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// Runs named checks one after another; returns a line for each that failed.
export async function runChecks(checks) {
  const problems = [];
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check();
    } catch (error) {
      // A closed socket is thrown as its close event, whose code and reason are no own properties.
      const closed = error?.code && error.reason !== undefined;
      const text = closed ? `closed with ${error.code} ${error.reason}` : error?.message;
      problems.push(`${name}: ${text || JSON.stringify(error)}`);
    }
  }
  return problems;
}

export function expectEqual(actual, expected, what) {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) {
    throw new Error(`${what}: got ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`);
  }
}

// Ends the program: the problems, or one line of what was done.
export function finish(problems, summary) {
  for (const problem of problems) console.error(problem);
  if (problems.length === 0) console.log(summary);
  process.exit(problems.length === 0 ? 0 : 1);
}
