package contracts_test

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"quittance/internal/chain/chaintest"
	"quittance/internal/sandbox/contracts"
)

// view calls a method and returns its only result.
func view(t *testing.T, c *chaintest.Chain, name, method string, args ...any) any {
	t.Helper()
	var out hexutil.Bytes
	call := map[string]any{"to": contracts.Address(name), "data": hexutil.Bytes(contracts.Call(name, method, args...))}
	if err := c.Client().Call(&out, "eth_call", call, "latest"); err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	values, err := contracts.Get(name).ABI.Unpack(method, out)
	if err != nil || len(values) != 1 {
		t.Fatalf("%s: %x: %v", method, out, err)
	}
	return values[0]
}

// act sends a call from a wallet, mines it and reports success, the answer it would give, and the
// reason of a refusal.
func act(t *testing.T, c *chaintest.Chain, from *chaintest.Wallet, to string, data []byte) (ok bool, answer []byte, reason string) {
	t.Helper()
	var out hexutil.Bytes
	err := c.Client().Call(&out, "eth_call", map[string]any{"from": from.Address(), "to": to, "data": hexutil.Bytes(data)}, "latest")
	if err != nil {
		reason = err.Error()
	}
	tx := from.Send(to, nil, data)
	c.Mine(1)
	r := c.Receipt(tx)
	if (r.Status == 1) != (err == nil) {
		t.Fatalf("the call ends with status %d, asked beforehand with %v", r.Status, err)
	}
	return r.Status == 1, out, reason
}

func TestTokensDescribeThemselves(t *testing.T) {
	c := chaintest.New(t)
	for name, want := range map[string][2]string{contracts.USDC: {"USD Coin", "USDC"}, contracts.USDT: {"Tether USD", "USDT"}} {
		if view(t, c, name, "name") != want[0] || view(t, c, name, "symbol") != want[1] {
			t.Errorf("%s calls itself %v, %v", name, view(t, c, name, "name"), view(t, c, name, "symbol"))
		}
		if d := view(t, c, name, "decimals"); d != uint8(contracts.TokenDecimals) {
			t.Errorf("%s has %v decimals", name, d)
		}
		if o := view(t, c, name, "owner"); o != common.HexToAddress(c.Address()) {
			t.Errorf("%s is owned by %v", name, o)
		}
		held := new(big.Int)
		for _, holder := range []string{c.Address(), c.Other.Address(), contracts.Address(contracts.Exchange).Hex()} {
			held.Add(held, c.Balance(contracts.Address(name).Hex(), holder))
		}
		if supply := view(t, c, name, "totalSupply").(*big.Int); supply.Cmp(held) != 0 {
			t.Errorf("%s: supply %v, held %v", name, supply, held)
		}
	}
}

func TestReturnValues(t *testing.T) {
	c := chaintest.New(t)
	to, one := common.HexToAddress(payee), big.NewInt(1)
	true32 := common.LeftPadBytes([]byte{1}, 32)
	for name, want := range map[string][]byte{contracts.USDC: true32, contracts.USDT: {}} {
		token := contracts.Address(name).Hex()
		calls := []struct {
			from   *chaintest.Wallet
			method string
			args   []any
		}{
			{c.Wallet, "transfer", []any{to, one}},
			{c.Wallet, "approve", []any{common.HexToAddress(c.Other.Address()), one}},
			{c.Other, "transferFrom", []any{common.HexToAddress(c.Address()), to, one}},
			{c.Wallet, "mint", []any{to, one}},
		}
		for _, call := range calls {
			ok, answer, reason := act(t, c, call.from, token, contracts.Call(name, call.method, call.args...))
			if !ok || !bytes.Equal(answer, want) {
				t.Errorf("%s.%s answers %x (%v %s), want %x", name, call.method, answer, ok, reason, want)
			}
		}
		if got := c.Balance(token, payee); got.Cmp(big.NewInt(3)) != 0 {
			t.Errorf("%s: the payee has %v", name, got)
		}
	}
}

