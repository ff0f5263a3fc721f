// A push service: the package web-push-testing, which decrypts what it takes (with http_ece, by the author
// of RFC 8291) and checks the VAPID token (with jsonwebtoken). It listens on the port and stands at the
// time that it is given, in milliseconds: node web-push.mjs PORT TIME
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { PushApiModel } = require('web-push-testing/src/PushApiModel.js');
const WebPushTestingServer = require('web-push-testing/src/server.js');

const [port, time] = process.argv.slice(2).map(Number);
if (!Number.isInteger(port) || !Number.isInteger(time)) {
  console.error(`usage: ${process.argv[1]} PORT TIME`);
  process.exit(2);
}
Date.now = () => time;
new WebPushTestingServer(new PushApiModel(), port).startServer();
