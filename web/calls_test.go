package web_test

import (
	"encoding/json"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/rail"
	"quittance/web"
)

func book(t *testing.T) *asset.Book {
	t.Helper()
	b, err := asset.NewBook(asset.Sandbox())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func step(kind rail.CallKind, to byte, id asset.ID, value, gas int64) rail.Call {
	return rail.Call{Kind: kind, To: asset.Address{19: to}, Data: []byte{to}, Value: big.NewInt(value), Gas: uint64(gas), Asset: id}
}

// several is a batch of two tokens and ether: a reset, two approvals, a payment.
func several(balances ...int64) *rail.Calls {
	c := &rail.Calls{
		Chain: asset.SandboxBase,
		Steps: []rail.Call{
			step(rail.Reset, 1, "USDT-base", 0, 30_000), step(rail.Approve, 1, "USDT-base", 0, 50_000),
			step(rail.Approve, 2, "USDC-base", 0, 50_000), step(rail.Pay, 3, "", 5e15, 300_000),
		},
		Funds: rail.Funds{Assets: []rail.Holding{
			{Asset: "USDT-base", Needed: big.NewInt(2_500_000)},
			{Asset: "ETH-base", Needed: big.NewInt(5e15), ContractFee: big.NewInt(5e13)},
			{Asset: "USDC-base", Needed: big.NewInt(1_000_000)},
		}},
		Checks: []rail.Check{{Name: "calldata_matches", Outcome: rail.Passed, Detail: "ok"}},
	}
	if len(balances) > 0 {
		f := &c.Funds
		for i := range f.Assets {
			f.Assets[i].Balance = big.NewInt(balances[i])
		}
		f.Assets[0].Allowance, f.Assets[2].Allowance = big.NewInt(7), big.NewInt(0)
		f.Native, f.GasPrice, f.NativeNeeded = f.Assets[1].Balance, big.NewInt(1e9), big.NewInt(5e15+430_000e9)
	}
	return c
}

func TestCallsOfSeveralAssets(t *testing.T) {
	m := web.NewCalls(several(2_500_000, 6e15, 999_999), book(t)).Metadata
	if !m.NeedsApproval || m.ApprovalTransactionsCount != 3 || *m.ApprovalTransactionIndex != 0 || m.PaymentTransactionIndex != 3 || m.StepsRequired != 4 {
		t.Errorf("steps: %+v", m)
	}
	if *m.HasEnoughBalance || *m.HasEnoughAllowance || !*m.HasEnoughGas {
		t.Errorf("funds: %v %v %v", *m.HasEnoughBalance, *m.HasEnoughAllowance, *m.HasEnoughGas)
	}
	want := []web.AssetFunds{
		{Currency: "USDT-base", Symbol: "USDT", RequiredAmount: "2.5", RequiredUnits: "2500000", Balance: "2.5", BalanceUnits: "2500000", Allowance: "0.000007"},
		{Currency: "ETH-base", Symbol: "ETH", RequiredAmount: "0.005", RequiredUnits: "5000000000000000", Balance: "0.006", BalanceUnits: "6000000000000000", ContractFee: "0.00005"},
		{Currency: "USDC-base", Symbol: "USDC", RequiredAmount: "1", RequiredUnits: "1000000", Balance: "0.999999", BalanceUnits: "999999", Allowance: "0"},
	}
	if !reflect.DeepEqual(m.Assets, want) {
		t.Errorf("got %+v\nwant %+v", m.Assets, want)
	}
	if m.RequiredAmount != "2.5" || m.Balance != "2.5" || m.EstimatedNetworkFee != "0.00043" {
		t.Errorf("of the first asset: %+v", m)
	}
}

func TestBatchCalls(t *testing.T) {
	yes, no := true, false
	tests := []struct {
		name         string
		calls        *rail.Calls
		balance      bool
		gas, can     *bool
		insufficient []asset.ID
	}{
		{"nobody's wallet", several(), false, nil, nil, []asset.ID{}},
		{"enough of all", several(2_500_000, 6e15, 1_000_000), true, &yes, &yes, []asset.ID{}},
		{"not enough for gas", several(2_500_000, 5e15, 1_000_000), true, &no, &no, []asset.ID{}},
		{"too little of two", several(2_499_999, 6e15, 0), false, &yes, &no, []asset.ID{"USDT-base", "USDC-base"}},
		{"nothing at all", several(0, 0, 0), false, &no, &no, []asset.ID{"USDT-base", "ETH-base", "USDC-base"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := web.NewBatchCalls(tt.calls, book(t))
			m := w.Metadata
			if m.HasEnoughBalance != tt.balance || !reflect.DeepEqual(m.HasEnoughGas, tt.gas) || !reflect.DeepEqual(m.CanMakePayment, tt.can) ||
				!slices.Equal(m.InsufficientTokens, tt.insufficient) {
				t.Errorf("got %+v", m)
			}
			if len(w.Approvals) != 3 || w.Approvals[2].To != (asset.Address{19: 2}).String() || w.Payment == nil || w.Payment.Data != "0x03" || w.Payment.Value != "0x11c37937e08000" {
				t.Errorf("transactions: %+v, %+v", w.Approvals, w.Payment)
			}
			body, err := json.Marshal(w)
			if err != nil {
				t.Fatal(err)
			}
			for _, member := range []string{`"ERC20ApprovalTransactions":[{`, `"batchPaymentTransaction":{"to":`, `"insufficientTokens":[`, `"hasEnoughGas":`, `"canMakePayment":`, `"stepsRequired":4`, `"approvalTransactionsCount":3`} {
				if strings.Count(string(body), member) != 1 {
					t.Errorf("%s is not there once: %s", member, body)
				}
			}
		})
	}
}

// A batch of which nothing needs an approval still has the list.
func TestBatchCallsWithoutApprovals(t *testing.T) {
	c := several()
	c.Steps = c.Steps[3:]
	body, err := json.Marshal(web.NewBatchCalls(c, book(t)))
	if err != nil || !strings.Contains(string(body), `"ERC20ApprovalTransactions":[],"batchPaymentTransaction":{`) {
		t.Errorf("got %s %v", body, err)
	}
}

// crossing is 10 USDC on Base from 10.04 USDT on Arbitrum: a reset, an approval
// and the call of the bridge.
func crossing() *rail.Calls {
	at := time.Unix(1_800_000_000, 0).UTC()
	usdt := func(v int64) rail.Cost { return rail.Cost{Asset: "USDT-arbitrum-one", Amount: big.NewInt(v)} }
	return &rail.Calls{
		Chain: asset.SandboxArbitrum,
		Steps: []rail.Call{
			step(rail.Reset, 1, "USDT-arbitrum-one", 0, 30_000), step(rail.Approve, 1, "USDT-arbitrum-one", 0, 50_000), step(rail.Pay, 2, "", 7e12, 300_000),
		},
		Funds: rail.Funds{
			Assets: []rail.Holding{{Asset: "USDT-arbitrum-one", Needed: big.NewInt(10_040_000), Balance: big.NewInt(11_000_000), Allowance: big.NewInt(0)}},
			Native: big.NewInt(1e18), GasPrice: big.NewInt(1e9), NativeNeeded: big.NewInt(387e12),
		},
		Checks: []rail.Check{{Name: "route_target", Outcome: rail.Passed, Detail: "ok"}},
		Route: &rail.Route{
			Type: rail.Crosschain, Tool: "stargateV2", ToolName: "StargateV2", Give: usdt(10_040_000),
			Arrives: rail.Cost{Asset: "USDC-base", Amount: big.NewInt(10_010_000)}, Fee: big.NewInt(40_000),
			Fees:      []rail.NamedCost{{Name: "LIFI Fixed Fee", Cost: usdt(25_100)}},
			FetchedAt: at, ExpiresAt: at.Add(45 * time.Second), Deadline: at.Add(time.Hour), Duration: 95 * time.Second,
			Raw: []byte(`{"id":"x","type":"lifi"}`),
		},
	}
}

// The members' names are an agreement with the page and with integrators: they
// are compared as they go out.
func TestCallsOfARoute(t *testing.T) {
	members := func(c *rail.Calls) map[string]any {
		body, err := json.Marshal(web.NewCalls(c, book(t)))
		if err != nil {
			t.Fatal(err)
		}
		var all struct {
			Metadata map[string]any `json:"metadata"`
		}
		if err := json.Unmarshal(body, &all); err != nil {
			t.Fatal(err)
		}
		return all.Metadata
	}
	direct := several()
	if m := members(direct); m["routeType"] != "samechain" || m["rawStep"] != nil || m["quoteExpiresAt"] != nil || m["costBreakdown"] != nil {
		t.Errorf("without a route: %v", m)
	}
	m := members(crossing())
	type object = map[string]any
	wanted := object{
		"routeType": "crosschain", "bridgeTool": "stargate", "toolName": "StargateV2", "quoteFetchedAt": 1_800_000_000.0, "quoteExpiresAt": 1_800_000_045.0,
		"executionDeadline": 1_800_003_600.0, "executionDeadlineBreakdown": object{"bridge": object{"deadline": 1_800_003_600.0, "source": "decoded"}},
		"sourceAmount": "10.04", "sourceUnits": "10040000", "sourceCurrency": "USDT-arbitrum-one", "arrivesUnits": "10010000", "estimatedSeconds": 95.0,
		"costBreakdown": object{
			"approvalFee": "0.00008", "paymentGasFee": "0.0003", "totalGasFee": "0.00038", "bridgeFee": "0.04",
			"fees":   []any{object{"name": "LIFI Fixed Fee", "amount": "0.0251", "currency": "USDT-arbitrum-one"}},
			"totals": object{"source": "10.04", "sourceCurrency": "USDT-arbitrum-one", "native": "0.000387", "nativeCurrency": "ETH-arbitrum-one"},
		},
		"rawStep":                  object{"id": "x", "type": "lifi"},
		"approvalTransactionIndex": 0.0, "approvalTransactionsCount": 2.0, "paymentTransactionIndex": 2.0, "stepsRequired": 3.0, "chainId": float64(asset.SandboxArbitrum),
		"requiredAmount": "10.04", "hasEnoughBalance": true, "hasEnoughAllowance": false,
	}
	for name, want := range wanted {
		if !reflect.DeepEqual(m[name], want) {
			t.Errorf("%s: got %v, want %v", name, m[name], want)
		}
	}
	if _, there := m["swapTransactionIndex"]; there {
		t.Error("a bridge has the index of an exchange")
	}

	plain := crossing()
	plain.Route.Deadline, plain.Funds.GasPrice, plain.Route.Fees = time.Time{}, nil, nil
	m = members(plain)
	costs, _ := m["costBreakdown"].(object)
	if m["executionDeadline"] != nil || m["executionDeadlineBreakdown"] != nil || costs["totalGasFee"] != nil || !reflect.DeepEqual(costs["fees"], []any{}) {
		t.Errorf("without deadline and gas price: %v", m)
	}
}

func TestCallsOfAConversion(t *testing.T) {
	c := crossing()
	c.Route.Type, c.Route.Tool, c.Route.Deadline = rail.Conversion, "lifidexaggregator", time.Time{}
	swap := c.Steps[2]
	swap.Kind = rail.Swap
	c.Steps = []rail.Call{c.Steps[1], swap, step(rail.Approve, 3, "USDC-arbitrum-one", 0, 50_000), step(rail.Pay, 4, "", 0, 80_000)}
	m := web.NewCalls(c, book(t)).Metadata
	if m.RouteType != rail.Conversion || m.BridgeTool != "" || m.SwapTransactionIndex == nil || *m.SwapTransactionIndex != 1 || m.PaymentTransactionIndex != 3 ||
		*m.ApprovalTransactionIndex != 0 || m.ApprovalTransactionsCount != 2 || m.CostBreakdown.ApprovalFee != "0.0001" || m.CostBreakdown.PaymentGasFee != "0.00038" {
		t.Errorf("got %+v, %+v", m, m.RouteMetadata)
	}
}

// aSafe is an account of two out of three, on a chain where it can make a batch.
func aSafe() *rail.Multisig {
	return &rail.Multisig{
		Chain: asset.SandboxBase, Address: asset.Address{19: 0x5a}, Version: "1.4.1", Owners: []asset.Address{{19: 1}, {19: 2}, {19: 3}}, Threshold: 2, Nonce: 7,
		MultiSend: asset.Address{19: 0x5e}, Warnings: []rail.Warning{{Code: "safe_guard", Text: "A guard may refuse."}},
	}
}

// Approvals are among a Safe's calls whatever it allowed before, and nobody asks
// it for gas: a client that reads the members for other wallets is told so.
func TestCallsOfASafe(t *testing.T) {
	told := func(c *rail.Calls) string {
		t.Helper()
		body, err := json.Marshal(web.NewCalls(c, book(t)))
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	c := crossing()
	if text := told(c); strings.Contains(text, `"safe`) {
		t.Errorf("another wallet is told of a Safe: %s", text)
	}
	c.Safe, c.Funds.NativeNeeded, c.Funds.Native = aSafe(), big.NewInt(7e12), big.NewInt(7e12)
	c.Funds.Assets[0].Allowance = big.NewInt(1e15)
	m := web.NewCalls(c, book(t)).Metadata
	if m.SafePaymentDeadline != 1_800_003_600 || !m.NeedsApproval || *m.HasEnoughAllowance || m.Allowance != "1000000000" || !*m.HasEnoughGas || m.NativeRequiredUnits != "7000000000000" {
		t.Errorf("got %+v", m)
	}
	c.Funds.Native = big.NewInt(7e12 - 1) // less than the bridge asks for beside
	if m := web.NewCalls(c, book(t)).Metadata; *m.HasEnoughGas {
		t.Errorf("native currency that the calls send is lacking: %+v", m)
	}
	c.Funds.Native, c.Funds.NativeNeeded, c.Route.Deadline = nil, new(big.Int), time.Time{}
	if m := web.NewCalls(c, book(t)).Metadata; !*m.HasEnoughGas || m.SafePaymentDeadline != 0 || strings.Contains(told(c), "safePaymentDeadline") {
		t.Errorf("without deadline and native currency: %+v", m)
	}
	const zeros = "0x00000000000000000000000000000000000000"
	want := `"safe":{"address":"` + zeros + `5A","version":"1.4.1","owners":["` + zeros + `01","` + zeros + `02","` + zeros + `03"],"threshold":2,"nonce":7,` +
		`"multiSend":"` + zeros + `5E","warnings":[{"code":"safe_guard","text":"A guard may refuse."}]}`
	if text := told(c); !strings.Contains(strings.ToLower(text), strings.ToLower(want)) {
		t.Errorf("got %s", text)
	}
	c.Safe.MultiSend, c.Safe.Warnings, c.Safe.Owners = asset.Address{}, nil, nil
	if text := told(c); !strings.Contains(text, `"owners":[],"threshold":2,"nonce":7,"multiSend":"","warnings":[]}`) {
		t.Errorf("got %s", text)
	}
}

func TestBatchCallsOfASafe(t *testing.T) {
	c := several(2_500_000, 5e15, 1_000_000)
	c.Safe, c.Funds.NativeNeeded = aSafe(), big.NewInt(5e15)
	w := web.NewBatchCalls(c, book(t))
	if w.Safe == nil || w.Safe.Nonce != 7 || len(w.Approvals) != 3 || !*w.Metadata.HasEnoughGas || !*w.Metadata.CanMakePayment || *w.Metadata.HasEnoughAllowance {
		t.Errorf("got %+v", w)
	}
	c = several(2_500_000, 5e15-1, 1_000_000)
	c.Safe, c.Funds.NativeNeeded = aSafe(), big.NewInt(5e15)
	if m := web.NewBatchCalls(c, book(t)).Metadata; *m.HasEnoughGas || *m.CanMakePayment || !slices.Equal(m.InsufficientTokens, []asset.ID{"ETH-base"}) {
		t.Errorf("got %+v", m)
	}
}
