// A server, or whoever is between it and the page, that lies about smart accounts
// and operations: the page knows better, and nothing is signed.
import { balanceOf } from '../fixtures/chain.ts';
import { chainOf } from '../fixtures/demo.ts';
import { freshAddress, order } from '../fixtures/order.ts';
import { expectAccessibleInBothSchemes, photograph, tamper } from '../fixtures/page.ts';
import { dollars, payerWith } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { Checkout } from '../pages/checkout.ts';

const stranger = '0x627306090abaB3A6e1400e9345bC60c78a8BEf57';
const words = (hex: string) => hex.slice(2).toLowerCase().padStart(64, '0');

/** What the server says of the wallet's account, changed, and the check that notices. */
const offers: readonly (readonly [what: string, change: (body: any, payee: string) => unknown, check: string])[] = [
  ['another account', (b) => ({ ...b, account: stranger }), 'Your own smart account, and no other'],
  ['another EntryPoint', (b) => ({ ...b, entryPoint: stranger }), 'Your own smart account, and no other'],
  ['another chain', (b) => ({ ...b, chainId: 1 }), 'Your own smart account, and no other'],
  ['another factory', (b) => ({ ...b, factory: stranger }), 'Made by the official contract'],
  ['another word to the factory', (b) => ({ ...b, factoryData: b.factoryData.replace(/.$/, '1') }), 'Made by the official contract'],
  ['a larger amount', (b) => ({ ...b, amount: String(Number(b.amount) * 2) }), 'It makes this payment and nothing else'],
  ['another token', (b) => ({ ...b, token: { ...b.token, address: stranger } }), 'It makes this payment and nothing else'],
  ['a permit of another token', (b) => ({ ...b, permit: { ...b.permit, verifyingContract: stranger } }), 'It may take what you agreed to, and no more'],
  ['a permit on another chain', (b) => ({ ...b, permit: { ...b.permit, chainId: 1 } }), 'It may take what you agreed to, and no more'],
  ['a permit that is good for a year', (b) => ({ ...b, permit: { ...b.permit, deadline: b.permit.deadline + 31_536_000 } }), 'It may take what you agreed to, and no more'],
  ['another payee', (b, payee) => JSON.parse(JSON.stringify(b).replaceAll(words(payee).slice(24), words(stranger).slice(24))), 'Instructions checked again in your browser'],
  ['an extra call', (b) => ({ ...b, calls: { ...b.calls, transactions: [...b.calls.transactions, b.calls.transactions[0]] } }), 'Instructions checked again in your browser'],
  ['coins that go with it', (b) => ({ ...b, calls: { ...b.calls, transactions: b.calls.transactions.map((t: object) => ({ ...t, value: '0x1' })) } }), 'Instructions checked again in your browser'],
  [
    'an approval of more', (b) => ({
      ...b, amount: '20000000',
      calls: { ...b.calls, transactions: b.calls.transactions.map((t: { data: string }, i: number) => (i === 0 ? { ...t, data: t.data.slice(0, 74) + (20_000_000).toString(16).padStart(64, '0') } : t)) },
    }), 'Instructions checked again in your browser',
  ],
];

for (const [what, change, check] of offers) {
  test(`refuses ${what}`, async ({ context, page, demo }) => {
    const base = chainOf(demo, 'base');
    const payer = await payerWith(context, demo, base, { tokens: { USDC: dollars(25) } });
    const made = await order(demo, '10.00');
    const tampered = await tamper(page, '**/gasless?*', (body) => change(body, made.payee));
    const checkout = new Checkout(page);
    await checkout.open(made.securePaymentUrl);
    await checkout.connect();
    await checkout.expectState('unsafe');
    await expect(checkout.id('unsafe-check')).toContainText(check);
    await checkout.expectNothingToSign();
    expect(tampered()).toBe(1);
    expect(payer.wallet.asked('eth_signTypedData_v4') + payer.wallet.asked('personal_sign') + payer.wallet.sent.length).toBe(0);
    if (what === 'another account') {
      await expectAccessibleInBothSchemes(page);
      await photograph(page, 'gasless-unsafe');
    }
  });
}

