package lifi_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"math/big"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/lifi"
	"quittance/internal/lifi/lifitest"
	"quittance/internal/official"
	"quittance/internal/rail"
)

// The page proves routes by itself, in TypeScript. What it must accept and
// refuse is written here, from the same routes and lies: `go test
// ./internal/lifi -run TestThePagesFixtureIsCurrent -update`.
var update = flag.Bool("update", false, "write the page's fixture anew")

const pageFixture = "../../static/ts/test/testdata/lies.json"

type pageScene struct {
	Name      string        `json:"name"`
	Selector  string        `json:"selector"`
	Bridge    string        `json:"bridge"`
	From      asset.ID      `json:"from"`
	FromChain asset.ChainID `json:"fromChain"`
	Token     string        `json:"token"`
	Symbol    string        `json:"symbol"`
	Decimals  uint8         `json:"decimals"`
	To        asset.ID      `json:"to"`
	ToChain   asset.ChainID `json:"toChain"`
	Wallet    string        `json:"wallet"`
	Most      string        `json:"most"`
	Payee     string        `json:"payee"`
	Amount    string        `json:"amount"`
	Fee       string        `json:"fee"`
	FeePayee  string        `json:"feePayee"`
	Reference string        `json:"reference"`
	// What the server makes of the calldata.
	Deposit   string `json:"deposit"`
	Arrives   string `json:"arrives"`
	FeeLegs   string `json:"feeLegs"`
	NativeFee string `json:"nativeFee"`
	Deadline  int64  `json:"deadline"` // milliseconds, 0 for none
	// The honest answer, and where in it LI.FI's call is.
	Transactions []pageTx  `json:"transactions"`
	At           int       `json:"at"`
	Lies         []pageLie `json:"lies,omitempty"`
}

type pageTx struct {
	To    string `json:"to"`
	Data  string `json:"data"`
	Value string `json:"value"`
	From  string `json:"from,omitempty"`
}

// pageLie is what a lie makes of the honest answer.
type pageLie struct {
	Name    string   `json:"name"`
	Refuses []string `json:"refuses"`
	// Absent for the honest one's.
	Chain   asset.ChainID      `json:"chain,omitempty"`
	Changes map[int]pageChange `json:"changes,omitempty"` // by the transaction's place
}

// pageChange replaces Cut digits of the data after the first At by Put.
type pageChange struct {
	To    string `json:"to,omitempty"`
	Value string `json:"value,omitempty"`
	From  string `json:"from,omitempty"`
	At    int    `json:"at,omitempty"`
	Cut   int    `json:"cut,omitempty"`
	Put   string `json:"put,omitempty"`
}

func TestThePagesFixtureIsCurrent(t *testing.T) {
	want := renderPageFixture(t)
	if *update {
		if err := os.WriteFile(pageFixture, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(pageFixture)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is stale: run this test with -update", pageFixture)
	}
}

// renderPageFixture writes a lie to a line, so that a change can be read.
func renderPageFixture(t *testing.T) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "{\"note\": \"written by internal/lifi/page_test.go\", \"now\": %d, \"scenes\": [", now.UnixMilli())
	told := map[string]bool{}
	for i, s := range pageScenes(t, told) {
		lies := s.Lies
		s.Lies = nil
		head, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		separator := ","
		if i == 0 {
			separator = ""
		}
		fmt.Fprintf(&out, "%s\n%s, \"lies\": [", separator, head[:len(head)-1])
		for j, l := range lies {
			line, err := json.Marshal(l)
			if err != nil {
				t.Fatal(err)
			}
			if j > 0 {
				out.WriteByte(',')
			}
			fmt.Fprintf(&out, "\n%s", line)
		}
		out.WriteString("\n]}")
	}
	out.WriteString("\n]}\n")
	for _, l := range lifitest.Lies() {
		if !told[l.Name] {
			t.Errorf("%s was never told", l.Name)
		}
	}
	return out.Bytes()
}

