// A payer without native coins and its page, as far as paying without gas goes: what
// gasless.js does with a kit, without a browser. It asks the demo over HTTP and the
// chains as a wallet does.
import { createPublicClient, createWalletClient, decodeFunctionData, defineChain, encodeFunctionData, erc20Abi, http, parseAbi } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { kit } from './kits.mjs';

// A USDT-like token's functions return nothing.
const tokenAbi = parseAbi([
  'function transfer(address to, uint256 amount)',
  'function approve(address spender, uint256 amount)',
  'function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)',
]);

export function viemChain(chain) {
  return defineChain({
    id: chain.chainId, name: chain.name, nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 }, rpcUrls: { default: { http: [chain.rpcUrl] } },
  });
}

export const reader = (chain) => createPublicClient({ chain: viemChain(chain), transport: http(chain.rpcUrl), pollingInterval: 100 });

/** Base units; of the chain's own currency without a symbol. */
export function balance(chain, owner, symbol) {
  if (!symbol) return reader(chain).getBalance({ address: owner });
  return reader(chain).readContract({ address: chain.tokens[symbol].address, abi: erc20Abi, functionName: 'balanceOf', args: [owner] });
}

export function allowance(chain, owner, spender, symbol) {
  return reader(chain).readContract({ address: chain.tokens[symbol].address, abi: erc20Abi, functionName: 'allowance', args: [owner, spender] });
}

async function mined(chain, hash) {
  const receipt = await reader(chain).waitForTransactionReceipt({ hash });
  if (receipt.status !== 'success') throw new Error(`${hash} was reverted`);
}

async function rpc(url, method, params, headers = {}) {
  const response = await fetch(url, {
    method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    signal: AbortSignal.timeout(20_000),
  });
  const said = await response.json();
  if (said.error) throw Object.assign(new Error(said.error.message), { code: said.error.code, data: said.error.data });
  if (!('result' in said)) throw new Error(`${method}: ${response.status} ${JSON.stringify(said)}`);
  return said.result;
}

export class Payer {
  constructor(key = generatePrivateKey()) {
    this.key = privateKeyToAccount(key);
    this.address = this.key.address;
  }

  #on(chain) {
    return createWalletClient({ account: this.key, chain: viemChain(chain), transport: http(chain.rpcUrl) });
  }

  async give(chain, to, symbol, amount) {
    if (!symbol) return mined(chain, await this.#on(chain).sendTransaction({ to, value: amount }));
    return this.call(chain, chain.tokens[symbol].address, encodeFunctionData({ abi: tokenAbi, functionName: 'transfer', args: [to, amount] }));
  }

  async call(chain, to, data) {
    await mined(chain, await this.#on(chain).sendTransaction({ to, data }));
  }

  approve(chain, symbol, spender, amount) {
    return this.call(chain, chain.tokens[symbol].address, encodeFunctionData({ abi: tokenAbi, functionName: 'approve', args: [spender, amount] }));
  }

  /** The wallet as EIP-1193 has it, on one chain. What was asked goes into seen. */
  wallet(chain, seen = []) {
    return async (method, params) => {
      seen.push(method);
      switch (method) {
        case 'personal_sign':
          return this.key.signMessage({ message: { raw: params[0] } });
        case 'eth_signTypedData_v4':
          return this.key.signTypedData(JSON.parse(params[1]));
        case 'eth_call':
        case 'eth_getCode':
        case 'eth_chainId':
          return rpc(chain.rpcUrl, method, params);
      }
      throw new Error(`no kit has a wallet asked ${method}`);
    };
  }

  async #permit(chain, terms, token, spender, value) {
    const domain = {
      name: terms.name, version: terms.version, chainId: terms.chainId, verifyingContract: terms.verifyingContract, ...(terms.salt && { salt: terms.salt }),
    };
    const uint256 = (name) => ({ name, type: 'uint256' });
    const address = (name) => ({ name, type: 'address' });
    const signature = await this.key.signTypedData({
      domain, primaryType: 'Permit', types: { Permit: [address('owner'), address('spender'), uint256('value'), uint256('nonce'), uint256('deadline')] },
      message: { owner: this.address, spender, value, nonce: BigInt(terms.nonce), deadline: BigInt(terms.deadline) },
    });
    const args = [this.address, spender, value, BigInt(terms.deadline), Number(`0x${signature.slice(130)}`), `0x${signature.slice(2, 66)}`, `0x${signature.slice(66, 130)}`];
    return { to: token, value: 0n, data: encodeFunctionData({ abi: tokenAbi, functionName: 'permit', args }) };
  }

  /** What the page is told of paying without gas, by one of the ways there are. */
  async offer(demo, token, option) {
    const asked = await fetch(new URL(`/checkout/${token}/gasless?${new URLSearchParams({ wallet: this.address, option })}`, demo.baseUrl));
    const offer = await asked.json();
    if (asked.status !== 200) throw new Error(`no offer: ${asked.status} ${JSON.stringify(offer)}`);
    return offer;
  }

  /** The calls of the operation that pays: those of the offer, behind what lets the account take the money. */
  async calls(chain, offer) {
    const amount = BigInt(offer.amount);
    const { address } = offer.token;
    const permit = BigInt(offer.allowance) < amount ? [await this.#permit(chain, offer.permit, address, offer.account, amount)] : [];
    const pull = { to: address, value: 0n, data: encodeFunctionData({ abi: erc20Abi, functionName: 'transferFrom', args: [this.address, offer.account, amount] }) };
    return [...permit, pull, ...offer.calls.transactions.map((t) => ({ to: t.to, data: t.data, value: BigInt(t.value) }))];
  }

  /** Pays with a kit. Returns the operation's hash, the operation as it was signed, and what was asked of whom. */
  async pay(demo, chain, offer, calls) {
    const seen = { wallet: [], server: [] };
    const host = {
      wallet: this.wallet(chain, seen.wallet),
      bundler: (method, params) => {
        seen.server.push(method);
        return rpc(new URL(offer.bundlerUrl, demo.baseUrl), method, params, { origin: demo.baseUrl, 'sec-fetch-site': 'same-origin' });
      },
    };
    const { open } = await kit(offer.kind);
    const account = await open(host, {
      kind: offer.kind, chainId: offer.chainId, owner: this.address, address: offer.account, deployed: offer.deployed,
      factory: offer.factory, factoryData: offer.factoryData, nonce: BigInt(offer.nonce), entryPoint: offer.entryPoint,
    });
    let op;
    const hash = await account.pay(calls, (looked) => (op = looked));
    return { hash, op, seen };
  }
}

/** What a call of the fee proxy pays, for tests that change it. */
export function withAnotherPayee(call, payee) {
  const abi = parseAbi(['function transferFromWithReferenceAndFee(address token, address to, uint256 amount, bytes ref, uint256 fee, address feeTo)']);
  const { functionName, args } = decodeFunctionData({ abi, data: call.data });
  return { ...call, data: encodeFunctionData({ abi, functionName, args: [args[0], payee, ...args.slice(2)] }) };
}
