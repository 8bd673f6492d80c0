package lifi_test

import (
	"encoding/hex"
	"encoding/json"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/lifi"
	"quittance/internal/lifi/lifitest"
	"quittance/internal/official"
	"quittance/internal/rail"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func load[T any](t testing.TB, name string) T {
	t.Helper()
	file, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var v T
	if err := json.Unmarshal(file, &v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return v
}

func addr(t testing.TB, text string) asset.Address {
	t.Helper()
	a, err := asset.ParseAddress(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return a
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func token(t testing.TB, id asset.ID) asset.Token {
	t.Helper()
	_, tokens := asset.Real()
	i := slices.IndexFunc(tokens, func(k asset.Token) bool { return k.ID == id })
	if i < 0 {
		t.Fatalf("no asset %s", id)
	}
	return tokens[i]
}

var (
	payer    = asset.Address{0x11, 0x11, 19: 0x11}
	fallback = asset.Address{0x12, 0x12, 19: 0x12} // the owner of a smart account that has none there
	payee    = asset.Address{0x22, 0x22, 19: 0x22}
	feeTo    = asset.Address{0x33, 0x33, 19: 0x33}
)

// intent is a payment of 100 dollars and a fee of 50 cents.
func intent(t testing.TB, from, to asset.ID) lifi.Intent {
	t.Helper()
	in := lifi.Intent{Payer: payer, From: token(t, from), To: token(t, to), Refund: payer, Fallback: fallback}
	cents := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(in.To.Decimals)-2), nil)
	in.Payment = official.ERC20Payment{
		Token: in.To.Address, Payee: payee, Amount: new(big.Int).Mul(big.NewInt(10_000), cents),
		Reference: official.Reference{0xb3, 0x58, 0x1f, 0x0b, 0x0f, 0x74, 0xcc, 0x61},
		Fee:       new(big.Int).Mul(big.NewInt(50), cents), FeePayee: feeTo,
	}
	in.MaxFrom = lifi.SourceCap(in.Required(), in.From, in.To, 100)
	return in
}

// scene is a pair of assets and a way between them.
type scene struct {
	name     string
	from, to asset.ID
	b        lifitest.Behaviour
	selector lifi.Selector
}

var scenes = []scene{
	{"across after a fee leg", "USDC-arbitrum-one", "USDC-base", lifitest.Behaviour{}, lifi.AcrossSwap},
	{"across alone", "USDC-arbitrum-one", "USDC-base", lifitest.Behaviour{NoFeeLeg: true}, lifi.AcrossStart},
	{"across after fee leg and exchange", "USDT-arbitrum-one", "USDC-base", lifitest.Behaviour{}, lifi.AcrossSwap},
	{"across after an exchange", "USDT-mainnet", "USDC-base", lifitest.Behaviour{NoFeeLeg: true}, lifi.AcrossSwap},
	{"across from 6 to 18 decimals", "USDC-arbitrum-one", "USDC-bsc", lifitest.Behaviour{}, lifi.AcrossSwap},
	{"across from 18 to 6 decimals", "USDC-bsc", "USDCn-matic", lifitest.Behaviour{}, lifi.AcrossSwap},
	{"across alone from 18 to 6", "USDT-bsc", "USDT-mainnet", lifitest.Behaviour{NoFeeLeg: true}, lifi.AcrossStart},
	{"stargate after a fee leg", "USDC-base", "USDC-mainnet", lifitest.Behaviour{Bridge: lifi.BridgeStargate}, lifi.StargateSwap},
	{"stargate alone", "USDT-matic", "USDT-arbitrum-one", lifitest.Behaviour{Bridge: lifi.BridgeStargate, NoFeeLeg: true}, lifi.StargateStart},
	{"stargate from 6 to 18 decimals", "USDT-arbitrum-one", "USDT-bsc", lifitest.Behaviour{Bridge: lifi.BridgeStargate}, lifi.StargateSwap},
	{"stargate from 18 to 6 decimals", "USDC-bsc", "USDCn-optimism", lifitest.Behaviour{Bridge: lifi.BridgeStargate}, lifi.StargateSwap},
	{"stargate after an exchange", "USDT-base", "USDC-arbitrum-one", lifitest.Behaviour{Bridge: lifi.BridgeStargate}, lifi.StargateSwap},
	{"swap after a fee leg", "USDT-matic", "USDCn-matic", lifitest.Behaviour{}, lifi.SwapMultiple},
	{"swap alone", "USDC-base", "USDT-base", lifitest.Behaviour{NoFeeLeg: true}, lifi.SwapSingle},
}

// rig is a client of a router that is played.
type rig struct {
	router *lifitest.Router
	client *lifi.Client
	table  *lifi.Table
}

func newRig(t testing.TB) *rig {
	t.Helper()
	clock := func() time.Time { return now }
	r := &rig{router: lifitest.New(lifitest.Options{Now: clock})}
	server, err := lifitest.Serve(r.router)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	if r.client, err = lifi.NewClient(lifi.Config{BaseURL: server.URL, Now: clock}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.client.Close)
	r.table = r.client.Table()
	return r
}

// ask gets a scene's quote.
func (r *rig) ask(t testing.TB, s scene) (lifi.Intent, lifi.Step) {
	t.Helper()
	r.router.Behave(s.b)
	in := intent(t, s.from, s.to)
	step, err := r.client.Quote(t.Context(), in)
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	return in, step
}

// approvals are the right ones for a transaction.
func approvals(t testing.TB, in lifi.Intent, amount *big.Int) []rail.Call {
	t.Helper()
	n, _ := lifi.Pinned().Network(in.From.Chain)
	call := func(kind rail.CallKind, amount *big.Int) rail.Call {
		data, err := official.Approval{Spender: n.Diamond, Amount: amount}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return rail.Call{Kind: kind, To: in.From.Address, Data: data, Value: new(big.Int), Asset: in.From.ID}
	}
	calls := []rail.Call{call(rail.Approve, amount)}
	if in.From.ResetAllowance {
		calls = append([]rail.Call{call(rail.Reset, new(big.Int))}, calls...)
	}
	return calls
}

// refusals are the names of the checks that refused, in order.
func refusals(checks []rail.Check) (names []string) {
	for _, c := range checks {
		if c.Outcome != rail.Passed {
			names = append(names, c.Name)
		}
	}
	return names
}

func why(checks []rail.Check, name string) string {
	for _, c := range checks {
		if c.Name == name {
			return c.Detail
		}
	}
	return ""
}