/** What the server says an operation is to be, changed behind its sponsor's back. */
const answers: readonly (readonly [what: string, method: string, change: (result: any) => unknown, check: string])[] = [
  ['gas beyond all bounds', 'alchemy_requestGasAndPaymasterAndData', (r) => ({ ...r, callGasLimit: '0x5f5e100' }), 'The gas is within bounds'],
  ['nobody who pays', 'alchemy_requestGasAndPaymasterAndData', ({ paymaster, paymasterData, paymasterVerificationGasLimit, paymasterPostOpGasLimit, ...r }) => r, 'The gas is paid by the sponsor'],
];

for (const [what, method, change, check] of answers) {
  test(`refuses a sponsor's answer with ${what}`, async ({ context, page, demo }) => {
    const base = chainOf(demo, 'base');
    const payer = await payerWith(context, demo, base, { tokens: { USDC: dollars(25) } });
    const made = await order(demo, '10.00');
    await page.route('**/bundler?*', async (route) => {
      const response = await route.fetch();
      const asked = route.request().postDataJSON() as { method: string };
      const body = await response.json();
      await route.fulfill({ response, json: asked.method === method ? { ...body, result: change(body.result) } : body });
    });
    const checkout = new Checkout(page);
    await checkout.open(made.securePaymentUrl);
    await checkout.connect();
    await checkout.press('Pay 10.00 USDC without gas');
    await checkout.expectState('unsafe');
    await expect(checkout.id('unsafe-check')).toContainText(check);
    // The permit was signed, and it is good for nothing by itself: the account that it is for obeys this wallet alone.
    expect(payer.wallet.asked('personal_sign')).toBe(0);
    expect(await balanceOf(base, payer.address, 'USDC')).toBe(dollars(25));
  });
}

test('a sponsor that would have something else signed changes nothing', async ({ context, page, demo }) => {
  const base = chainOf(demo, 'base');
  const payer = await payerWith(context, demo, base, { tokens: { USDC: dollars(25) } });
  const made = await order(demo, '10.00');
  const thief = freshAddress();
  await page.route('**/bundler?*', async (route) => {
    const response = await route.fetch();
    const body = await response.json();
    const asked = route.request().postDataJSON() as { method: string; params: any[] };
    if (asked.method !== 'alchemy_requestGasAndPaymasterAndData') return route.fulfill({ response, json: body });
    const { userOperation } = asked.params[0] as { userOperation: { callData: string } };
    const callData = userOperation.callData.replaceAll(words(made.payee).slice(24), words(thief).slice(24));
    await route.fulfill({ response, json: { ...body, result: { ...body.result, callData, sender: thief, nonce: '0x7' } } });
  });
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect();
  await checkout.press('Pay 10.00 USDC without gas');
  await expect(checkout.id('success').or(checkout.id('unsafe')).filter({ visible: true }).first()).toBeVisible();
  // Whether the kit takes such members over or not, they are not signed.
  expect(await balanceOf(base, thief, 'USDC')).toBe(0n);
  expect([0n, dollars(10)]).toContain(await balanceOf(base, made.payee, 'USDC'));
  expect(await balanceOf(base, payer.address, 'USDC')).toBe(dollars(25) - (await balanceOf(base, made.payee, 'USDC')));
});

test('a bundler that names another operation is not believed', async ({ context, page, demo }) => {
  const base = chainOf(demo, 'base');
  await payerWith(context, demo, base, { tokens: { USDC: dollars(25) } });
  const made = await order(demo, '10.00');
  await page.route('**/bundler?*', async (route) => {
    const response = await route.fetch();
    const asked = route.request().postDataJSON() as { method: string };
    const body = await response.json();
    await route.fulfill({ response, json: asked.method === 'eth_sendUserOperation' ? { ...body, result: `0x${'9'.repeat(64)}` } : body });
  });
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect();
  await checkout.press('Pay 10.00 USDC without gas');
  await checkout.expectState('unsafe');
  await expect(checkout.id('unsafe-check')).toContainText('hash of the operation');
});
