// The audits of the GraphQL-over-HTTP specification, as its reference implementation ships them.
//
//   graphql-http.mjs URL
//
// An error or a warning fails. A notice, which is about something that the specification leaves open,
// must be named in graphql-http-notices.json with the reason why the server answers as it does; a name
// there that no longer comes up fails too.

import { readFile } from 'node:fs/promises';
import { auditServer } from 'graphql-http';
import { callerFromArguments, finish } from './common.mjs';

const caller = callerFromArguments();
const explained = JSON.parse(
  await readFile(new URL('graphql-http-notices.json', import.meta.url), 'utf8'),
);

const results = await auditServer({
  url: caller.url,
  fetchFn: (url, init = {}) =>
    fetch(url, { ...init, headers: { ...init.headers, ...caller.headers } }),
});

const problems = [];
const noticed = new Set();
for (const result of results) {
  if (result.status === 'ok') continue;
  const line = `${result.status} ${result.id} ${result.name}: ${result.reason}`;
  if (result.status === 'notice') {
    noticed.add(result.id);
    if (result.id in explained) {
      console.log(`${line}\n  explained: ${explained[result.id]}`);
      continue;
    }
  }
  const body = await result.response.text().catch(() => '');
  problems.push(`${line}\n  status ${result.response.status}, body ${body.slice(0, 300)}`);
}
for (const id of Object.keys(explained)) {
  if (!noticed.has(id)) problems.push(`graphql-http-notices.json explains ${id}, which is no notice`);
}
if (results.length < 60) problems.push(`only ${results.length} audits ran`);

finish(problems, `${results.length} audits, ${noticed.size} explained notices`);
