// Reference values from the official Request Network packages: payment
// references, their log topics, fee-proxy and batch calldata and exact approvals. Every
// case is computed by those packages; nothing here encodes anything itself.
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { PaymentReferenceCalculator, hashReference } = require('@requestnetwork/payment-detection');
const processor = require('@requestnetwork/payment-processor');
const { CurrencyManager } = require('@requestnetwork/currency');
const { BigNumber, VoidSigner, constants, utils } = require('ethers');

const packages = [
  '@requestnetwork/currency',
  '@requestnetwork/payment-detection',
  '@requestnetwork/payment-processor',
  '@requestnetwork/smart-contracts',
  '@requestnetwork/types',
  '@requestnetwork/utils',
];

// The networks whose fee proxies the product knows, by the packages' names.
// USDC is the issuer's own deployment there: base, arbitrum-one and bsc are
// missing from the packages' token list and its optimism and matic entries are
// the bridged ones.
const networks = {
  mainnet: '0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48',
  'arbitrum-one': '0xaf88d065e77c8cC2239327C5EDb3A432268e5831',
  optimism: '0x0b2C639c533813f4Aa9D7837CAf62653d097Ff85',
  base: '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913',
  matic: '0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359',
  bsc: '0x8AC76a51cc950d9822D68b83fE1Ad97B32Cd580d',
  sepolia: '0x1c7D4B196Cb0C7B01d743Fbc6116a902379C7238',
};

const maxUint256 = constants.MaxUint256.toString();

// A stream of bytes that depends on the seed alone.
class Stream {
  #seed;
  #count = 0;

  constructor(seed) {
    this.#seed = seed;
  }

  hex(bytes) {
    const digest = createHash('sha512').update(`${this.#seed}/${this.#count++}`).digest('hex');
    return digest.slice(0, 2 * bytes);
  }

  address() {
    return utils.getAddress(`0x${this.hex(20)}`);
  }

  // Between 1 and 2^bits - 1, in base units.
  amount(bits) {
    return ((BigInt(`0x${this.hex(32)}`) % (2n ** BigInt(bits) - 1n)) + 1n).toString();
  }

  requestId() {
    return `01${this.hex(32)}`;
  }

  salt() {
    return this.hex(8);
  }

  // An address with letters of random case: what a caller may send who keeps
  // no checksum.
  mixedCase() {
    const flips = BigInt(`0x${this.hex(20)}`);
    return [...this.address().toLowerCase()]
      .map((c, i) => (i > 1 && (flips >> BigInt(i)) & 1n ? c.toUpperCase() : c))
      .join('');
  }
}

function request(paymentNetwork, currencyInfo, terms) {
  const values = { salt: terms.salt, paymentAddress: terms.payee };
  if (terms.feeAmount !== undefined) {
    values.feeAmount = terms.feeAmount;
    values.feeAddress = terms.feeAddress;
  }
  return {
    requestId: terms.requestId,
    currencyInfo,
    expectedAmount: terms.amount,
    balance: { balance: '0', events: [] },
    extensions: {
      [paymentNetwork]: { id: paymentNetwork, type: 'payment-network', version: '0.2.0', events: [], values },
    },
  };
}

function transaction(tx) {
  return { to: tx.to, value: BigNumber.from(tx.value).toString(), data: tx.data };
}

function referenceOf(terms) {
  return `0x${PaymentReferenceCalculator.calculate(terms.requestId, terms.salt, terms.payee)}`;
}

export function referenceCase(requestId, salt, address) {
  const reference = PaymentReferenceCalculator.calculate(requestId, salt, address);
  return { kind: 'reference', requestId, salt, address, reference: `0x${reference}`, topic: hashReference(reference) };
}

function feeFields(terms) {
  return { feeAmount: terms.feeAmount ?? '0', feeAddress: terms.feeAddress ?? constants.AddressZero };
}

function erc20Request(network, token, terms) {
  return request('pn-erc20-fee-proxy-contract', { type: 'ERC20', value: token, network }, terms);
}

function erc20Case(network, token, terms) {
  return {
    kind: 'erc20',
    network,
    token,
    payee: terms.payee,
    amount: terms.amount,
    ...feeFields(terms),
    reference: referenceOf(terms),
    ...transaction(processor.prepareErc20FeeProxyPaymentTransaction(erc20Request(network, token, terms))),
  };
}

function ethCase(network, terms) {
  const r = request('pn-eth-fee-proxy-contract', { type: 'ETH', value: 'ETH', network }, terms);
  return {
    kind: 'eth',
    network,
    payee: terms.payee,
    amount: terms.amount,
    ...feeFields(terms),
    reference: referenceOf(terms),
    ...transaction(processor.prepareEthFeeProxyPaymentTransaction(r)),
  };
}

// The packages approve without limit unless told otherwise; a payment needs
// its amount and its fee and no more.
function approveCase(network, token, terms) {
  const exact = BigNumber.from(terms.amount).add(terms.feeAmount ?? 0);
  const signer = new VoidSigner(terms.payee);
  const tx = processor.prepareApproveErc20(erc20Request(network, token, terms), signer, undefined, exact);
  const [spender] = utils.defaultAbiCoder.decode(['address', 'uint256'], utils.hexDataSlice(tx.data, 4));
  const { to, data } = transaction(tx);
  return { kind: 'approve', network, token, spender, amount: exact.toString(), to, data };
}

