// Whether programs that make links of text would make any of what other people wrote: linkify-it, linkifyjs
// and Autolinker, with everything but hashtags that they look for. The file is JSON that src/mail/links_tests.rs writes,
// a list of { what, subject, text, html, ics, allowed, wanted }: links in `allowed` are our own or the
// agent's, those in `wanted` must still be found in the text.
//
//   node links.mjs FILE
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { LinkifyIt } from 'linkify-it';
import { find } from 'linkifyjs';

const { Autolinker } = createRequire(import.meta.url)('autolinker');

const file = process.argv[2];
if (!file) {
  console.error(`usage: ${process.argv[1]} FILE`);
  process.exit(2);
}

const linkify = new LinkifyIt({ fuzzyLink: true, fuzzyIP: true, fuzzyEmail: true });
const everything = { urls: true, email: true, phone: true, mention: 'twitter' };
const finders = {
  'linkify-it': (text) => (linkify.match(text) ?? []).map((link) => link.raw),
  linkifyjs: (text) => find(text).map((link) => link.value),
  Autolinker: (text) => Autolinker.parse(text, everything).map((link) => link.getMatchedText()),
};

const named = { amp: '&', lt: '<', gt: '>', quot: '"', nbsp: '\u00a0' };
const decoded = (text) =>
  text.replace(/&(#x[0-9a-f]+|#\d+|\w+);/gi, (whole, name) => {
    if (name[0] !== '#') return named[name] ?? whole;
    return String.fromCodePoint(name[1] === 'x' ? parseInt(name.slice(2), 16) : Number(name.slice(1)));
  });

/** What a reader sees of an HTML document, without what is in a link already; and where those lead. */
function readHtml(html) {
  const targets = [...html.matchAll(/<a\b[^>]*\bhref="([^"]*)"/gi)].map((match) => decoded(match[1]));
  const body = html
    .replace(/<(style|head)\b.*?<\/\1>/gis, '')
    .replace(/<a\b.*?<\/a>/gis, ' ')
    .replace(/<\/?(p|div|td|tr|table|h\d|li|ul|ol|br|hr|blockquote|pre|body|html)\b[^>]*>/gi, '\n')
    .replace(/<[^>]*>/g, '');
  return { targets, text: decoded(body) };
}

/** The texts of an iCalendar object that programs show. */
function readCalendar(ics) {
  const lines = ics.replaceAll('\r\n ', '').split('\r\n');
  return lines.flatMap((line) => {
    const text = line.match(/^(?:SUMMARY|DESCRIPTION|LOCATION|NAME|X-WR-CALNAME|COMMENT):(.*)$/);
    const name = line.match(/^(?:ORGANIZER|ATTENDEE);CN=("[^"]*"|[^;:]*)/);
    if (text) return [text[1].replace(/\\n/g, '\n').replace(/\\(.)/g, '$1')];
    return name ? [name[1].replace(/^"|"$/g, '')] : [];
  });
}

let failures = 0;
let looks = 0;
function fail(mail, place, finder, link, text) {
  failures += 1;
  if (failures <= 20) console.error(JSON.stringify({ what: mail.what, place, finder, link, text }));
}

const mails = JSON.parse(readFileSync(file, 'utf8'));
for (const mail of mails) {
  const html = mail.html ? readHtml(mail.html) : { targets: [], text: '' };
  const places = { subject: [mail.subject ?? ''], text: [mail.text ?? ''], html: [html.text] };
  places.calendar = mail.ics ? readCalendar(mail.ics) : [];
  for (const [place, texts] of Object.entries(places)) {
    for (const [finder, links] of Object.entries(finders)) {
      for (const text of texts) {
        looks += 1;
        // A subject holds no link at all.
        const allowed = place === 'subject' ? [] : mail.allowed;
        const found = links(text);
        for (const link of found) if (!allowed.includes(link)) fail(mail, place, finder, link, text);
        for (const link of place === 'text' ? mail.wanted : [])
          if (!found.includes(link)) fail(mail, place, finder, `lost ${link}`, text);
      }
    }
  }
  for (const target of html.targets)
    if (!mail.allowed.includes(target)) fail(mail, 'html', 'href', target, '');
}

// The finders do find what they are here to find.
for (const [finder, link] of [
  ['linkify-it', 'http://3221226219'],
  ['linkify-it', 'mailto:x@y'],
  ['linkify-it', 'http://[2001:db8::1]'],
  ['linkifyjs', 'пример.рф'],
  ['linkifyjs', 'http://localhost'],
  ['Autolinker', '例え.中国'],
  ['Autolinker', '+1 555 123 4567'],
])
  if (!finders[finder](link).includes(link)) {
    failures += 1;
    console.error(`${finder} finds no ${link}`);
  }

console.log(`${mails.length} mails, ${looks} looks, ${failures} failures`);
process.exit(failures === 0 && mails.length > 0 ? 0 : 1);
