// Safes that the official @safe-global/protocol-kit makes, signs for and executes
// on the chains of a running demo.
import { createRequire } from 'node:module';
import { createPublicClient, createWalletClient, defineChain, erc20Abi, http, parseAbi } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { list } from './deployments.mjs';

const require = createRequire(import.meta.url);
const { default: Safe } = require('@safe-global/protocol-kit');

// The kit does not know the demo's chains: it is told that they have what other chains have, where those have it.
function contractNetworks(version, chainId) {
  const at = (contract) => list().find((d) => d.version === version && d.contract === contract && d.chain === 1).address;
  return {
    [chainId]: {
      safeSingletonAddress: at('SafeL2'),
      safeProxyFactoryAddress: at('SafeProxyFactory'),
      multiSendCallOnlyAddress: at('MultiSendCallOnly'),
      // The kit looks that it is there, and uses it for delegatecalls only, of which there are none.
      multiSendAddress: at('MultiSendCallOnly'),
      fallbackHandlerAddress: at('CompatibilityFallbackHandler'),
    },
  };
}

function viemChain(chain) {
  return defineChain({
    id: chain.chainId, name: chain.name, nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 }, rpcUrls: { default: { http: [chain.rpcUrl] } },
  });
}

export function reader(chain) {
  return createPublicClient({ chain: viemChain(chain), transport: http(chain.rpcUrl), pollingInterval: 100 });
}

export function balance(chain, owner, symbol) {
  if (!symbol) return reader(chain).getBalance({ address: owner });
  return reader(chain).readContract({ address: chain.tokens[symbol].address, abi: erc20Abi, functionName: 'balanceOf', args: [owner] });
}

async function mined(chain, hash) {
  const receipt = await reader(chain).waitForTransactionReceipt({ hash });
  if (receipt.status !== 'success') throw new Error(`${hash} was reverted`);
}

// A USDT-like token's transfer returns nothing.
const transferAbi = parseAbi(['function transfer(address to, uint256 amount)']);

const coin = 10n ** 18n;

// Payer makes Safes, gives them money and pays for gas.
export class Payer {
  constructor(key) {
    this.key = key;
    this.address = privateKeyToAccount(key).address;
  }

  // funded returns a new one with money of the demo's own payer on all chains.
  static async funded(demo) {
    const made = new Payer(generatePrivateKey());
    const rich = new Payer(demo.payer.privateKey);
    await Promise.all(demo.chains.map(async (chain) => {
      await rich.give(chain, made.address, '', coin);
      await rich.give(chain, made.address, 'USDC', 500_000_000n);
    }));
    return made;
  }

  #on(chain) {
    return createWalletClient({ account: privateKeyToAccount(this.key), chain: viemChain(chain), transport: http(chain.rpcUrl) });
  }

  async send(chain, tx) {
    await mined(chain, await this.#on(chain).sendTransaction({ to: tx.to, value: BigInt(tx.value ?? 0), data: tx.data }));
  }

  async give(chain, to, symbol, amount) {
    if (!symbol) return this.send(chain, { to, value: amount });
    const hash = await this.#on(chain).writeContract({ address: chain.tokens[symbol].address, abi: transferAbi, functionName: 'transfer', args: [to, amount] });
    await mined(chain, hash);
  }
}

// Multisig is a 2-of-3 Safe on one chain: the payer, an owner with a key, and one who never signs.
export class Multisig {
  constructor(payer, chain, kit, partner) {
    Object.assign(this, { payer, chain, kit, partner });
  }

  // make deploys a Safe of a version. The same owners and salt give the same address on every chain.
  static async make(payer, chain, version, owners = { partner: generatePrivateKey(), absent: generatePrivateKey(), salt: String(Date.now()) }) {
    const init = {
      provider: chain.rpcUrl, signer: payer.key, contractNetworks: contractNetworks(version, chain.chainId),
      predictedSafe: {
        safeAccountConfig: { owners: [payer.address, ...[owners.partner, owners.absent].map((k) => privateKeyToAccount(k).address)], threshold: 2 },
        safeDeploymentConfig: { saltNonce: owners.salt, safeVersion: version },
      },
    };
    const kit = await Safe.init(init);
    const safeAddress = await kit.getAddress();
    await payer.send(chain, await kit.createSafeDeploymentTransaction());
    const made = new Multisig(payer, chain, await kit.connect({ safeAddress, signer: payer.key }), owners.partner);
    made.address = safeAddress;
    made.owners = owners;
    return made;
  }

  // propose makes a transaction of calls and has both owners sign it.
  async propose(calls, options = {}) {
    const tx = await this.kit.createTransaction({ transactions: calls.map(({ to, value, data }) => ({ to, value: String(BigInt(value ?? 0)), data })), onlyCalls: true, options });
    return this.sign(tx);
  }

  async sign(tx) {
    const first = await this.kit.signTransaction(tx);
    const second = await this.kit.connect({ signer: this.partner });
    return second.signTransaction(first);
  }

  hash(tx) {
    return this.kit.getTransactionHash(tx);
  }

  async reject(nonce) {
    return this.sign(await this.kit.createRejectionTransaction(nonce));
  }

  // execute sends it and waits until it is in a block. Gas that is given keeps a failure inside the Safe.
  async execute(tx, gasLimit) {
    const { hash } = await this.kit.executeTransaction(tx, gasLimit ? { gasLimit } : {});
    await mined(this.chain, hash);
    return hash;
  }
}

// A transfer of a token as one call.
export function transfer(chain, symbol, to, amount) {
  return { to: chain.tokens[symbol].address, value: '0', data: `0xa9059cbb${to.slice(2).toLowerCase().padStart(64, '0')}${amount.toString(16).padStart(64, '0')}` };
}
