// Prints Lighthouse's figures for the page, each the median of three loads on
// the phone preset. Run it on a quiet machine: `npm run lighthouse`.
import { runLighthouse } from '../fixtures/lighthouse.ts';
import { order } from '../fixtures/order.ts';
import { test } from '../fixtures/test.ts';

const loads = 3;

const median = (all: number[]): number => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)]!;

test('Lighthouse, phone', async ({ demo }) => {
  test.setTimeout(300_000);
  const url = (await order(demo, '10.00')).securePaymentUrl;
  const runs: Awaited<ReturnType<typeof runLighthouse>>[] = [];
  for (let i = 0; i < loads; i++) runs.push(await runLighthouse(url));
  for (const name of ['performance', 'accessibility', 'bestPractices'] as const) {
    const all = runs.map((r) => r.scores[name]);
    console.log(`${name.padEnd(15)} ${median(all)}  (${all.join(', ')})`);
  }
  const last = runs.at(-1)!;
  for (const r of last.requests) console.log(`${String(r.transferSize).padStart(8)} B  ${r.type.padEnd(12)} ${new URL(r.url).pathname}`);
  console.log(`${String(last.requests.reduce((sum, r) => sum + Math.max(r.transferSize, 0), 0)).padStart(8)} B  in ${last.requests.length} requests`);
  for (const c of last.complaints) console.log(c);
});
