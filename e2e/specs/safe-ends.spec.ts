// How a Safe's transaction ends when it does not pay: declined, failed, replaced,
// too late.
import { getPayment } from '../fixtures/api.ts';
import { Multisig, type SafeCall } from '../fixtures/multisig.ts';
import { order } from '../fixtures/order.ts';
import { expectAccessibleInBothSchemes, photograph } from '../fixtures/page.ts';
import { expect, test } from '../fixtures/test.ts';
import { webhook } from '../fixtures/webhooks.ts';
import { Checkout } from '../pages/checkout.ts';
import { SafeApp } from '../pages/safeapp.ts';

test.beforeEach(async ({ demo }) => {
  await new Multisig(demo).clear();
});

test('declined in the app, nothing is proposed and it can be tried again', async ({ page, demo }) => {
  const made = await order(demo, '10.00');
  const app = new SafeApp(page, demo);
  const checkout = await app.open(made.securePaymentUrl);
  await checkout.press('Propose to your Safe');
  await app.decline();
  await expect(checkout.notice).toBeVisible();
  await app.expectAccessible();
  await app.photograph('safe-declined');
  expect((await getPayment(demo, made.token)).status).toBe(200);
  await checkout.retry.click();
  const hash = await app.propose();
  await app.signAs(hash, 2);
  await app.execute(hash);
  await checkout.expectPaid();
});

test('executed and failed, it can be paid again', async ({ page, demo }) => {
  const made = await order(demo, '10.00');
  const app = new SafeApp(page, demo);
  const checkout = await app.open(made.securePaymentUrl);
  await checkout.press('Propose to your Safe');
  const hash = await app.propose({ fails: true });
  await expect(checkout.id('safe-signed-text')).toHaveText('1 of 2 signatures');
  await app.signAs(hash, 2);
  await app.transaction(hash).getByTestId('safe-fail').click();
  await expect(app.transaction(hash)).toHaveAttribute('data-state', 'failed');
  await checkout.expectState('open');
  await expect(checkout.id('safe-told-title')).toHaveText('The Safe\'s transaction failed');
  await checkout.expectGo('Propose to your Safe');
  await app.expectAccessible();
  await app.photograph('safe-failed');
  expect((await webhook(demo, made.token, 'payment.failed')).body).toMatchObject({ subStatus: 'safe_execution_failed', status: 'pending' });
  await checkout.go.click();
  const again = await app.propose();
  await app.signAs(again, 3); // the second has proposed it
  await app.execute(again);
  await checkout.expectPaid();
});

test('replaced by a rejection, it can be paid again', async ({ page, demo }) => {
  const made = await order(demo, '10.00');
  const safe = new Multisig(demo);
  const app = new SafeApp(page, demo);
  const checkout = await app.open(made.securePaymentUrl);
  await checkout.press('Propose to your Safe');
  const hash = await app.propose();
  await expect(checkout.id('safe-signed-text')).toHaveText('1 of 2 signatures');
  await app.transaction(hash).getByTestId('safe-reject').click();
  const rejection = app.transactions.filter({ hasText: 'Rejection' }).first();
  await expect(rejection).toHaveAttribute('data-signed', '1');
  await app.signAs((await rejection.getAttribute('data-hash'))!, 2);
  await app.execute((await rejection.getAttribute('data-hash'))!);
  await expect(app.transaction(hash)).toHaveAttribute('data-state', 'replaced');
  await checkout.expectState('open');
  await expect(checkout.id('safe-told-title')).toHaveText('The Safe used another transaction instead');
  await checkout.expectGo('Propose to your Safe');
  await app.expectAccessible();
  await app.photograph('safe-replaced');
  expect((await webhook(demo, made.token, 'payment.failed')).body['subStatus']).toBe('safe_transaction_replaced');
  await checkout.go.click();
  const again = await app.propose();
  await safe.sign(again, 3);
  await safe.execute(again);
  await checkout.expectPaid();
});

test('not executed in time, the payment has failed', async ({ page, demo }) => {
  const made = await order(demo, '10.00');
  const safe = new Multisig(demo);
  const ask = async (method: string, path: string, body?: object): Promise<{ status: number; body: any }> => {
    const response = await fetch(`${demo.baseUrl}/v2/secure-payments/${made.token}${path}`, {
      method, headers: { 'x-api-key': demo.merchant.apiKey, 'content-type': 'application/json' }, ...(body && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json() };
  };
  const { body: way } = await ask('GET', `/pay?wallet=${safe.address}&isSafe=true`);
  const { safeTxHash, safeTx } = await safe.propose(way.transactions as SafeCall[]);
  const told = await ask('POST', '/intent', {
    safeTxHash, safeTx, chain: 'BASE', token: 'USDC', payerAddress: safe.address, safePaymentDeadline: Math.floor(Date.now() / 1000) + 20,
  });
  expect(told.status, JSON.stringify(told.body)).toBe(200);
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.expectState('seen');
  await expect(checkout.id('safe-deadline').or(checkout.id('progress-title')).first()).toBeVisible();
  await checkout.expectState('failed');
  await expect(checkout.id('over')).toContainText('The Safe\'s transaction came too late');
  await expectAccessibleInBothSchemes(page);
  await photograph(page, 'safe-late');
  expect((await webhook(demo, made.token, 'payment.failed')).body['subStatus']).toBe('safe_deadline_passed');
  // Executed all the same, it is late money.
  await safe.sign(safeTxHash, 2);
  await safe.execute(safeTxHash);
  await webhook(demo, made.token, 'payment.late');
});
