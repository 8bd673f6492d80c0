// What becomes of a payment that was proposed to a Safe: who follows it, and how
// it ends.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { account, stranger } from './fixtures.ts';
import { behindWallet, inApp, proven } from './safe-world.ts';
import { ApiError } from './world.ts';

test('a server that cannot be reached is told again', async () => {
  const w = await inApp().opened();
  let tries = 0;
  w.takes = () => (++tries < 4 ? new ApiError(tries === 2 ? 503 : 0, 'unreachable', '', '') : null);
  await w.go();
  assert.equal(w.model.state, 'seen');
  await w.pass(30_000);
  assert.ok(w.told.length >= 1);
});

test('a server that does not take it', async () => {
  const foreign = await inApp().opened();
  foreign.takes = () => new ApiError(400, 'safe_tx_foreign', 'safeTx', 'This transaction does not belong to this payment.');
  await foreign.go();
  assert.equal(foreign.model.notice?.title, 'The transaction cannot make this payment');
  assert.match(foreign.model.notice?.text ?? '', /does not belong to this payment.*reject it/);
  assert.equal(foreign.model.state, 'open');
  const second = await inApp().opened();
  second.takes = () => new ApiError(409, 'safe_pending', '', 'pending');
  await second.go();
  assert.equal(second.model.notice?.title, 'A Safe transaction already waits for this payment');
});

test('another owner opens the page in the app: who has signed is seen and told', async () => {
  const first = await inApp().opened();
  await first.go();
  const w = inApp();
  w.app.txs.set(first.hash, first.app.txs.get(first.hash) ?? assert.fail());
  await w.opened();
  const safe = { hash: first.hash, own: false };
  w.news('waiting', safe);
  await w.pass(5_000);
  assert.equal(w.model.state, 'seen');
  assert.deepEqual(w.told.map((i) => [i.safeTxHash, i.signatures?.length, proven(i) === first.hash]), [[first.hash, 1, true]]);
  w.app.sign(first.hash, 2);
  await w.pass(20_000);
  assert.equal(w.told.at(-1)?.signatures?.length, 2);
  assert.equal(w.safeModel?.waiting?.signatures, '2 of 2 signatures');
  assert.equal(w.storage.has('quittance:01KADEMO0000000000000000:safe'), false);
  w.news('replaced', safe, true);
  await w.settle();
  assert.equal(w.model.state, 'open');
  const asked = w.app.window.asked.filter((a) => a.message.method === 'getTxBySafeTxHash').length;
  await w.pass(60_000);
  assert.equal(w.app.window.asked.filter((a) => a.message.method === 'getTxBySafeTxHash').length, asked);
});

test('somebody else’s Safe, in a browser that may not know of it', async () => {
  const w = behindWallet();
  w.flow.start();
  w.news('waiting', { hash: '', address: '', owners: [], threshold: 0, own: false, nonce: null, ahead: null, deadline: '2026-01-03T12:00:00Z', until: '2026-01-02T13:00:00Z' });
  await w.settle();
  assert.equal(w.fetched, 1);
  assert.equal(w.model.progress?.title, 'A payment from a Safe is waiting');
  assert.ok(w.safeModel?.waiting?.nameless);
  assert.equal(w.safeModel?.waiting?.until, '2 January 2026 at 13:00 UTC (1 h 0 min left)');
});

test('the receipt says that the Safe has paid', async () => {
  const w = await inApp().opened();
  await w.go();
  w.news('executed', { address: account });
  w.say({ state: 'paid', payable: false, payer: stranger });
  assert.deepEqual([w.model.payer, w.safeModel?.paid], [stranger, false]);
  w.say({ payer: account });
  assert.deepEqual([w.model.payer, w.safeModel?.paid], [account, true]);
});

test('the receipt says so as well when the money was seen before what became of the transaction', async () => {
  const w = await inApp().opened();
  await w.go();
  w.news('waiting');
  w.say({ state: 'paid', payable: false, payer: account, safe: null });
  assert.deepEqual([w.model.payer, w.safeModel?.paid], [account, true]);
});

test('how it ends, and that it can be paid again', async () => {
  for (const [stage, title] of [['failed', 'The Safe\'s transaction failed'], ['replaced', 'The Safe used another transaction instead'], ['late', 'The Safe\'s transaction came too late'], ['foreign', 'The Safe\'s transaction does not pay this']] as const) {
    const w = await inApp().opened();
    await w.go();
    w.news('waiting');
    w.news(stage, { explorerUrl: 'https://explorer.example/tx/0x1' }, true);
    await w.settle();
    assert.equal(w.model.state, 'open');
    assert.deepEqual([w.safeModel?.ended?.title, w.safeModel?.ended?.url, w.safeModel?.waiting], [title, 'https://explorer.example/tx/0x1', null]);
    assert.match(w.safeModel?.ended?.text ?? '', /You can pay now/);
    assert.ok(w.model.go.enabled, 'and is prepared anew');
    w.say({ state: 'failed', payable: false });
    assert.match(w.safeModel?.ended?.text ?? '', /contact the recipient/);
  }
});

test('money may have left the Safe once something was executed', async () => {
  const w = await inApp().opened();
  await w.go();
  const hash = `0x${'5a'.repeat(32)}`;
  const words: [Record<string, unknown>, RegExp, RegExp][] = [
    [{ own: true }, /nothing has left the Safe/, /If it has sent money/],
    [{ own: false }, /not executed in time\./, /nothing has left/],
    [{ own: true, txHash: hash }, /If it has sent money/, /nothing has left/],
  ];
  for (const [more, said, unsaid] of words) {
    w.news('late', more, true);
    await w.settle();
    assert.match(w.safeModel?.ended?.text ?? '', said);
    assert.doesNotMatch(w.safeModel?.ended?.text ?? '', unsaid);
  }
});

test('a payment that is not kept for it any more', async () => {
  for (const safe of [null, 'waiting']) {
    const w = await inApp().opened();
    await w.go();
    w.news('waiting');
    await w.pass(60_000);
    if (safe) w.news(safe, {}, true);
    else w.say({ payable: true, safe: null });
    await w.settle();
    assert.equal(w.model.state, 'open');
    assert.equal(w.model.notice?.title, 'The proposed transaction has waited too long');
    assert.ok(!w.storage.has('quittance:01KADEMO0000000000000000:safe'));
  }
});

test('what the server said before it knew changes nothing', async () => {
  const w = await inApp().opened();
  await w.go();
  w.say({ payable: true, safe: null });
  await w.settle();
  assert.equal(w.model.state, 'seen');
});

test('the deadline of a route goes with it, and is counted down', async () => {
  const w = inApp();
  w.metadata = { safePaymentDeadline: w.payment.now / 1_000 + 7_200 };
  await w.opened();
  await w.go();
  assert.equal(w.told[0]?.deadline, w.payment.now / 1_000 + 7_200);
  assert.equal(w.safeModel?.waiting?.deadline, '2 January 2026 at 14:00 UTC (2 h 0 min left)');
  await w.pass(1_800_000);
  assert.match(w.safeModel?.waiting?.deadline ?? '', /1 h 30 min left/);
  for (const junk of ['x', -1.5, null, {}, 9e15]) {
    const odd = inApp();
    odd.metadata = { safePaymentDeadline: junk };
    await odd.opened();
    await odd.go();
    assert.equal(odd.told[0]?.deadline, undefined, String(junk));
  }
});