func pageScenes(t *testing.T, told map[string]bool) []pageScene {
	tables := map[bool]*lifi.Table{false: lifi.Pinned(), true: lifi.Sandbox()}
	rigs := map[bool]*rig{}
	for sandbox, table := range tables {
		clock := func() time.Time { return now }
		router := lifitest.New(lifitest.Options{Table: table, Now: clock})
		client, err := lifi.NewClient(lifi.Config{Table: table, Now: clock, Transport: lifitest.Transport{Router: router}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		rigs[sandbox] = &rig{router: router, client: client, table: table}
	}
	var all []pageScene
	for _, s := range slices.Concat(scenes, []scene{
		{"in the sandbox: across after fee leg and exchange", "USDT-arbitrum-one", "USDC-base", lifitest.Behaviour{}, lifi.AcrossSwap},
		{"in the sandbox: across after a fee leg", "USDC-base", "USDC-arbitrum-one", lifitest.Behaviour{}, lifi.AcrossSwap},
		{"in the sandbox: swap after a fee leg", "USDT-base", "USDC-base", lifitest.Behaviour{}, lifi.SwapMultiple},
	}) {
		sandbox := len(all) >= len(scenes)
		p := pageRig{t, rigs[sandbox], sandbox}
		all = append(all, p.scene(s, told))
	}
	return all
}

// pageRig asks for routes as a server would that checks nothing.
type pageRig struct {
	*testing.T
	*rig
	sandbox bool
}

func (p pageRig) intent(s scene) lifi.Intent {
	in := intent(p, s.from, s.to)
	in.Fallback = in.Payer
	if p.sandbox {
		_, tokens := asset.Sandbox()
		find := func(id asset.ID) asset.Token {
			return tokens[slices.IndexFunc(tokens, func(k asset.Token) bool { return k.ID == id })]
		}
		in.From, in.To = find(s.from), find(s.to)
		in.Payment.Token = in.To.Address
	}
	return in
}

func (p pageRig) scene(s scene, told map[string]bool) pageScene {
	in := p.intent(s)
	quote := func(lie string) lifi.Step {
		s.b.Lie = lie
		p.router.Behave(s.b)
		step, err := p.client.Quote(p.Context(), in)
		if err != nil {
			p.Fatalf("%s: %s: %v", s.name, lie, err)
		}
		return step
	}
	honest := quote("")
	call, err := lifi.DecodeCall(honest.Transaction.Data)
	if err != nil {
		p.Fatal(err)
	}
	out := p.describe(s, in, call)
	out.Transactions, out.At = p.answer(in, honest.Transaction, honest.Transaction)
	for _, l := range lifitest.Lies() {
		step := quote(l.Name)
		if reflect.DeepEqual(step.Transaction, honest.Transaction) {
			continue // not of this kind of route
		}
		told[l.Name] = true
		txs, _ := p.answer(in, step.Transaction, honest.Transaction)
		lie := pageLie{Name: l.Name, Refuses: l.Refuses, Changes: map[int]pageChange{}}
		if step.Transaction.Chain != in.From.Chain {
			lie.Chain = step.Transaction.Chain
		}
		for i, tx := range txs {
			if tx != out.Transactions[i] {
				lie.Changes[i] = differing(out.Transactions[i], tx)
			}
		}
		out.Lies = append(out.Lies, lie)
	}
	return out
}

func (p pageRig) describe(s scene, in lifi.Intent, call *lifi.Call) pageScene {
	bridged, bridge, native := in.To, "", new(big.Int)
	if call.Bridge != nil {
		n, _ := p.table.Network(in.From.Chain)
		bridged, _ = n.Stable(call.Bridge.SendingAsset)
		bridge = lifi.BridgeAcross
	}
	if call.Stargate != nil {
		bridge, native = lifi.BridgeStargate, call.Stargate.NativeFee
	}
	deadline := int64(0)
	if v := call.Validity(now); v.Decoded {
		deadline = v.Execute.UnixMilli()
	}
	return pageScene{
		Name: s.name, Selector: fmt.Sprintf("0x%x", call.Selector), Bridge: bridge,
		From: in.From.ID, FromChain: in.From.Chain, Token: in.From.Address.String(), Symbol: in.From.Symbol, Decimals: in.From.Decimals,
		To: in.To.ID, ToChain: in.To.Chain, Wallet: in.Payer.String(), Most: in.MaxFrom.String(), Payee: in.Payment.Payee.String(),
		Amount: in.Payment.Amount.String(), Fee: in.Payment.Fee.String(), FeePayee: in.Payment.FeePayee.String(),
		Reference: "0x" + hex.EncodeToString(in.Payment.Reference[:]),
		Deposit:   call.Deposit().String(), Arrives: call.Arrives(bridged, in.To).String(), FeeLegs: call.Fees().String(),
		NativeFee: native.String(), Deadline: deadline,
	}
}

// answer is what goes to the page: approvals of what the route takes, for whom
// the router says, the route, and on one chain the payment. Beside it stands the
// place of the route.
func (p pageRig) answer(in lifi.Intent, tx, honest lifi.Transaction) (txs []pageTx, at int) {
	call, err := lifi.DecodeCall(tx.Data)
	if err != nil {
		if call, err = lifi.DecodeCall(honest.Data); err != nil {
			p.Fatal(err)
		}
	}
	txs = p.approvals(in.From, tx.Spender, call.Deposit())
	at = len(txs)
	route := pageTx{To: tx.To.String(), Data: "0x" + hex.EncodeToString(tx.Data), Value: "0x" + tx.Value.Text(16)}
	if tx.From != in.Payer {
		route.From = tx.From.String()
	}
	txs = append(txs, route)
	if in.Crosses() {
		return txs, at
	}
	n, _ := p.table.Network(in.To.Chain)
	data, err := in.Payment.Encode()
	if err != nil {
		p.Fatal(err)
	}
	txs = append(txs, p.approvals(in.To, n.FeeProxy, in.Required())...)
	return append(txs, pageTx{To: n.FeeProxy.String(), Data: "0x" + hex.EncodeToString(data), Value: "0x0"}), at
}

func (p pageRig) approvals(of asset.Token, spender asset.Address, amount *big.Int) (txs []pageTx) {
	kinds := []rail.CallKind{rail.Approve}
	if of.ResetAllowance {
		kinds = []rail.CallKind{rail.Reset, rail.Approve}
	}
	for _, kind := range kinds {
		a := official.Approval{Spender: spender, Amount: amount}
		if kind == rail.Reset {
			a.Amount = new(big.Int)
		}
		data, err := a.Encode()
		if err != nil {
			p.Fatal(err)
		}
		txs = append(txs, pageTx{To: of.Address.String(), Data: "0x" + hex.EncodeToString(data), Value: "0x0"})
	}
	return txs
}

func differing(was, is pageTx) pageChange {
	c := pageChange{From: is.From}
	if is.To != was.To {
		c.To = is.To
	}
	if is.Value != was.Value {
		c.Value = is.Value
	}
	a, b := was.Data, is.Data
	if a == b {
		return c
	}
	for c.At < min(len(a), len(b)) && a[c.At] == b[c.At] {
		c.At++
	}
	a, b = a[c.At:], b[c.At:]
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	c.Cut, c.Put = len(a), b
	return c
}
