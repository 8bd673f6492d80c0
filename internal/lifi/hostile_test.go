package lifi_test

import (
	"bytes"
	"math/big"
	"reflect"
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

func TestHonestRoutesPass(t *testing.T) {
	r := newRig(t)
	seen := map[lifi.Selector]bool{}
	for _, s := range scenes {
		t.Run(s.name, func(t *testing.T) {
			in, step := r.ask(t, s)
			call, err := lifi.DecodeCall(step.Transaction.Data)
			if err != nil {
				t.Fatal(err)
			}
			seen[call.Selector] = true
			if call.Selector != s.selector {
				t.Fatalf("selector 0x%x", call.Selector)
			}
			if call.Deposit().Cmp(step.FromAmount) != 0 {
				t.Errorf("it pulls %v of %v", call.Deposit(), step.FromAmount)
			}
			checks := r.table.Verify(in, step.Transaction, approvals(t, in, call.Deposit()), now)
			if got := refusals(checks); got != nil {
				t.Fatalf("refused by %v: %s", got, why(checks, got[0]))
			}
			want := 7
			if in.Crosses() {
				want = 11
			}
			if len(checks) != want {
				t.Errorf("%d checks, want %d", len(checks), want)
			}
			if got := refusals(r.table.Verify(in, step.Transaction, nil, now)); got != nil {
				t.Errorf("without an approval: refused by %v", got)
			}
		})
	}
	if len(seen) != 6 {
		t.Errorf("%d of 6 functions were seen", len(seen))
	}
}

// Every lie, in every route it can be told about, is refused by the checks it
// names and by no other: a check that refuses for a neighbour's reason would
// hide that nobody looks at the field itself.
func TestEveryLieIsRefusedByItsOwnCheck(t *testing.T) {
	r := newRig(t)
	told := map[string]int{}
	for _, s := range scenes {
		in, honest := r.ask(t, s)
		for _, lie := range lifitest.Lies() {
			s.b.Lie = lie.Name
			_, step := r.ask(t, s)
			if reflect.DeepEqual(step.Transaction, honest.Transaction) {
				continue // not of this kind of route
			}
			told[lie.Name]++
			approve := approvals(t, in, honest.FromAmount)
			if call, err := lifi.DecodeCall(step.Transaction.Data); err == nil {
				approve = approvals(t, in, call.Deposit()) // a server approves what the route takes
			}
			checks := r.table.Verify(in, step.Transaction, approve, now)
			if got := refusals(checks); !slices.Equal(got, lie.Refuses) {
				t.Errorf("%s: %s: refused by %v, want %v: %v", s.name, lie.Name, got, lie.Refuses, checks)
			}
			if word := paymentWords[lie.Name]; !strings.Contains(why(checks, lifi.CheckPayment), word) {
				t.Errorf("%s: %s does not name the %s", lie.Name, why(checks, lifi.CheckPayment), word)
			}
			if slices.Contains(lie.Refuses, lifi.CheckCalldata) && !strings.HasPrefix(why(checks, lifi.CheckCalldata), "Calldata: ") {
				t.Errorf("%s: %s: %s", s.name, lie.Name, why(checks, lifi.CheckCalldata))
			}
		}
		s.b.Lie = ""
	}
	for _, lie := range lifitest.Lies() {
		if told[lie.Name] == 0 {
			t.Errorf("%s was never told", lie.Name)
		}
	}
	if len(told) < 40 {
		t.Errorf("only %d lies", len(told))
	}
	t.Logf("%d lies", len(told))
}

// paymentWords are in the reasons of lies about the payment itself: it is
// compared as bytes, and people are told which field it is.
var paymentWords = map[string]string{
	"payment.token": "token of the payment", "payment.payee": "payee", "payment.amount": "amount differs", "payment.reference": "payment reference",
	"payment.fee": "fee differs", "payment.feeAddress": "fee address",
}

func TestNamesOfLiesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, lie := range lifitest.Lies() {
		if seen[lie.Name] || len(lie.Refuses) == 0 {
			t.Errorf("%s stands twice or is refused by nobody", lie.Name)
		}
		seen[lie.Name] = true
	}
}

