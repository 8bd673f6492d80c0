// The kits as the page loads them, against the packages' own reference values and a
// wallet, a node and a server that are played.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { encodeAbiParameters, hashTypedData, slice } from 'viem';
import { entryPoint07Address, formatUserOperation, getUserOperationHash } from 'viem/account-abstraction';
import { asked, kinds, kit } from './kits.mjs';
import { readModule, vectorsFile } from './paths.mjs';

const vectors = JSON.parse(readFileSync(vectorsFile, 'utf8')).accounts;
const signature = `0x${'5a'.repeat(64)}1b`;
const sent = `0x${'77'.repeat(32)}`;
const grant = {
  callGasLimit: '0x50000', verificationGasLimit: '0x60000', preVerificationGas: '0xc000', maxFeePerGas: '0x77359400', maxPriorityFeePerGas: '0x3b9aca00',
  paymaster: `0x${'9a'.repeat(20)}`, paymasterData: `0x${'11'.repeat(65)}`, paymasterVerificationGasLimit: '0x8000', paymasterPostOpGasLimit: '0x1',
};
const { bytecode } = JSON.parse(readModule('@safe-global/safe-contracts/build/artifacts/contracts/proxies/SafeProxy.sol/SafeProxy.json'));

function played({ code = '0x', wallet = {}, server = {} } = {}) {
  const say = (answers, method, params) => {
    if (!(method in answers)) throw new Error(`nobody answers ${method} ${JSON.stringify(params)}`);
    const answer = answers[method];
    if (answer?.reject !== undefined) throw answer.reject;
    return answer;
  };
  return {
    wallet: asked((method, params) => {
      // proxyCreationCode() of Safe's factory.
      if (method === 'eth_call' && params[0].data === '0x53e5d935') return encodeAbiParameters([{ type: 'bytes' }], [bytecode]);
      return say({ eth_getCode: code, personal_sign: signature, eth_signTypedData_v4: signature, ...wallet }, method, params);
    }),
    server: asked((method, params) => say({ alchemy_requestGasAndPaymasterAndData: grant, eth_sendUserOperation: sent, ...server }, method, params)),
  };
}

const reads = ['eth_call', 'eth_getCode'];

function opened(kind, v, world, more = {}) {
  const account = {
    kind, chainId: chainOf(v), owner: v.owner, address: v.address, deployed: false, factory: v.factory, factoryData: v.factoryData, nonce: 0n,
    entryPoint: entryPoint07Address, ...more,
  };
  return kit(kind).then((m) => m.open({ wallet: world.wallet.ask, bundler: world.server.ask }, account));
}

// Vectors stand in the order of these chains, one of each kind for each.
const chains = [1, 10, 137, 8453, 42161, 11155111];
const chainOf = (v) => chains[Math.floor(vectors.indexOf(v) / kinds.length)];
const calls = (v) => v.calls.map((c) => ({ ...c, value: BigInt(c.value) }));

// What a kit of each kind has its owner sign for an operation, and the signature in the operation.
const signs = {
  'light-account-2.0.0': (op, chainId, [request]) => {
    assert.equal(request.method, 'personal_sign');
    assert.equal(request.params[0], getUserOperationHash({ chainId, entryPointAddress: entryPoint07Address, entryPointVersion: '0.7', userOperation: formatUserOperation(op) }));
    return { owner: request.params[1], signature: `0x00${signature.slice(2)}` };
  },
  'safe-4337-0.3.0': (op, chainId, [request]) => {
    assert.equal(request.method, 'eth_signTypedData_v4');
    const typed = JSON.parse(request.params[1]);
    assert.equal(typed.primaryType, 'SafeOp');
    assert.equal(Number(typed.domain.chainId), chainId);
    assert.equal(typed.message.callData, op.callData);
    assert.equal(typed.message.safe.toLowerCase(), op.sender.toLowerCase());
    assert.equal(typed.message.initCode.toLowerCase(), op.factory ? `${op.factory.toLowerCase()}${op.factoryData.slice(2)}` : '0x');
    assert.equal(BigInt(typed.message.callGasLimit), BigInt(op.callGasLimit));
    assert.equal(BigInt(typed.message.maxFeePerGas), BigInt(op.maxFeePerGas));
    assert.equal(slice(typed.message.paymasterAndData, 0, 20), op.paymaster);
    assert.equal(slice(typed.message.paymasterAndData, 52), op.paymasterData);
    assert.match(hashTypedData(typed), /^0x[0-9a-f]{64}$/);
    return { owner: request.params[0], signature: `0x${'00'.repeat(12)}${signature.slice(2)}` };
  },
};

