package web_test

import (
	"encoding/json"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"

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