// What this server itself builds before the route is compared as well.
func TestWrongApprovalsAreRefused(t *testing.T) {
	r := newRig(t)
	in, step := r.ask(t, scene{name: "reset", from: "USDT-mainnet", to: "USDC-base"})
	right := approvals(t, in, step.FromAmount)
	if got := refusals(r.table.Verify(in, step.Transaction, right, now)); got != nil {
		t.Fatalf("the right ones: %v", got)
	}
	encode := func(a official.Approval) []byte {
		data, err := a.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	diamond := step.Transaction.To
	one := big.NewInt(1)
	for name, change := range map[string]func([]rail.Call) []rail.Call{
		"spender": func(c []rail.Call) []rail.Call {
			c[1].Data = encode(official.Approval{Spender: lifitest.Thief, Amount: step.FromAmount})
			return c
		},
		"amount more": func(c []rail.Call) []rail.Call {
			c[1].Data = encode(official.Approval{Spender: diamond, Amount: new(big.Int).Add(step.FromAmount, one)})
			return c
		},
		"amount less": func(c []rail.Call) []rail.Call {
			c[1].Data = encode(official.Approval{Spender: diamond, Amount: new(big.Int).Sub(step.FromAmount, one)})
			return c
		},
		"unlimited": func(c []rail.Call) []rail.Call {
			c[1].Data = encode(official.Approval{Spender: diamond, Amount: new(big.Int).Sub(new(big.Int).Lsh(one, 256), one)})
			return c
		},
		"token":    func(c []rail.Call) []rail.Call { c[1].To = in.To.Address; return c },
		"value":    func(c []rail.Call) []rail.Call { c[1].Value = one; return c },
		"no value": func(c []rail.Call) []rail.Call { c[1].Value = nil; return c },
		"reset to more": func(c []rail.Call) []rail.Call {
			c[0].Data = encode(official.Approval{Spender: diamond, Amount: one})
			return c
		},
		"reset of other": func(c []rail.Call) []rail.Call {
			c[0].Data = encode(official.Approval{Spender: lifitest.Thief, Amount: new(big.Int)})
			return c
		},
		"reset alone":    func(c []rail.Call) []rail.Call { return c[:1] },
		"wrong order":    func(c []rail.Call) []rail.Call { return []rail.Call{c[1], c[0]} },
		"approved twice": func(c []rail.Call) []rail.Call { return []rail.Call{c[1], c[1]} },
		"a third":        func(c []rail.Call) []rail.Call { return append(c, c[1]) },
		"not an approval": func(c []rail.Call) []rail.Call {
			c[1].Data = append([]byte{0xa9, 0x05, 0x9c, 0xbb}, c[1].Data[4:]...)
			return c
		},
		"trailing": func(c []rail.Call) []rail.Call { c[1].Data = append(bytes.Clone(c[1].Data), 0); return c },
		"kind":     func(c []rail.Call) []rail.Call { c[1].Kind = rail.Pay; return c },
	} {
		got := refusals(r.table.Verify(in, step.Transaction, change(slices.Clone(right)), now))
		if !slices.Equal(got, []string{lifi.CheckApproval}) {
			t.Errorf("%s: refused by %v", name, got)
		}
	}
}

// A route is compared with what was agreed to: the same bytes are wrong for any
// other payment.
func TestARouteIsGoodForItsOwnIntentOnly(t *testing.T) {
	r := newRig(t)
	less := func(v *big.Int) *big.Int { return new(big.Int).Sub(v, big.NewInt(1)) }
	type change struct {
		name   string
		change func(*lifi.Intent)
		want   []string
	}
	in, step := r.ask(t, scenes[0])
	for _, c := range []change{
		{"payer", func(in *lifi.Intent) { in.Payer = lifitest.Thief }, []string{lifi.CheckTarget}},
		{"limit", func(in *lifi.Intent) { in.MaxFrom = less(step.FromAmount) }, []string{lifi.CheckSource}},
		{"refund", func(in *lifi.Intent) { in.Refund = lifitest.Thief }, []string{lifi.CheckRefund}},
		{"fallback", func(in *lifi.Intent) { in.Fallback = lifitest.Thief }, []string{lifi.CheckRefund}},
		{"reference", func(in *lifi.Intent) { in.Payment.Reference[0]++ }, []string{lifi.CheckPayment}},
		{"fee limit", func(in *lifi.Intent) { in.MaxFee = 24 }, []string{lifi.CheckSource}},
		{"fee receivers", func(in *lifi.Intent) { in.FeeReceivers = append(in.FeeReceivers, payer) }, []string{lifi.CheckSource}},
		{"more to pay", func(in *lifi.Intent) { in.Payment.Amount = new(big.Int).Add(in.Payment.Amount, big.NewInt(1)) },
			[]string{lifi.CheckOutput, lifi.CheckPayment}},
	} {
		changed := in
		c.change(&changed)
		if got := refusals(r.table.Verify(changed, step.Transaction, nil, now)); !slices.Equal(got, c.want) {
			t.Errorf("%s: refused by %v, want %v", c.name, got, c.want)
		}
	}
	for later, want := range map[time.Duration][]string{
		29 * time.Minute: nil, 31 * time.Minute: {lifi.CheckDeadline}, -2 * time.Minute: {lifi.CheckDeadline}, 24 * time.Hour: {lifi.CheckDeadline},
	} {
		if got := refusals(r.table.Verify(in, step.Transaction, nil, now.Add(later))); !slices.Equal(got, want) {
			t.Errorf("%s later: refused by %v, want %v", later, got, want)
		}
	}
}

// An intent that makes no sense is refused as a whole, whatever the route.
func TestSenselessIntentsPassNothing(t *testing.T) {
	r := newRig(t)
	in, step := r.ask(t, scenes[0])
	for name, change := range map[string]func(*lifi.Intent){
		"unknown chain":      func(in *lifi.Intent) { in.From.Chain = 43114 },
		"unknown token":      func(in *lifi.Intent) { in.From.Address = lifitest.Thief },
		"payment elsewhere":  func(in *lifi.Intent) { in.Payment.Token = in.From.Address },
		"no payer":           func(in *lifi.Intent) { in.Payer = [20]byte{} },
		"no refund":          func(in *lifi.Intent) { in.Refund = [20]byte{} },
		"no fallback":        func(in *lifi.Intent) { in.Fallback = [20]byte{} },
		"no limit":           func(in *lifi.Intent) { in.MaxFrom = nil },
		"zero limit":         func(in *lifi.Intent) { in.MaxFrom = new(big.Int) },
		"no amount":          func(in *lifi.Intent) { in.Payment.Amount = nil },
		"zero amount":        func(in *lifi.Intent) { in.Payment.Amount = new(big.Int) },
		"negative fee":       func(in *lifi.Intent) { in.Payment.Fee = big.NewInt(-1) },
		"amount over a word": func(in *lifi.Intent) { in.Payment.Amount = new(big.Int).Lsh(big.NewInt(1), 256) },
		"no payee":           func(in *lifi.Intent) { in.Payment.Payee = [20]byte{} },
		"no fee payee":       func(in *lifi.Intent) { in.Payment.FeePayee = [20]byte{} },
		"same asset":         func(in *lifi.Intent) { in.To, in.Payment.Token = in.From, in.From.Address },
	} {
		changed := in
		change(&changed)
		checks := r.table.Verify(changed, step.Transaction, nil, now)
		if got := refusals(checks); len(got) != len(checks) {
			t.Errorf("%s: refused by %v only", name, got)
		}
		if _, err := r.client.Quote(t.Context(), changed); err == nil {
			t.Errorf("%s: a quote was asked for", name)
		}
	}
}

// What a page shows of a route comes from its calldata.
func TestCallsSayWhatTheyCost(t *testing.T) {
	r := newRig(t)
	for _, s := range scenes {
		in, step := r.ask(t, s)
		call, err := lifi.DecodeCall(step.Transaction.Data)
		if err != nil {
			t.Fatal(err)
		}
		bridged := in.To
		if call.Bridge != nil {
			n, _ := r.table.Network(in.From.Chain)
			bridged, _ = n.Stable(call.Bridge.SendingAsset)
		}
		sure := call.Arrives(bridged, in.To)
		if over := new(big.Int).Sub(sure, in.Required()); over.Sign() < 0 || over.Cmp(new(big.Int).Quo(in.Required(), big.NewInt(100_000))) > 0 {
			t.Errorf("%s: %v arrive for %v", s.name, sure, in.Required())
		}
		wantFee := new(big.Int)
		if len(step.Fees) > 0 && step.Fees[0].Name == "LIFI Fixed Fee" {
			wantFee = step.Fees[0].Amount
		}
		if call.Fees().Cmp(wantFee) != 0 || s.b.NoFeeLeg != (wantFee.Sign() == 0) {
			t.Errorf("%s: fee legs take %v, announced are %v", s.name, call.Fees(), wantFee)
		}
	}
}

// The right amount of the wrong dollar is not the payment.
func TestAnotherKnownAssetIsNotTheAskedOne(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		from, to, asked asset.ID
		want            []string
	}{
		{"USDCn-optimism", "USDT-optimism", "USDT0-optimism", []string{lifi.CheckReceiver}},
		{"USDC-arbitrum-one", "USDC-base", "USDT-base", []string{lifi.CheckReceiver, lifi.CheckPayment}},
	} {
		in, step := r.ask(t, scene{name: "another asset", from: c.from, to: c.to})
		in.To = token(t, c.asked)
		in.Payment.Token = in.To.Address
		if got := refusals(r.table.Verify(in, step.Transaction, nil, now)); !slices.Equal(got, c.want) {
			t.Errorf("%s instead of %s: refused by %v, want %v", c.to, c.asked, got, c.want)
		}
	}
}
