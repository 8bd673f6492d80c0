// Reference values from the official @safe-global/protocol-kit: Safe
// transactions as it makes them of one or several calls, their hashes, the
// execTransaction calls and owners' signatures. It asks a chain that is played
// here: a Safe with one owner, and the official contracts' code wherever asked.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { encodeFunctionData, encodeFunctionResult, erc20Abi, getAddress, parseAbi, toFunctionSelector } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { artifact, versions } from './artifacts.mjs';
import { chains } from './deployments.mjs';

const require = createRequire(import.meta.url);
const { default: Safe, decodeMultiSendData, encodeMultiSendData } = require('@safe-global/protocol-kit');

const packages = ['@safe-global/protocol-kit', '@safe-global/safe-deployments', 'viem'];

// A stream of bytes that depends on the seed alone.
class Stream {
  #seed;
  #count = 0;

  constructor(seed) {
    this.#seed = seed;
  }

  hex(bytes) {
    return createHash('sha512').update(`${this.#seed}/${this.#count++}`).digest('hex').slice(0, 2 * bytes);
  }

  address() {
    return getAddress(`0x${this.hex(20)}`);
  }

  amount(bits) {
    return (BigInt(`0x${this.hex(32)}`) % 2n ** BigInt(bits)).toString();
  }

  number(below) {
    return Number(BigInt(`0x${this.hex(6)}`) % BigInt(below));
  }

  // Any bytes, several times 64 at most.
  bytes(length) {
    let out = '';
    while (out.length < 2 * length) out += this.hex(64);
    return `0x${out.slice(0, 2 * length)}`;
  }
}

const views = parseAbi([
  'function VERSION() view returns (string)',
  'function nonce() view returns (uint256)',
  'function getThreshold() view returns (uint256)',
  'function getOwners() view returns (address[])',
  'function isOwner(address) view returns (bool)',
]);

// provider plays a chain on which a Safe stands. Whatever else has the code of
// the official contracts, because the kit looks whether there is any.
function provider({ version, chain, nonce, owner }) {
  const code = artifact(version, 'SafeProxy').deployedBytecode;
  const answers = { VERSION: version, nonce: BigInt(nonce), getThreshold: 1n, getOwners: [owner], isOwner: true };
  const bySelector = Object.fromEntries(
    views.map((f) => [toFunctionSelector(f), encodeFunctionResult({ abi: [f], result: answers[f.name] })]),
  );
  return {
    async request({ method, params }) {
      switch (method) {
        case 'eth_chainId':
          return `0x${BigInt(chain).toString(16)}`;
        case 'eth_accounts':
          return [owner];
        case 'eth_getCode':
          return code;
        case 'eth_call': {
          const answer = bySelector[(params[0].data ?? params[0].input).slice(0, 10)];
          if (answer) return answer;
        }
      }
      throw new Error(`nobody plays ${method} ${JSON.stringify(params)}`);
    },
  };
}

const payAbi = parseAbi([
  'function transferFromWithReferenceAndFee(address token, address to, uint256 amount, bytes ref, uint256 fee, address feeTo)',
]);

// What a payment's calls look like: an approval and a call that carries a reference.
function payment(s) {
  const [token, proxy, amount] = [s.address(), s.address(), s.amount(80)];
  return [
    { to: token, value: '0', data: encodeFunctionData({ abi: erc20Abi, functionName: 'approve', args: [proxy, BigInt(amount)] }) },
    {
      to: proxy,
      value: '0',
      data: encodeFunctionData({
        abi: payAbi,
        functionName: 'transferFromWithReferenceAndFee',
        args: [token, s.address(), BigInt(amount), `0x${s.hex(8)}`, 0n, s.address()],
      }),
    },
  ];
}

function call(s, length, over = {}) {
  return { to: s.address(), value: s.amount(70), data: s.bytes(length), ...over };
}

async function txCase(s, { version, chain, calls, options = {}, sign = 'eth_signTypedData_v4' }) {
  const key = `0x${s.hex(32)}`;
  const owner = privateKeyToAccount(key).address;
  const safe = s.address();
  const nonce = s.number(1000);
  const kit = await Safe.init({ provider: provider({ version, chain, nonce, owner }), signer: key, safeAddress: safe });
  const tx = await kit.createTransaction({ transactions: calls, options });
  const hash = await kit.getTransactionHash(tx);
  const signed = await kit.signTransaction(tx, sign);
  return {
    version,
    chain: Number(chain),
    safe,
    calls,
    tx: signed.data,
    hash,
    owner,
    signature: signed.encodedSignatures(),
    exec: await kit.getEncodedTransaction(signed),
  };
}

function multiSendCase(calls) {
  const list = calls.map((c) => ({ operation: 0, ...c }));
  const encoded = encodeMultiSendData(list);
  return { encoded, decoded: decodeMultiSendData(multiSendCall(encoded)).map((c) => ({ ...c, value: BigInt(c.value).toString() })) };
}

function multiSendCall(encoded) {
  return encodeFunctionData({ abi: parseAbi(['function multiSend(bytes transactions) payable']), args: [encoded] });
}

// generate returns the packages' versions and their answers. The same seed gives the same.
export async function generate(seed) {
  const s = new Stream(seed);
  const cases = [];
  for (const version of versions) {
    for (const chain of chains) {
      cases.push(await txCase(s, { version, chain, calls: payment(s) }));
      cases.push(await txCase(s, { version, chain, calls: payment(s).slice(1), sign: 'eth_sign' }));
    }
    const chain = chains[0];
    const [approve, pay] = payment(s);
    const maxUint256 = (2n ** 256n - 1n).toString();
    const all = { safeTxGas: s.amount(30), baseGas: s.amount(20), gasPrice: s.amount(40), gasToken: s.address(), refundReceiver: s.address() };
    cases.push(
      await txCase(s, { version, chain, calls: [{ ...approve, data: `${approve.data.slice(0, 74)}${'0'.repeat(64)}` }, approve, pay] }),
      await txCase(s, { version, chain, calls: [approve, pay], options: { safeTxGas: '250000' } }),
      await txCase(s, { version, chain, calls: [approve, pay], options: { ...all, nonce: 2 ** 40 } }),
      await txCase(s, { version, chain, calls: [call(s, 0)] }),
      await txCase(s, { version, chain, calls: [call(s, 31, { value: maxUint256 })], options: { nonce: 0 } }),
      await txCase(s, { version, chain, calls: [call(s, 32), call(s, 33), call(s, 0, { value: maxUint256 }), call(s, 500)] }),
    );
  }
  const multiSends = [
    multiSendCase(payment(s)),
    multiSendCase([call(s, 0)]),
    multiSendCase([call(s, 1), call(s, 32), call(s, 31)]),
    multiSendCase(Array.from({ length: 20 }, (_, i) => call(s, 7 * i))),
  ];
  return { packages: Object.fromEntries(packages.map((name) => [name, installed(name)])), cases, multiSends };
}

function installed(name) {
  return JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url), 'utf8')).version;
}

// format is the text kept in the repository: one case a line, so that a
// difference names its case.
export function format({ packages: from, cases, multiSends }) {
  const lines = (list) => list.map((c) => JSON.stringify(c)).join(',\n');
  return `{"packages":${JSON.stringify(from)},"cases":[\n${lines(cases)}\n],"multiSends":[\n${lines(multiSends)}\n]}\n`;
}
