// A receiver of links' webhooks in Node.js, without packages: it takes what is signed,
// decrypts what is encrypted, and counts a link as paid once.
//   SECRET=whsec_... [KEY=32_characters] [PORT=3000] node receive.mjs
// The secret is shown by `quittance links show --secret`; the key is what the link was made
// with, or the account's.
import { createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

const { SECRET, KEY } = process.env;
const longest = 1 << 20; // bytes of a body
const paid = new Set(); // in a database: with the order, in one transaction

/** Whether the body is signed by the secret. It has to be the bytes that came: encrypted ones are signed as they are. */
function genuine(headers, body) {
  const want = createHmac('sha256', SECRET).update(body).digest();
  // The second is there while a secret is being replaced.
  return [headers['x-secpaid-signature'], headers['x-secpaid-signature-next']].some((hex) => {
    const got = Buffer.from(String(hex ?? ''), 'hex');
    return got.length === want.length && timingSafeEqual(got, want);
  });
}

/** AES-256-CBC with the key's characters as the key, and the first 16 of them as the IV. */
function decrypt(data) {
  const decipher = createDecipheriv('aes-256-cbc', KEY, KEY.slice(0, 16));
  return Buffer.concat([decipher.update(data, 'base64'), decipher.final()]).toString();
}

async function read(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > longest) throw new Error('too large');
    parts.push(part);
  }
  return Buffer.concat(parts);
}

const server = createServer(async (request, response) => {
  try {
    const body = await read(request);
    if (request.method !== 'POST' || !genuine(request.headers, body)) {
      console.log('refused a webhook');
      response.writeHead(401).end();
      return;
    }
    let event = JSON.parse(body);
    // In an encrypted webhook, data is a text.
    if (typeof event.data === 'string') event = JSON.parse(decrypt(event.data));
    const { pay_id, status, amount, note } = event.data;
    // Webhooks come at least once.
    if (status === 'Success' && !paid.has(pay_id)) {
      paid.add(pay_id);
      console.log(`link ${pay_id} is paid: ${amount} EUR for ${note}`);
    }
    response.writeHead(204).end();
  } catch (error) {
    console.log(`could not read a webhook: ${error.message}`);
    response.writeHead(400).end();
  }
});

server.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  console.log(`taking webhooks at http://127.0.0.1:${server.address().port}/`);
});
