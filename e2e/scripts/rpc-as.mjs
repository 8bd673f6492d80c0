// A JSON-RPC endpoint that is another one but for its chain id, so that the
// production server can be measured on a sandbox chain: node rpc-as.mjs PORT URL CHAINID
import { createServer } from 'node:http';

const [port, url, chainId] = process.argv.slice(2);
const answer = (call, result) => (call.method === 'eth_chainId' ? { ...result, result: `0x${Number(chainId).toString(16)}` } : result);

createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const calls = JSON.parse(Buffer.concat(chunks).toString());
  const reply = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(calls) });
  const results = await reply.json();
  const byId = new Map([calls].flat().map((call) => [call.id, call]));
  const out = Array.isArray(results) ? results.map((r) => answer(byId.get(r.id), r)) : answer(calls, results);
  response.setHeader('content-type', 'application/json').end(JSON.stringify(out));
}).listen(Number(port), '127.0.0.1');