// A batch without a limit in US dollars. A request without a token is native. The
// value is the packages' own: the amounts of the native requests without their
// fees, which the contract refuses.
function batchCase(network, feeAddress, list) {
  const items = list.map(({ token, ...terms }) => ({ token, terms: { feeAddress, feeAmount: '0', ...terms } }));
  const requests = items.map(({ token, terms }) =>
    token
      ? { paymentNetworkId: 'pn-erc20-fee-proxy-contract', request: erc20Request(network, token, terms) }
      : {
          paymentNetworkId: 'pn-eth-fee-proxy-contract',
          request: request('pn-eth-fee-proxy-contract', { type: 'ETH', value: 'ETH', network }, terms),
        },
  );
  return {
    network,
    feeAddress,
    items: items.map(({ token, terms }) => ({
      token: token ?? constants.AddressZero,
      payee: terms.payee,
      amount: terms.amount,
      feeAmount: terms.feeAmount,
      reference: referenceOf(terms),
    })),
    ...transaction(
      processor.prepareBatchConversionPaymentTransaction(requests, {
        skipFeeUSDLimit: true,
        version: '0.1.0',
        conversion: { currencyManager: CurrencyManager.getDefault() },
      }),
    ),
  };
}

// generate returns the packages' versions and about sixty cases and ten batches with their
// inputs and outputs. The same seed gives the same cases.
export function generate(seed) {
  const s = new Stream(seed);
  const terms = (over = {}) => ({
    requestId: s.requestId(),
    salt: s.salt(),
    payee: s.address(),
    amount: s.amount(80),
    ...over,
  });
  const withFee = (over = {}) => terms({ feeAmount: s.amount(60), feeAddress: s.address(), ...over });
  const cases = [];

  for (let i = 0; i < 6; i++) cases.push(referenceCase(s.requestId(), s.salt(), s.address()));
  const same = [s.requestId(), s.salt(), s.address()];
  cases.push(
    referenceCase(...same),
    referenceCase(...same.map((x) => x.toLowerCase())),
    referenceCase(same[0].toUpperCase(), same[1].toUpperCase(), `0x${same[2].slice(2).toUpperCase()}`),
    referenceCase(s.requestId(), s.salt(), s.mixedCase()),
    referenceCase(s.requestId(), s.salt(), constants.AddressZero),
    referenceCase(`01${'0'.repeat(64)}`, '0'.repeat(16), s.address()),
  );

  for (const [network, usdc] of Object.entries(networks)) {
    cases.push(
      erc20Case(network, usdc, terms()),
      erc20Case(network, s.address(), withFee()),
      ethCase(network, terms()),
      ethCase(network, withFee()),
      approveCase(network, usdc, withFee()),
    );
  }

  const usdc = networks.mainnet;
  const zeroFee = { feeAmount: '0', feeAddress: constants.AddressZero };
  const lower = () => s.address().toLowerCase();
  cases.push(
    erc20Case('mainnet', usdc, terms(zeroFee)),
    erc20Case('base', networks.base, terms({ feeAmount: '0', feeAddress: s.address() })),
    erc20Case('mainnet', usdc, terms({ amount: '1' })),
    erc20Case('mainnet', usdc, terms({ amount: maxUint256 })),
    erc20Case('mainnet', usdc, withFee({ amount: (2n ** 256n - 2n).toString(), feeAmount: '1' })),
    erc20Case('sepolia', usdc.toLowerCase(), withFee({ payee: lower(), feeAddress: lower() })),
    ethCase('mainnet', terms(zeroFee)),
    ethCase('base', terms({ feeAmount: '0', feeAddress: s.address() })),
    ethCase('mainnet', terms({ amount: '1' })),
    ethCase('mainnet', terms({ amount: maxUint256 })),
    ethCase('sepolia', withFee({ payee: lower(), feeAddress: lower() })),
    approveCase('mainnet', usdc, terms({ amount: '1' })),
    approveCase('base', networks.base, terms()),
    approveCase('mainnet', usdc.toLowerCase(), terms({ amount: maxUint256 })),
  );

  const batches = [];
  // On mainnet alone the packages name the native currency as we do everywhere.
  for (const [network, usdc] of Object.entries(networks)) {
    const other = s.address();
    batches.push(batchCase(network, s.address(), [terms({ token: usdc }), terms({ token: other, feeAmount: s.amount(60) })]));
  }
  const other200 = s.address();
  const native = (over = {}) => terms({ feeAmount: s.amount(60), ...over });
  batches.push(
    batchCase('mainnet', s.address(), [native(), native({ feeAmount: '0' })]),
    batchCase('mainnet', s.address(), [native(), native({ token: usdc }), native(), native({ token: s.address() }), native({ token: usdc })]),
    batchCase('mainnet', s.address(), [terms({ token: usdc, amount: '1' }), terms({ token: usdc, amount: (2n ** 256n - 2n).toString() })]),
    batchCase('mainnet', s.address(), Array.from({ length: 200 }, (_, i) => terms({ token: [usdc, undefined, other200][i % 3], feeAmount: String(i) }))),
  );

  return {
    packages: Object.fromEntries(packages.map((name) => [name, version(name)])),
    cases,
    batches,
  };
}

function version(name) {
  return require(`${name}/package.json`).version;
}

// format is the text kept in the repository: one case a line, so that a
// difference names its case.
export function format({ packages: versions, cases, batches }) {
  const lines = (list) => list.map((c) => JSON.stringify(c)).join(',\n');
  return `{"packages":${JSON.stringify(versions)},"cases":[\n${lines(cases)}\n],"batches":[\n${lines(batches)}\n]}\n`;
}
