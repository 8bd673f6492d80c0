package useroptest

import (
	"math/big"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/chain/chaintest"
	"quittance/internal/rail"
	"quittance/internal/userop"
	"quittance/internal/userop/artifacts"
	"quittance/internal/userop/gateway"
)

// Stack is a simulated chain with everything that operations need, a paymaster with
// money, and a Gateway in front of both.
type Stack struct {
	*chaintest.Chain
	Node      *chain.Client
	Gateway   *gateway.Gateway
	URL       string // of the Gateway
	Paymaster asset.Address

	t       testing.TB
	factory common.Address // of SimpleAccounts
	waiting atomic.Bool
}

// New starts a stack, which ends with the test.
func New(t testing.TB, options ...chaintest.Option) *Stack {
	t.Helper()
	return On(t, chaintest.New(t, append(Contracts(t, chaintest.DefaultID), options...)...))
}

// On is New on a chain that runs already and was made with Contracts.
func On(t testing.TB, c *chaintest.Chain) *Stack {
	t.Helper()
	s := &Stack{Chain: c, t: t}
	signer := derive(t, "sponsor")
	s.Paymaster = asset.Address(s.deploy("VerifyingPaymaster", common.Address(userop.EntryPoint), crypto.PubkeyToAddress(signer.PublicKey)))
	s.factory = s.deploy("SimpleAccountFactory", common.Address(userop.EntryPoint))
	s.Deposit(s.Paymaster, ether(10))
	bundler := derive(t, "bundler")
	s.sent(c.Send(crypto.PubkeyToAddress(bundler.PublicKey).Hex(), ether(10), nil))

	s.Gateway = gateway.New(gateway.Config{
		Chain: asset.ChainID(c.ID()), Client: c.Client(), Bundler: bundler, Signer: signer, Paymaster: s.Paymaster,
		Mine: func() {
			if !s.waiting.Load() {
				c.Mine(1)
			}
		},
	})
	server := httptest.NewServer(s.Gateway)
	t.Cleanup(func() {
		s.Gateway.Behave(gateway.Behaviour{})
		server.Close()
	})
	s.URL = server.URL

	node, err := chain.NewClient(chain.Config{Chain: asset.ChainID(c.ID()), Endpoints: []chain.Endpoint{{URL: c.URL()}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(node.Close)
	s.Node = node
	return s
}

// Wait has bundles wait for a block that the test makes, or be in one at once as before.
func (s *Stack) Wait(on bool) { s.waiting.Store(on) }

func ether(n int64) *big.Int { return new(big.Int).Mul(big.NewInt(n), big.NewInt(1e18)) }

func (s *Stack) sent(tx string) {
	s.t.Helper()
	s.Mine(1)
	if r := s.Receipt(tx); r == nil || r.Status != 1 {
		s.t.Fatalf("useroptest: setting up: %+v", r)
	}
}

func (s *Stack) deploy(name string, args ...any) common.Address {
	s.t.Helper()
	creation, err := artifacts.Creation(name, args...)
	if err != nil {
		s.t.Fatalf("useroptest: %v", err)
	}
	address, tx := s.Chain.Deploy(creation)
	s.sent(tx)
	return common.HexToAddress(address)
}

// Deposit gives the EntryPoint money in somebody's name.
func (s *Stack) Deposit(to asset.Address, wei *big.Int) {
	s.t.Helper()
	data, err := Interface(s.t, "EntryPoint").Pack("depositTo", common.Address(to))
	if err != nil {
		s.t.Fatal(err)
	}
	s.sent(s.Send(userop.EntryPoint.String(), wei, data))
}

// Deposited is how much the EntryPoint keeps in somebody's name.
func (s *Stack) Deposited(of asset.Address) *big.Int {
	s.t.Helper()
	out := s.Ask("EntryPoint", userop.EntryPoint, "balanceOf", common.Address(of))
	return new(big.Int).SetBytes(out)
}

// Ask calls a function of a contract and returns what it answers.
func (s *Stack) Ask(name string, at asset.Address, method string, args ...any) []byte {
	s.t.Helper()
	data, err := Interface(s.t, name).Pack(method, args...)
	if err != nil {
		s.t.Fatalf("useroptest: %s: %v", method, err)
	}
	var out hexutil.Bytes
	if err := s.Client().Call(&out, "eth_call", map[string]any{"to": at.String(), "data": hexutil.Bytes(data)}, "latest"); err != nil {
		s.t.Fatalf("useroptest: %s: %v", method, err)
	}
	return out
}

// Hash is the userOpHash as the EntryPoint computes it.
func (s *Stack) Hash(o userop.Op) [32]byte {
	s.t.Helper()
	p, err := o.Pack()
	if err != nil {
		s.t.Fatal(err)
	}
	return [32]byte(s.Ask("EntryPoint", userop.EntryPoint, "getUserOpHash", artifacts.Tuple(p)))
}

// Payer is a new wallet with so much of a token and no native currency at all.
func (s *Stack) Payer(name, token string, amount *big.Int) *Wallet {
	s.t.Helper()
	w := NewWallet(s.t, name)
	s.sent(s.Transfer(token, w.Address().String(), amount))
	return w
}

// Simple is the kind of eth-infinitism's SimpleAccount, a sample that wallets build
// on. Where its factory is differs between chains, so the program pins none.
func (s *Stack) Simple() userop.Kind { return simple{s} }

// KindSimple is its name.
const KindSimple = "simple-account-0.7"

type simple struct{ stack *Stack }

func (simple) Name() string                                { return KindSimple }
func (simple) Encode(calls []rail.Call) ([]byte, error)    { return userop.EncodeExecute(calls) }
func (simple) Decode(callData []byte) ([]rail.Call, error) { return userop.DecodeExecute(callData) }

// Account asks the factory: what it deploys is part of its code.
func (k simple) Account(id asset.ChainID, owner asset.Address) userop.Account {
	s := k.stack
	at := s.Ask("SimpleAccountFactory", asset.Address(s.factory), "getAddress", common.Address(owner), new(big.Int))
	data, err := Interface(s.t, "SimpleAccountFactory").Pack("createAccount", common.Address(owner), new(big.Int))
	if err != nil {
		s.t.Fatal(err)
	}
	return userop.Account{
		Kind: KindSimple, Chain: id, Owner: owner, Address: asset.Address(at[12:]), Factory: asset.Address(s.factory), FactoryData: data,
		Needs:  []asset.Address{asset.Address(s.factory)},
		Proofs: []userop.Proof{{Call: []byte{0x8d, 0xa5, 0xcb, 0x5b}, Answer: append(make([]byte, 12), owner[:]...)}}, // owner()
	}
}

// Approve has a payer allow somebody an amount, with gas that the chain's wallet
// gives: what is left of it stays the payer's.
func (s *Stack) Approve(w *Wallet, token, spender asset.Address, amount *big.Int) {
	s.t.Helper()
	data, err := abiERC20.Pack("approve", common.Address(spender), amount)
	if err != nil {
		s.t.Fatal(err)
	}
	const gas = 100_000
	price := big.NewInt(1e10)
	s.sent(s.Chain.Send(w.Address().String(), new(big.Int).Mul(big.NewInt(gas), price), nil))
	id, to := new(big.Int).SetUint64(s.ID()), common.Address(token)
	eth := ethclient.NewClient(s.Client())
	nonce, err := eth.PendingNonceAt(s.t.Context(), common.Address(w.Address()))
	if err != nil {
		s.t.Fatal(err)
	}
	tx, err := types.SignNewTx(w.key, types.LatestSignerForChainID(id), &types.LegacyTx{Nonce: nonce, To: &to, Data: data, Gas: gas, GasPrice: price})
	if err == nil {
		err = eth.SendTransaction(s.t.Context(), tx)
	}
	if err != nil {
		s.t.Fatalf("useroptest: approving: %v", err)
	}
	s.sent(tx.Hash().Hex())
}

var abiERC20 = func() abi.ABI {
	parsed, err := abi.JSON(strings.NewReader(`[{"type":"function","name":"approve","inputs":[{"name":"spender","type":"address"},{"name":"amount","type":"uint256"}],"outputs":[]}]`))
	if err != nil {
		panic(err)
	}
	return parsed
}()