for (const kind of kinds) {
  describe(`the kit of ${kind}`, () => {
    const cases = vectors.filter((v) => v.kind === kind);
    const [first] = cases;

    test('derives the accounts and pays with them', async () => {
      assert.ok(cases.length >= chains.length);
      for (const v of cases) {
        const world = played();
        const paying = await opened(kind, v, world);
        assert.equal(paying.address.toLowerCase(), v.address.toLowerCase());
        const looked = [];
        assert.equal(await paying.pay(calls(v), (op, complete) => looked.push({ op, complete })), sent);

        assert.deepEqual(looked.map((l) => l.complete), [false, true]);
        const [before, op] = looked.map((l) => l.op);
        assert.equal(op.callData, v.batch);
        assert.equal(op.sender.toLowerCase(), v.address.toLowerCase());
        assert.equal(op.nonce, '0x0');
        assert.equal(op.factory.toLowerCase(), v.factory.toLowerCase());
        assert.equal(op.factoryData, v.factoryData);
        for (const [key, value] of Object.entries(grant)) assert.equal(op[key], value, key);
        for (const key of ['sender', 'nonce', 'callData', 'factory', 'factoryData', 'signature']) assert.equal(before[key], op[key], key);
        assert.equal(before.paymaster, undefined);
        assert.equal(BigInt(before.callGasLimit), 0n);

        assert.deepEqual(world.server.methods(), ['alchemy_requestGasAndPaymasterAndData', 'eth_sendUserOperation']);
        const [question, handed] = world.server.seen;
        assert.equal(question.params.length, 1);
        assert.equal(question.params[0].entryPoint, entryPoint07Address);
        assert.equal(question.params[0].dummySignature, before.signature);
        assert.equal(question.params[0].userOperation.callData, v.batch);
        const signed = signs[kind](op, chainOf(v), world.wallet.seen.filter((s) => !reads.includes(s.method)));
        assert.equal(signed.owner.toLowerCase(), v.owner.toLowerCase());
        assert.deepEqual(handed.params, [{ ...op, signature: signed.signature }, entryPoint07Address]);
      }
    });

    test('leaves out what makes an account that is there', async () => {
      const world = played({ code: '0x60' });
      const paying = await opened(kind, first, world, { deployed: true, nonce: 7n });
      let last;
      await paying.pay(calls(first), (op) => (last = op));
      assert.equal(last.nonce, '0x7');
      assert.ok(!('factory' in last) && !('factoryData' in last), JSON.stringify(last));
      const [, handed] = world.server.seen;
      assert.ok(!('factory' in handed.params[0]));
      const signed = signs[kind](last, chainOf(first), world.wallet.seen.filter((s) => !reads.includes(s.method)));
      assert.equal(handed.params[0].signature, signed.signature);
    });

    test('asks and signs nothing that is refused', async () => {
      const refusal = new Error('not this one');
      const early = played();
      await assert.rejects((await opened(kind, first, early)).pay(calls(first), () => { throw refusal; }), (err) => err === refusal);
      assert.deepEqual(early.server.methods(), []);
      const late = played();
      const paying = await opened(kind, first, late);
      await assert.rejects(paying.pay(calls(first), (_, complete) => { if (complete) throw refusal; }), (err) => err === refusal);
      assert.deepEqual(late.server.methods(), ['alchemy_requestGasAndPaymasterAndData']);
      assert.deepEqual(late.wallet.methods().filter((m) => !reads.includes(m)), []);
    });

    test('shows what a sponsor would change', async () => {
      const elsewhere = `0x${'66'.repeat(20)}`;
      const world = played({ server: { alchemy_requestGasAndPaymasterAndData: { ...grant, sender: elsewhere, callData: '0x1234', stranger: 'x' } } });
      const paying = await opened(kind, first, world);
      let last;
      await assert.rejects(paying.pay(calls(first), (op, complete) => {
        last = op;
        if (complete && (op.sender !== first.address || op.callData !== first.batch)) throw new Error('changed');
      }), { message: 'changed' });
      assert.deepEqual([last.sender, last.callData, 'stranger' in last], [elsewhere, '0x1234', false]);
    });

    test('passes on what others reject with', async () => {
      const method = kind.startsWith('safe') ? 'eth_signTypedData_v4' : 'personal_sign';
      const inWallet = { code: 4001, message: 'User rejected the request.' };
      const refused = Object.assign(new Error('The operation would fail.'), { code: -32000, data: { code: 'op_refused' } });
      for (const [error, world] of [
        [inWallet, played({ wallet: { [method]: { reject: inWallet } } })],
        [refused, played({ server: { alchemy_requestGasAndPaymasterAndData: { reject: refused } } })],
        [refused, played({ server: { eth_sendUserOperation: { reject: refused } } })],
        [new TypeError('fetch failed'), undefined],
      ]) {
        const there = world ?? played({ server: { alchemy_requestGasAndPaymasterAndData: { reject: error } } });
        const paying = await opened(kind, first, there);
        await assert.rejects(paying.pay(calls(first), () => {}), (err) => err === error);
        // Nothing is asked twice: an operation that was sponsored has cost a budget.
        assert.equal(new Set(there.server.methods()).size, there.server.methods().length);
      }
    });

    test('is for no other account', async () => {
      const other = `0x${'44'.repeat(20)}`;
      for (const more of [{ address: other }, { owner: other }, { factory: other }, { factoryData: '0x1234' }, { entryPoint: other }, { kind: 'light-account-1.1.0' }]) {
        const { open } = await kit(kind);
        const world = played();
        const account = { kind, chainId: 1, owner: first.owner, address: first.address, deployed: false, factory: first.factory, factoryData: first.factoryData, nonce: 0n, entryPoint: entryPoint07Address, ...more };
        await assert.rejects(open({ wallet: world.wallet.ask, bundler: world.server.ask }, account), /the kit finds another/, JSON.stringify(more));
        assert.deepEqual(world.server.methods(), []);
      }
    });
  });
}
