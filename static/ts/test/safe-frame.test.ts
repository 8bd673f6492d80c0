// The Safe Apps protocol with an app that behaves, and with windows that do not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultOf } from '../src/rpc.ts';
import { Frame, FrameError } from '../src/safe-frame.ts';
import { account, stranger } from './fixtures.ts';
import { App, Around, type Message, owners } from './safe-world.ts';

interface Alarm {
  readonly run: () => void;
  readonly ms: number;
}

function framed(app = new App(900008453)): { app: App; around: Around; frame: Frame; alarms: Alarm[] } {
  const alarms: Alarm[] = [];
  let n = 0;
  return { app, around: app.window, frame: new Frame(app.window, () => `q${n++}`, (run, ms) => void alarms.push({ run, ms })), alarms };
}

const settle = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await new Promise((r) => setImmediate(r));
};
const outcome = (p: Promise<unknown>): Promise<string> =>
  Promise.race([p.then((v) => `got ${JSON.stringify(v)}`, (e: unknown) => (e instanceof FrameError ? `${e.code} ${e.message}` : String(e))), settle().then(() => 'waiting')]);

test('it asks the window around it by the protocol, and keeps to whoever has answered first', async () => {
  const { around, frame } = framed();
  assert.deepEqual(await frame.info(), { address: account, chainId: 900008453, readOnly: false, threshold: 2, owners });
  const [first] = around.asked;
  assert.deepEqual(first, { message: { id: 'q0', method: 'getSafeInfo', params: undefined, env: { sdkVersion: '9.1.0' } }, target: '*' });
  await frame.info();
  assert.equal(around.asked[1]?.target, 'https://app.safe.example', 'no other site hears of anything else');
});

test('as a wallet it has one account, one network, and answers questions of the chain', async () => {
  const { frame, app, around } = framed();
  assert.deepEqual(await frame.request({ method: 'eth_accounts' }), [account]);
  assert.deepEqual(await frame.request({ method: 'eth_requestAccounts' }), [account]);
  assert.equal(await frame.request({ method: 'eth_chainId' }), `0x${(900008453).toString(16)}`);
  await frame.request({ method: 'eth_getCode', params: [account, 'latest'] });
  assert.deepEqual(around.asked.at(-1)?.message.params, { call: 'eth_getCode', params: [account, 'latest'] });
  app.address = stranger;
  app.chainId = 5;
  assert.deepEqual([await frame.request({ method: 'eth_accounts' }), await frame.request({ method: 'eth_chainId' })], [[stranger], '0x5'], 'what has changed is said');
  for (const method of ['eth_sendTransaction', 'wallet_switchEthereumChain', 'wallet_addEthereumChain', 'personal_sign', 'eth_signTypedData_v4', 'safe_setSettings', 'wallet_sendCalls']) {
    const asked = around.asked.length;
    await assert.rejects(frame.request({ method, params: [{}] }), (e) => e instanceof FrameError && faultOf(e) === 'unsupported');
    assert.equal(around.asked.length, asked, method);
  }
});

test('messages that are no answers are not heard', async () => {
  const app = new App(1);
  app.on['getSafeInfo'] = () => undefined;
  const { around, frame } = framed(app);
  const asked = frame.info();
  await settle();
  const good = { id: 'q0', success: true, version: '9.1.0', data: { safeAddress: account, chainId: 1, owners, threshold: 2 } };
  const elsewhere = { postMessage: () => undefined };
  around.hear(good, 'https://app.safe.example', elsewhere);
  around.hear(good, 'https://app.safe.example', null);
  around.hear(good, 'null');
  around.hear(good, '');
  around.hear(good, 'file://');
  for (const version of [undefined, null, '', '0.9.0', 'x', 9]) around.hear({ ...good, version });
  for (const id of ['q1', '', null, undefined, 0, {}, '__proto__', 'constructor']) around.hear({ ...good, id });
  for (const junk of [null, undefined, 'q0', 7, [], [good], { darkMode: true }, { id: 'q0' }]) around.hear(junk);
  assert.equal(await outcome(asked), 'waiting');
  around.hear(good, 'https://other.example');
  assert.match(await outcome(asked), /^got/);
  // That was the app: from now on, no other origin is.
  app.on['getSafeInfo'] = (m: Message) => {
    around.hear({ ...good, id: m.id, data: { safeAddress: stranger, chainId: 1 } }, 'https://app.safe.example');
    return undefined;
  };
  assert.equal(await outcome(frame.info()), 'waiting');
});

test('an answer counts once, and not after its time', async () => {
  const app = new App(1);
  app.on['getSafeInfo'] = () => undefined;
  const { around, frame, alarms } = framed(app);
  const first = frame.info();
  await settle();
  assert.equal(alarms[0]?.ms, 10_000);
  alarms[0]?.run();
  assert.equal(await outcome(first), '-32603 no answer');
  around.hear({ id: 'q0', success: true, version: '1.0.0', data: { safeAddress: account, chainId: 1 } });
  app.on = {};
  await frame.info();
  alarms[1]?.run();
  around.hear({ id: 'q1', success: false, version: '1.0.0', error: 'again' });
  assert.match(await outcome(frame.info()), /^got/);
});

test('people are waited for as long as they take', async () => {
  const app = new App(1);
  let decide: (v: unknown) => void = () => undefined;
  app.on['sendTransactions'] = () => new Promise((resolve) => (decide = resolve));
  const { frame, alarms } = framed(app);
  const sent = frame.send([{ to: stranger, value: '0', data: '0x' }]);
  await settle();
  assert.equal(alarms.length, 0);
  assert.equal(await outcome(sent), 'waiting');
  decide({ safeTxHash: '0x1' });
  assert.equal(await outcome(sent), 'got {"safeTxHash":"0x1"}');
});

test('what an app says when it will not', async () => {
  const said = async (error: string): Promise<string> => {
    const app = new App(1);
    app.on['sendTransactions'] = () => {
      throw new Error(error);
    };
    return faultOf(await framed(app).frame.send([]).catch((e: unknown) => e));
  };
  assert.equal(await said('Transaction was rejected'), 'rejected');
  assert.equal(await said('User rejected transaction'), 'rejected');
  assert.equal(await said('Request failed'), 'failed');
  assert.equal(await said(''), 'failed');
});

test('a Safe that is none', async () => {
  for (const data of [null, {}, [], 'x', { safeAddress: '0x1', chainId: 1 }, { safeAddress: account }, { safeAddress: account, chainId: 0 }, { safeAddress: account, chainId: 1.5 }, { safeAddress: account, chainId: 'x' }]) {
    const app = new App(1);
    app.on['getSafeInfo'] = () => data;
    await assert.rejects(framed(app).frame.info(), TypeError, JSON.stringify(data));
  }
  const app = new App(1);
  app.on['getSafeInfo'] = () => ({ safeAddress: account, chainId: '10', owners: [stranger, 'x', 7], threshold: 'two', isReadOnly: true });
  assert.deepEqual(await framed(app).frame.info(), { address: account, chainId: 10, owners: [stranger], threshold: 0, readOnly: true });
});