func TestAllowances(t *testing.T) {
	unlimited := contracts.MaxUint256()
	spend := func(c *chaintest.Chain, name string, amount int64) (bool, string) {
		ok, _, reason := act(t, c, c.Other, contracts.Address(name).Hex(), contracts.Call(name, "transferFrom",
			common.HexToAddress(c.Address()), common.HexToAddress(payee), big.NewInt(amount)))
		return ok, reason
	}
	approve := func(c *chaintest.Chain, name string, amount *big.Int) bool {
		ok, _, _ := act(t, c, c.Wallet, contracts.Address(name).Hex(),
			contracts.Call(name, "approve", common.HexToAddress(c.Other.Address()), amount))
		return ok
	}
	tests := []struct {
		name, token  string
		approvals    []*big.Int
		lastAccepted bool
		spend        int64
		left         *big.Int // nil: spending is refused
	}{
		{"USDC: an allowance shrinks", contracts.USDC, []*big.Int{units(10)}, true, 4, units(6)},
		{"USDC: an unlimited one too", contracts.USDC, []*big.Int{unlimited}, true, 4, new(big.Int).Sub(unlimited, units(4))},
		{"USDC: changed at will", contracts.USDC, []*big.Int{units(10), units(20)}, true, 20, units(0)},
		{"USDC: not beyond", contracts.USDC, []*big.Int{units(10)}, true, 11, nil},
		{"USDT: an allowance shrinks", contracts.USDT, []*big.Int{units(10)}, true, 4, units(6)},
		{"USDT: an unlimited one does not", contracts.USDT, []*big.Int{unlimited}, true, 4, unlimited},
		{"USDT: not changed while there is one", contracts.USDT, []*big.Int{units(10), units(20)}, false, 10, units(0)},
		{"USDT: not even to the same", contracts.USDT, []*big.Int{units(10), units(10)}, false, 10, units(0)},
		{"USDT: changed through zero", contracts.USDT, []*big.Int{units(10), units(0), units(20)}, true, 20, units(0)},
		{"USDT: zero twice", contracts.USDT, []*big.Int{units(0), units(0)}, true, 1, nil},
		{"USDT: not beyond", contracts.USDT, []*big.Int{units(10)}, true, 11, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := chaintest.New(t)
			for i, amount := range tt.approvals {
				if ok := approve(c, tt.token, amount); ok != (i < len(tt.approvals)-1 || tt.lastAccepted) {
					t.Errorf("approval %d of %v: %v", i, amount, ok)
				}
			}
			ok, reason := spend(c, tt.token, tt.spend)
			if ok != (tt.left != nil) {
				t.Fatalf("spending %d: %v %s", tt.spend, ok, reason)
			}
			if ok {
				left := c.Allowance(contracts.Address(tt.token).Hex(), c.Address(), c.Other.Address())
				if left.Cmp(tt.left) != 0 {
					t.Errorf("left %v, want %v", left, tt.left)
				}
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	c := chaintest.New(t)
	to, tooMuch := common.HexToAddress(payee), big.NewInt(2e12)
	tests := []struct {
		name, token, method string
		from                *chaintest.Wallet
		args                []any
		says                string // "" is a refusal without a reason
	}{
		{"USDC beyond the balance", contracts.USDC, "transfer", c.Wallet, []any{to, tooMuch}, "ERC20: transfer amount exceeds balance"},
		{"USDC without allowance", contracts.USDC, "transferFrom", c.Other, []any{common.HexToAddress(c.Address()), to, units(1)}, "ERC20: transfer amount exceeds allowance"},
		{"USDC to nobody", contracts.USDC, "transfer", c.Wallet, []any{common.Address{}, units(1)}, "ERC20: transfer to the zero address"},
		{"USDC approval of nobody", contracts.USDC, "approve", c.Wallet, []any{common.Address{}, units(1)}, "ERC20: approve to the zero address"},
		{"USDC minted by a stranger", contracts.USDC, "mint", c.Other, []any{to, units(1)}, "Ownable: caller is not the owner"},
		{"USDC minted for nobody", contracts.USDC, "mint", c.Wallet, []any{common.Address{}, units(1)}, "ERC20: mint to the zero address"},
		{"USDT beyond the balance", contracts.USDT, "transfer", c.Wallet, []any{to, tooMuch}, ""},
		{"USDT without allowance", contracts.USDT, "transferFrom", c.Other, []any{common.HexToAddress(c.Address()), to, units(1)}, ""},
		{"USDT minted by a stranger", contracts.USDT, "mint", c.Other, []any{to, units(1)}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ok, _, reason := act(t, c, tt.from, contracts.Address(tt.token).Hex(), contracts.Call(tt.token, tt.method, tt.args...))
			if want := strings.TrimSuffix("execution reverted: "+tt.says, ": "); ok || reason != want {
				t.Errorf("%v %q, want %q", ok, reason, want)
			}
		})
	}
}

// permit is what an EIP-2612 signature covers, and what is sent with it.
type permit struct {
	name, version   string
	chainID         int64
	token           common.Address
	holder, spender common.Address
	value           *big.Int
	nonce           int64
	deadline        *big.Int
}

// digest follows EIP-712 and EIP-2612 from their texts, not from the contract.
func (p permit) digest() []byte {
	word := func(b []byte) []byte { return common.LeftPadBytes(b, 32) }
	domain := crypto.Keccak256(
		crypto.Keccak256([]byte("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")),
		crypto.Keccak256([]byte(p.name)), crypto.Keccak256([]byte(p.version)), word(big.NewInt(p.chainID).Bytes()), word(p.token[:]))
	content := crypto.Keccak256(
		crypto.Keccak256([]byte("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")),
		word(p.holder[:]), word(p.spender[:]), word(p.value.Bytes()), word(big.NewInt(p.nonce).Bytes()), word(p.deadline.Bytes()))
	return crypto.Keccak256([]byte{0x19, 1}, domain, content)
}

func TestPermit(t *testing.T) {
	halfOrder := new(big.Int).Rsh(crypto.S256().Params().N, 1)
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name   string
		change func(p *permit) // what is signed differs from what is sent
		bend   func(r, s *big.Int, v uint8) (*big.Int, *big.Int, uint8)
		send   func(p *permit) // what is sent, and signed
		says   string          // "" is accepted
	}{
		{name: "a good one"},
		{name: "at the last second", send: func(p *permit) { p.deadline = big.NewInt(now.Unix()) }},
		{name: "without a deadline", send: func(p *permit) { p.deadline = contracts.MaxUint256() }},
		{name: "an unlimited one", send: func(p *permit) { p.value = contracts.MaxUint256() }},
		{name: "a second late", send: func(p *permit) { p.deadline = big.NewInt(now.Unix() - 1) }, says: "FiatTokenV2: permit is expired"},
		{name: "another amount", change: func(p *permit) { p.value = units(99) }, says: "EIP2612: invalid signature"},
		{name: "another spender", change: func(p *permit) { p.spender = common.HexToAddress(feeTo) }, says: "EIP2612: invalid signature"},
		{name: "another deadline", change: func(p *permit) { p.deadline = units(1) }, says: "EIP2612: invalid signature"},
		{name: "a nonce ahead", change: func(p *permit) { p.nonce = 1 }, says: "EIP2612: invalid signature"},
		{name: "another chain", change: func(p *permit) { p.chainID = 8453 }, says: "EIP2612: invalid signature"},
		{name: "another token", change: func(p *permit) { p.token = contracts.Address(contracts.USDT) }, says: "EIP2612: invalid signature"},
		{name: "another version", change: func(p *permit) { p.version = "1" }, says: "EIP2612: invalid signature"},
		{name: "another name", change: func(p *permit) { p.name = "USDC" }, says: "EIP2612: invalid signature"},
		{name: "of somebody else", send: func(p *permit) { p.holder = common.HexToAddress(payee) }, says: "EIP2612: invalid signature"},
		{name: "of nobody", send: func(p *permit) { p.holder = common.Address{} }, says: "EIP2612: invalid signature",
			bend: func(r, s *big.Int, v uint8) (*big.Int, *big.Int, uint8) { return new(big.Int), s, v }},
		{name: "for nobody", send: func(p *permit) { p.spender = common.Address{} }, says: "ERC20: approve to the zero address"},
		{name: "a wrong v", says: "ECRecover: invalid signature 'v' value",
			bend: func(r, s *big.Int, v uint8) (*big.Int, *big.Int, uint8) { return r, s, v - 27 }},
		{name: "the other form of the signature", says: "ECRecover: invalid signature 's' value",
			bend: func(r, s *big.Int, v uint8) (*big.Int, *big.Int, uint8) {
				return r, new(big.Int).Sub(crypto.S256().Params().N, s), 55 - v
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := chaintest.New(t)
			// The call asked beforehand sees the head's time, the transaction a block of the same clock.
			at := now.Add(-time.Second)
			c.SetClock(func() time.Time { return at })
			c.Mine(1)
			at = now
			p := permit{
				name: "USD Coin", version: "2", chainID: chaintest.DefaultID, token: contracts.Address(contracts.USDC),
				holder: common.HexToAddress(c.Address()), spender: common.HexToAddress(c.ERC20FeeProxy()),
				value: units(100), deadline: big.NewInt(now.Unix() + 60),
			}
			if tt.send != nil {
				tt.send(&p)
			}
			signed := p
			if tt.change != nil {
				tt.change(&signed)
			}
			r, s, v := sign(t, privateKey(t, c.Wallet), signed.digest())
			if s.Cmp(halfOrder) > 0 {
				t.Fatal("the signature is not in its accepted form")
			}
			if tt.bend != nil {
				r, s, v = tt.bend(r, s, v)
			}
			// Anybody may bring a permit: here the other wallet does.
			ok, reason := bring(t, c, p, r, s, v)
			if says := strings.TrimPrefix(reason, "execution reverted: "); ok != (tt.says == "") || says != tt.says {
				t.Fatalf("%v %q, want %q", ok, says, tt.says)
			}
			allowance := c.Allowance(c.USDC(), p.holder.Hex(), p.spender.Hex())
			nonce := view(t, c, contracts.USDC, "nonces", p.holder).(*big.Int)
			if !ok {
				if allowance.Sign() != 0 || nonce.Sign() != 0 {
					t.Errorf("refused, but allowance %v and nonce %v", allowance, nonce)
				}
				return
			}
			if allowance.Cmp(p.value) != 0 || nonce.Cmp(units(1)) != 0 {
				t.Errorf("allowance %v, nonce %v", allowance, nonce)
			}
			if again, reason := bring(t, c, p, r, s, v); again {
				t.Errorf("accepted twice: %s", reason)
			}
		})
	}
}

func bring(t *testing.T, c *chaintest.Chain, p permit, r, s *big.Int, v uint8) (ok bool, reason string) {
	t.Helper()
	data := contracts.Call(contracts.USDC, "permit", p.holder, p.spender, p.value, p.deadline, v,
		[32]byte(common.BigToHash(r)), [32]byte(common.BigToHash(s)))
	tx := c.Other.Send(c.USDC(), nil, data)
	c.Mine(1)
	receipt := c.Receipt(tx)
	if receipt.Status == 1 {
		return true, ""
	}
	// Asked on the parent's state at the block's own time, so the reason is that of the transaction.
	err := c.Client().Call(new(hexutil.Bytes), "eth_call", map[string]any{"to": c.USDC(), "data": hexutil.Bytes(data)},
		hexutil.EncodeBig(new(big.Int).Sub(receipt.BlockNumber, big.NewInt(1))), map[string]any{},
		map[string]any{"time": blockTime(t, c, receipt.BlockNumber)})
	if err == nil {
		t.Fatal("the transaction was reverted, the same call is not")
	}
	return false, err.Error()
}

func blockTime(t *testing.T, c *chaintest.Chain, number *big.Int) string {
	t.Helper()
	var block struct{ Timestamp string }
	if err := c.Client().Call(&block, "eth_getBlockByNumber", hexutil.EncodeBig(number), false); err != nil {
		t.Fatal(err)
	}
	return block.Timestamp
}

func privateKey(t *testing.T, w *chaintest.Wallet) *ecdsa.PrivateKey {
	t.Helper()
	k, err := crypto.HexToECDSA(strings.TrimPrefix(w.PrivateKey(), "0x"))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sign(t *testing.T, k *ecdsa.PrivateKey, digest []byte) (r, s *big.Int, v uint8) {
	t.Helper()
	sig, err := crypto.Sign(digest, k)
	if err != nil {
		t.Fatal(err)
	}
	return new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:64]), sig[64] + 27
}

func TestDomainSeparatorFollowsTheChain(t *testing.T) {
	seen := map[string]uint64{}
	for _, id := range []uint64{900008453, 900042161} {
		c := chaintest.New(t, chaintest.WithID(id))
		separator := view(t, c, contracts.USDC, "DOMAIN_SEPARATOR").([32]byte)
		text := hex.EncodeToString(separator[:])
		if other, ok := seen[text]; ok {
			t.Errorf("chains %d and %d share a domain: a permit for one would hold on the other", id, other)
		}
		seen[text] = id
	}
}
