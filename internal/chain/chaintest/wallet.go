package chaintest

import (
	"crypto/ecdsa"
	"encoding/hex"
	"math/big"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"quittance/internal/sandbox/contracts"
)

// Gas limits of calls, by the length of their calldata, and of deployments: ample without asking, so
// that a call that must revert still reaches the chain.
const (
	callGas     = 1_000_000
	callByteGas = 200
	deployGas   = 10_000_000
)

// Wallet is a funded account. What it sends stays pending until Mine.
type Wallet struct {
	chain *Chain
	key   *ecdsa.PrivateKey
	mu    sync.Mutex
}

// Address returns the account's checksummed address.
func (w *Wallet) Address() string { return address(w.key).Hex() }

// PrivateKey returns the account's key in 0x-hex.
func (w *Wallet) PrivateKey() string { return "0x" + hex.EncodeToString(crypto.FromECDSA(w.key)) }

// PayERC20 pays amount of a token to an address through the ERC20FeeProxy with a payment reference,
// and a fee if feeAddr is not "" (feeAmount may then be nil for zero). It approves exactly what is
// needed first, and returns the hash of the payment.
func (w *Wallet) PayERC20(ref []byte, token, to string, amount, feeAmount *big.Int, feeAddr string) (txHash string) {
	w.chain.t.Helper()
	fee := orZero(feeAmount)
	need := new(big.Int).Set(amount)
	if feeAddr != "" {
		need.Add(need, fee)
	}
	w.Approve(token, w.chain.ERC20FeeProxy(), need)
	return w.Send(w.chain.ERC20FeeProxy(), nil, contracts.Call(contracts.ERC20FeeProxy,
		"transferFromWithReferenceAndFee", common.HexToAddress(token), common.HexToAddress(to), amount, ref,
		fee, common.HexToAddress(feeAddr)))
}

// PayETH pays amount of the native coin through the EthereumFeeProxy with a payment reference, and
// sends the fee along in the same value. An empty feeAddr is the zero address, which is where the
// proxy then sends a fee. It returns the hash of the payment.
func (w *Wallet) PayETH(ref []byte, to string, amount, feeAmount *big.Int, feeAddr string) (txHash string) {
	w.chain.t.Helper()
	fee := orZero(feeAmount)
	return w.Send(w.chain.EthFeeProxy(), new(big.Int).Add(amount, fee), contracts.Call(contracts.EthereumFeeProxy,
		"transferWithReferenceAndFee", common.HexToAddress(to), ref, fee, common.HexToAddress(feeAddr)))
}

// Approve lets spender take amount of a token.
func (w *Wallet) Approve(token, spender string, amount *big.Int) (txHash string) {
	w.chain.t.Helper()
	return w.Send(token, nil, contracts.Call(contracts.USDC, "approve", common.HexToAddress(spender), amount))
}

// Transfer sends a token straight to an address, with no proxy and no reference.
func (w *Wallet) Transfer(token, to string, amount *big.Int) (txHash string) {
	w.chain.t.Helper()
	return w.Send(token, nil, contracts.Call(contracts.USDC, "transfer", common.HexToAddress(to), amount))
}

// Send signs and submits any transaction; a nil value is zero. It fails the test if the node refuses
// the transaction, not if the call will revert: see Chain.Receipt.
func (w *Wallet) Send(to string, value *big.Int, data []byte) (txHash string) {
	w.chain.t.Helper()
	target := common.HexToAddress(to)
	hash, _ := w.submit(&target, value, data, callGas+callByteGas*uint64(len(data)))
	return hash
}

// Deploy submits the creation of a contract, constructor arguments appended to its code, and returns
// the address it will have.
func (w *Wallet) Deploy(creation []byte) (addr, txHash string) {
	w.chain.t.Helper()
	hash, nonce := w.submit(nil, nil, creation, deployGas)
	return crypto.CreateAddress(address(w.key), nonce).Hex(), hash
}

func (w *Wallet) submit(to *common.Address, value *big.Int, data []byte, gas uint64) (txHash string, nonce uint64) {
	w.chain.t.Helper()
	w.mu.Lock() // from the choice of a nonce to the submission
	defer w.mu.Unlock()
	t := w.chain.t
	nonce = w.chain.node.NextNonce(address(w.key))
	id := new(big.Int).SetUint64(w.chain.id)
	tx, err := types.SignNewTx(w.key, types.LatestSignerForChainID(id), &types.DynamicFeeTx{
		ChainID: id, Nonce: nonce, To: to, Value: orZero(value), Data: data, Gas: gas,
		GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(1e10), // blocks are near empty: the base fee only falls
	})
	if err != nil {
		t.Fatalf("chaintest: signing: %v", err)
	}
	if err := w.chain.node.Submit(tx); err != nil {
		t.Fatalf("chaintest: %v", err)
	}
	return tx.Hash().Hex(), nonce
}

func orZero(x *big.Int) *big.Int {
	if x == nil {
		return new(big.Int)
	}
	return x
}

// Bridge delivers on this wallet's chain what a transaction on another put into Across' SpokePool, the
// call on arrival included, and returns the hash of the delivery. The wallet pays: it must hold what
// arrives. With cutShort the call on arrival fails, so that the money goes to the fallback address.
func (w *Wallet) Bridge(from *Chain, depositTx string, cutShort bool) (txHash string) {
	w.chain.t.Helper()
	t := w.chain.t
	r := from.Receipt(depositTx)
	if r == nil {
		t.Fatalf("chaintest: %s is not in a block", depositTx)
	}
	for _, l := range r.Logs {
		d, ok := contracts.ReadDeposit(from.id, l)
		if !ok {
			continue
		}
		if d.Destination != w.chain.id {
			t.Fatalf("chaintest: %s goes to chain %d, not %d", depositTx, d.Destination, w.chain.id)
		}
		if cutShort {
			var err error
			if d, err = d.CutShort(); err != nil {
				t.Fatalf("chaintest: %v", err)
			}
		}
		token, amount := d.Output()
		spokePool := contracts.Address(contracts.SpokePool).Hex()
		if w.chain.Allowance(token.Hex(), w.Address(), spokePool).Cmp(amount) < 0 {
			w.Approve(token.Hex(), spokePool, amount)
		}
		return w.Send(spokePool, nil, d.Fill())
	}
	t.Fatalf("chaintest: %s put nothing into the bridge", depositTx)
	return ""
}
