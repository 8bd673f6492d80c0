// Pages as a server sees them, without a browser:
//   node load-pages.mjs create URL KEY N                  makes N payments and prints their tokens
//   node load-pages.mjs hold URL N EACH TOKENS-FILE       follows the payments on N connections, EACH on each,
//                                                         says so, and lets go when its standard input ends
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';

const [what, url, ...rest] = process.argv.slice(2);
const { hostname, port, host } = new URL(url);

const inTurns = async (n, atOnce, one) => {
  let next = 0;
  const turn = async () => {
    while (next < n) await one(next++);
  };
  await Promise.all(Array.from({ length: Math.min(n, atOnce) }, turn));
};

const create = (agent, key) =>
  new Promise((done, failed) => {
    const body = '{"requests":[{"payee":"0x742d35Cc6634C0532925a3b844Bc454e4438f44e","paymentCurrency":"USDC-base","amount":"12.50"}]}';
    const headers = { 'content-type': 'application/json', 'content-length': body.length, 'x-api-key': key };
    const asked = request({ agent, hostname, port, method: 'POST', path: '/v2/secure-payments', headers }, (answer) => {
      const chunks = [];
      answer.on('data', (c) => chunks.push(c));
      answer.on('end', () => {
        if (answer.statusCode !== 201) return failed(new Error(`create: ${answer.statusCode} ${Buffer.concat(chunks)}`));
        done(JSON.parse(Buffer.concat(chunks).toString()).token);
      });
    });
    asked.on('error', failed);
    asked.end(body);
  });

// A loopback address has some 28,000 ports to call from; several have room for all.
const follow = (token, i) =>
  new Promise((done, failed) => {
    const socket = connect({ host: hostname, port, localAddress: `127.0.0.${2 + (i % 8)}`, highWaterMark: 1024 });
    socket.on('error', failed);
    socket.on('connect', () => {
      socket.write(`GET /checkout/${token}/events HTTP/1.1\r\nHost: ${host}\r\nAccept: text/event-stream\r\nSec-Fetch-Site: same-origin\r\n` +
        'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n' +
        'Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9\r\nCache-Control: no-cache\r\n\r\n');
    });
    let said = '';
    const first = (chunk) => {
      said += chunk.toString('latin1');
      if (!said.startsWith('HTTP/1.1 200'.slice(0, said.length))) failed(new Error(said.split('\r\n')[0]));
      if (!said.includes('event: status')) return;
      socket.off('data', first);
      socket.on('data', (c) => (heard += c.length));
      done(socket);
    };
    socket.on('data', first);
    socket.on('close', () => (gone += 1));
  });

let heard = 0;
let gone = 0;
if (what === 'create') {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const tokens = [];
  await inTurns(Number(rest[1]), 16, async (i) => (tokens[i] = await create(agent, rest[0])));
  agent.destroy();
  console.log(tokens.join('\n'));
} else {
  const n = Number(rest[0]);
  const tokens = readFileSync(rest[2], 'utf8').trim().split('\n');
  const sockets = [];
  const start = Date.now();
  await inTurns(n, 64, async (i) => (sockets[i] = await follow(tokens[Math.floor(i / Number(rest[1]))], i)));
  console.log(`open after ${((Date.now() - start) / 1000).toFixed(1)} s`);
  for await (const _ of process.stdin) {
    // Nothing is said: its end is what is waited for.
  }
  console.log(`  heard ${heard} bytes meanwhile, ${gone} connections ended early`);
  for (const s of sockets) s.destroy();
}
