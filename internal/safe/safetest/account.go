package safetest

import (
	"bytes"
	"math/big"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"quittance/internal/asset"
	"quittance/internal/chain/chaintest"
	"quittance/internal/official"
	"quittance/internal/safe"
	"quittance/internal/safe/artifacts"
)

// Safe is a Safe on a simulated chain. Its owners are the chain's two wallets
// and Absent, and two must sign.
type Safe struct {
	Address asset.Address
	Version safe.Version
	Chain   *chaintest.Chain
	t       testing.TB
}

// Absent is an owner who never signs.
var Absent = asset.Address{0xab, 0x5e, 0x47, 19: 1}

// Options say how a Safe is made.
type Options struct {
	Version safe.Version
	L2      bool // with the singleton that emits an event for each transaction
	// Singleton is used instead of the official one, unless zero.
	Singleton asset.Address
	Handler   asset.Address // fallback handler; the official one if zero
	// Salt makes the address: with the same one it is the same on another chain. The
	// chain's height if zero.
	Salt uint64
}

// Deploy makes a Safe through the official factory and mines it. The chain must
// have Contracts.
func Deploy(t testing.TB, c *chaintest.Chain, o Options) *Safe {
	t.Helper()
	table, id := safe.At(asset.ChainID(c.ID())), asset.ChainID(c.ID())
	kind := safe.Singleton
	if o.L2 {
		kind = safe.SingletonL2
	}
	if o.Singleton.IsZero() {
		o.Singleton = pick(t, table.Contracts(id, kind), o.Version)
	}
	if o.Handler.IsZero() {
		o.Handler = pick(t, table.Contracts(id, safe.FallbackHandler), o.Version)
	}
	if o.Salt == 0 {
		o.Salt = c.Head()
	}
	owners := []common.Address{common.HexToAddress(c.Address()), common.HexToAddress(c.Other.Address()), common.Address(Absent)}
	zero := common.Address{}
	setup := pack(t, o.Version, "Safe", "setup", owners, big.NewInt(2), zero, []byte{}, common.Address(o.Handler), zero, new(big.Int), zero)
	create := pack(t, o.Version, "SafeProxyFactory", "createProxyWithNonce", common.Address(o.Singleton), setup, new(big.Int).SetUint64(o.Salt))
	var made hexutil.Bytes
	factory := artifacts.FactoryAddress(o.Version).String()
	call := map[string]any{"from": c.Address(), "to": factory, "data": hexutil.Bytes(create)}
	if err := c.Client().Call(&made, "eth_call", call, "latest"); err != nil || len(made) != 32 {
		t.Fatalf("safetest: making a Safe: %v", err)
	}
	tx := c.Send(factory, nil, create)
	c.Mine(1)
	if r := c.Receipt(tx); r == nil || r.Status != 1 {
		t.Fatalf("safetest: making a Safe: %+v", r)
	}
	return &Safe{Address: asset.Address(made[12:]), Version: o.Version, Chain: c, t: t}
}

func pick(t testing.TB, from []safe.Contract, v safe.Version) asset.Address {
	t.Helper()
	i := slices.IndexFunc(from, func(c safe.Contract) bool { return c.Version == v })
	if i < 0 {
		t.Fatalf("safetest: version %q has no such contract", v)
	}
	return from[i].Address
}

func pack(t testing.TB, v safe.Version, contract, method string, args ...any) []byte {
	t.Helper()
	data, err := Interface(t, v, contract).Pack(method, args...)
	if err != nil {
		t.Fatalf("safetest: %s: %v", method, err)
	}
	return data
}

// Hash is the safeTxHash as the contract itself computes it.
func (s *Safe) Hash(tx safe.Tx) official.Hash {
	s.t.Helper()
	data := pack(s.t, s.Version, "Safe", "getTransactionHash", common.Address(tx.To), orZero(tx.Value), tx.Data, uint8(tx.Operation),
		orZero(tx.SafeTxGas), orZero(tx.BaseGas), orZero(tx.GasPrice), common.Address(tx.GasToken), common.Address(tx.RefundReceiver),
		new(big.Int).SetUint64(tx.Nonce))
	var out hexutil.Bytes
	if err := s.Chain.Client().Call(&out, "eth_call", map[string]any{"to": s.Address.String(), "data": hexutil.Bytes(data)}, "latest"); err != nil || len(out) != 32 {
		s.t.Fatalf("safetest: getTransactionHash: %v", err)
	}
	return official.Hash(out)
}

// Sign returns the signatures of some owners over a transaction, in the order
// that the contract wants; both of the chain's wallets if none is named.
func (s *Safe) Sign(tx safe.Tx, owners ...*chaintest.Wallet) []byte {
	s.t.Helper()
	if len(owners) == 0 {
		owners = []*chaintest.Wallet{s.Chain.Wallet, s.Chain.Other}
	}
	owners = slices.Clone(owners)
	slices.SortFunc(owners, func(a, b *chaintest.Wallet) int {
		return bytes.Compare(common.HexToAddress(a.Address()).Bytes(), common.HexToAddress(b.Address()).Bytes())
	})
	hash := s.Hash(tx)
	var out []byte
	for _, o := range owners {
		out = append(out, o.SignDigest(hash)...)
	}
	return out
}

// Execute has the two owners sign a transaction and the first send it. It stays
// pending until the chain mines.
func (s *Safe) Execute(tx safe.Tx) (txHash string) {
	s.t.Helper()
	data, err := safe.EncodeExec(tx, s.Sign(tx))
	if err != nil {
		s.t.Fatalf("safetest: execTransaction: %v", err)
	}
	return s.Chain.Send(s.Address.String(), nil, data)
}

// Reject is the transaction that does nothing but use a nonce up.
func (s *Safe) Reject(nonce uint64) safe.Tx { return safe.Tx{To: s.Address, Nonce: nonce} }

func orZero(v *big.Int) *big.Int {
	if v == nil {
		return new(big.Int)
	}
	return v
}
