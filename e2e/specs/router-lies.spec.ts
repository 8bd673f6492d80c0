// An honest server and a routing service that lies: nobody is given calldata.
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { arrive } from '../fixtures/crossing.ts';
import { order } from '../fixtures/order.ts';
import type { Router } from '../fixtures/sandbox.ts';
import { expect, test } from '../fixtures/test.ts';
import { webhook } from '../fixtures/webhooks.ts';
import { own, usdcFromArbitrum, usdtFromArbitrum, usdtOnBase } from '../pages/ways.ts';

/** What can be lied about of the routes there are in the sandbox. */
const routes: { option: string; how: Router; about: string[] }[] = [
  { option: usdcFromArbitrum, how: {}, about: ['any', 'bridges', 'across', 'across after source swaps', 'across after a fee leg only', 'routes with a fee leg'] },
  { option: usdcFromArbitrum, how: { noFeeLeg: true }, about: ['across', 'across without source swaps'] },
  { option: usdtFromArbitrum, how: {}, about: ['across after source swaps', 'routes with a fee leg', 'routes with an exchange', 'routes with an exchange after a fee leg'] },
  { option: usdtOnBase, how: {}, about: ['any', 'swaps on one chain', 'routes with a fee leg', 'routes with an exchange', 'routes with an exchange after a fee leg'] },
];

/** These are only dear, as far as the payer's amount goes: no route at all. */
const dear = ['feeLeg.fromAmount double', 'feeLeg.fromAmount huge', 'bridge.minAmount double'];

/** The sandbox has one bridge, and its tokens have the same decimals everywhere. */
const elsewhere = /stargate|between different decimals/;

test('every lie of the router is refused by the server, by its check', async ({ demo, sandbox }) => {
  const { token } = await order(demo, '10.00');
  // A wallet of its own for each, so that no answer is one from before.
  const ask = async (option: string): Promise<{ status: number; code: string; field: string; text: string }> => {
    const wallet = privateKeyToAccount(generatePrivateKey()).address;
    const response = await fetch(`${demo.baseUrl}/checkout/${token}/pay?wallet=${wallet}&option=${option}`, { signal: AbortSignal.timeout(60_000) });
    const text = await response.text();
    const { code, field } = JSON.parse(text) as { code: string; field: string };
    return { status: response.status, code, field, text };
  };
  const lies = await sandbox.lies();
  const told = new Set<string>();
  const wrong: string[] = [];
  for (const { option, how, about } of routes) {
    await sandbox.router(how);
    expect((await ask(option)).status, `${option}, honestly`).toBe(200);
    for (const lie of lies.filter((l) => about.includes(l.about))) {
      await sandbox.router({ ...how, lie: lie.name });
      const { status, code, field, text } = await ask(option);
      told.add(lie.name);
      const refused = dear.includes(lie.name) && status === 404 ? code === 'no_route' : status === 403 && code === 'unsafe' && lie.refusedBy.includes(field);
      if (!refused || text.includes('"data"')) wrong.push(`${option}, ${lie.name}: ${status} ${code} ${field}, not by ${lie.refusedBy.join()}`);
    }
  }
  expect(wrong).toEqual([]);
  expect(lies.filter((l) => !told.has(l.name) && !elsewhere.test(l.about)).map((l) => l.name), 'never told').toEqual([]);
  expect(told.size).toBeGreaterThan(80);
});

test('a router that lies from the start: its ways are not offered, the payment’s own is', async ({ context, page, demo, sandbox }) => {
  await sandbox.router({ lie: 'payment.payee' });
  const { checkout, ways, wallet } = await arrive(context, page, demo);
  await ways.looked(/other way/);
  await ways.open();
  const { enough } = await ways.listed();
  expect(enough).toContain(own);
  expect(enough).not.toContain(usdcFromArbitrum);
  expect(enough).not.toContain(usdtFromArbitrum);
  await checkout.press('Approve 10.00 USDC');
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectPaid(wallet);
});

test('a router that begins to lie after the ways were shown stops the page', async ({ context, page, demo, sandbox }) => {
  await sandbox.router({ age: '29m50s' });
  const { made, checkout, ways, wallet } = await arrive(context, page, demo);
  await ways.looked('3 other ways');
  await sandbox.router({ age: '29m50s', lie: 'message.receiver' });
  await ways.choose(usdcFromArbitrum);
  await checkout.id('switch-chain').click();
  await checkout.expectState('unsafe');
  await expect(checkout.id('unsafe-check')).toContainText('You get it back if the bridge fails');
  await checkout.expectNothingToSign();
  expect(wallet.asked('eth_sendTransaction')).toBe(0);
  await webhook(demo, made.token, 'secure_payment.unsafe');
});
