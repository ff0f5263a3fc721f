// A visitor's browser: solves a challenge with Altcha's own library, and prints what the widget would put into its
// form field: node altcha.mjs CHALLENGE
import { solveChallenge } from 'altcha-lib/v1';

const { algorithm, challenge, maxnumber, salt, signature } = JSON.parse(process.argv[2]);
const solution = await solveChallenge(challenge, salt, algorithm, maxnumber).promise;
if (!solution) {
  console.error('the challenge has no solution');
  process.exit(1);
}
const { number, took } = solution;
console.log(btoa(JSON.stringify({ algorithm, challenge, number, salt, signature, took })));
