package railtest

import (
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/chain/chaintest"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/userop"
	"quittance/internal/userop/useroptest"
)

// Saver is a payer with tokens and no native currency, whose smart account pays on a
// chain that has useroptest's contracts.
type Saver struct {
	Kind    userop.Kind
	Wallet  *useroptest.Wallet
	Account userop.Account
	Chain   *chaintest.Chain

	t  testing.TB
	id asset.ChainID
}

// NewSaver returns the saver of a name, who has nothing yet.
func NewSaver(t testing.TB, c *chaintest.Chain, kind userop.Kind, name string) *Saver {
	t.Helper()
	s := &Saver{Kind: kind, Wallet: useroptest.NewWallet(t, name), Chain: c, t: t, id: asset.ChainID(c.ID())}
	s.Account = kind.Account(s.id, s.Wallet.Address())
	return s
}

// Payer is the account with its owner's money.
func (s *Saver) Payer() rail.Payer {
	return rail.Payer{Wallet: s.Account.Address, Owner: s.Wallet.Address()}
}

// Fund gives the wallet so much of a token.
func (s *Saver) Fund(token asset.Address, amount int64) {
	s.t.Helper()
	s.Chain.Transfer(token.String(), s.Wallet.Address().String(), big.NewInt(amount))
	s.Chain.Mine(1)
}

// Approve lets the account take an amount, by a transaction of the wallet's.
func (s *Saver) Approve(token asset.Address, amount *big.Int) {
	s.t.Helper()
	data, err := official.Approval{Spender: s.Account.Address, Amount: amount}.Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	tx := send(s.t, s.Chain, s.Wallet, token, data, 100_000)
	s.Chain.Mine(1)
	if r := s.Chain.Receipt(tx); r == nil || r.Status != 1 {
		s.t.Fatalf("approving: %+v", r)
	}
}

// send submits a wallet's transaction, whose gas the chain's own wallet has given it
// exactly.
func send(t testing.TB, c *chaintest.Chain, w *useroptest.Wallet, to asset.Address, data []byte, gas uint64) (hash string) {
	t.Helper()
	price := big.NewInt(1e10)
	c.Send(w.Address().String(), new(big.Int).Mul(new(big.Int).SetUint64(gas), price), nil)
	c.Mine(1)
	var nonce hexutil.Uint64
	if err := c.Client().Call(&nonce, "eth_getTransactionCount", w.Address().String(), "latest"); err != nil {
		t.Fatal(err)
	}
	target, signer := common.Address(to), types.LatestSignerForChainID(new(big.Int).SetUint64(c.ID()))
	tx := types.NewTx(&types.LegacyTx{Nonce: uint64(nonce), To: &target, Data: data, Gas: gas, GasPrice: price})
	signature := w.SignDigest(signer.Hash(tx))
	signature[64] -= 27
	tx, err := tx.WithSignature(signer, signature)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Client().Call(nil, "eth_sendRawTransaction", hexutil.Bytes(raw)); err != nil {
		t.Fatal(err)
	}
	return tx.Hash().Hex()
}

// Permit signs that the account may take an amount, within the hour.
func (s *Saver) Permit(node chain.Batcher, token asset.Address, amount *big.Int) *userop.Permit {
	s.t.Helper()
	terms, err := userop.ReadPermit(s.t.Context(), node, s.id, token, s.Wallet.Address())
	if err != nil {
		s.t.Fatal(err)
	}
	p := s.Wallet.Permit(terms, s.Account.Address, amount, big.NewInt(time.Now().Add(time.Hour).Unix()))
	return &p
}

// Calls are those of the operation that takes an amount of a token and makes steps.
func (s *Saver) Calls(token asset.Address, amount *big.Int, permit *userop.Permit, steps []rail.Call) []rail.Call {
	s.t.Helper()
	calls, err := userop.Plan{Account: s.Account, Token: token, Amount: amount, Permit: permit, Steps: steps}.Calls()
	if err != nil {
		s.t.Fatal(err)
	}
	return calls
}

// Op is a signed operation of calls, the account's next but skip. Its gas costs
// nothing, so that nobody has to pay for it.
func (s *Saver) Op(skip uint64, calls []rail.Call) userop.Op {
	s.t.Helper()
	data, err := s.Kind.Encode(calls)
	if err != nil {
		s.t.Fatal(err)
	}
	var code hexutil.Bytes
	if err := s.Chain.Client().Call(&code, "eth_getCode", s.Account.Address.String(), "latest"); err != nil {
		s.t.Fatal(err)
	}
	o := userop.Op{
		Sender: s.Account.Address, Nonce: new(big.Int).SetUint64(s.nonce() + skip), CallData: data,
		CallGasLimit: big.NewInt(3_000_000), VerificationGasLimit: big.NewInt(2_000_000), PreVerificationGas: big.NewInt(100_000),
	}
	if len(code) == 0 && skip == 0 {
		o.Factory, o.FactoryData = s.Account.Factory, s.Account.FactoryData
	}
	return s.Wallet.Sign(s.Kind.Name(), s.id, o)
}

func (s *Saver) nonce() uint64 {
	s.t.Helper()
	data, err := useroptest.Interface(s.t, "EntryPoint").Pack("getNonce", common.Address(s.Account.Address), new(big.Int))
	if err != nil {
		s.t.Fatal(err)
	}
	var said hexutil.Bytes
	if err := s.Chain.Client().Call(&said, "eth_call", map[string]any{"to": userop.EntryPoint.String(), "data": hexutil.Bytes(data)}, "latest"); err != nil {
		s.t.Fatal(err)
	}
	return new(big.Int).SetBytes(said).Uint64()
}

// Hash is an operation's.
func (s *Saver) Hash(o userop.Op) official.Hash {
	s.t.Helper()
	h, err := o.Hash(s.id)
	if err != nil {
		s.t.Fatal(err)
	}
	return h
}

// HandleOps is the calldata by which a bundler has operations executed.
func HandleOps(t testing.TB, ops ...userop.Op) []byte {
	t.Helper()
	var packed []userop.Packed
	for _, o := range ops {
		p, err := o.Pack()
		if err != nil {
			t.Fatal(err)
		}
		packed = append(packed, p)
	}
	data, err := userop.EncodeHandleOps(packed, asset.Address{0xbe, 19: 0xef})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Bundle has a bundler send operations, and returns the transaction.
func Bundle(t testing.TB, c *chaintest.Chain, ops ...userop.Op) (tx string) {
	t.Helper()
	return Carry(t, c, userop.EntryPoint, HandleOps(t, ops...))
}

// Carry has a bundler make any call, with gas for a bundle.
func Carry(t testing.TB, c *chaintest.Chain, to asset.Address, data []byte) (tx string) {
	t.Helper()
	return send(t, c, useroptest.NewWallet(t, "bundler"), to, data, 14_000_000)
}
