package railtest

import (
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

func (s Subject) prepare(t *testing.T, p *payment.Payment) {
	o, before := s.first(t, p), image(t, p)
	for who, payer := range map[string]rail.Payer{"nobody": {}, "the payer": s.Payer} {
		in, err := s.Rail.Prepare(t.Context(), p, o.ID, payer)
		if err != nil {
			t.Errorf("for %s: %v", who, err)
			continue
		}
		again, err := s.Rail.Prepare(t.Context(), p, o.ID, payer)
		if err != nil || !reflect.DeepEqual(again, in) {
			t.Errorf("for %s, again: got %s %v, want %s", who, image(t, again), err, image(t, in))
		}
		switch in := in.(type) {
		case *rail.Deposit:
			wantDeposit(t, in, p, o)
		case *rail.BankTransfer:
			wantTransfer(t, in, p, o)
		}
		if calls := callsOf(in); calls != nil {
			wantCalls(t, calls, o, payer)
		}
	}
	if after := image(t, p); after != before {
		t.Errorf("the payment was changed from %s to %s", before, after)
	}
}

// callsOf are the calls of an instruction, nil if it has none.
func callsOf(in rail.Instruction) *rail.Calls {
	switch in := in.(type) {
	case *rail.Calls:
		return in
	case *rail.Deposit:
		return in.Calls
	}
	return nil
}

// wantDeposit wants what was offered, to the payment's own address.
func wantDeposit(t *testing.T, d *rail.Deposit, p *payment.Payment, o rail.Option) {
	t.Helper()
	wantChecks(t, d.Checks)
	if d.Address != p.Terms.Requests[0].Payee || d.Asset != o.Asset || d.Amount == nil || d.Amount.Cmp(o.Costs[0].Amount) != 0 || d.URI == "" || d.Quote.Asset != o.Asset {
		t.Errorf("deposit %+v of option %+v", d, o)
	}
}

// wantTransfer wants what was offered, to the account and with the text that the payment was
// given, in words and in the code alike.
func wantTransfer(t *testing.T, b *rail.BankTransfer, p *payment.Payment, o rail.Option) {
	t.Helper()
	given := p.Terms.Requests[0].Bank
	if given == nil || b.BankTransfer != *given || b.Reference == "" || !strings.Contains(b.Text, b.Reference) || money.Cents(b.Cents).Cmp(o.Costs[0].Amount) != 0 {
		t.Fatalf("transfer %+v of option %+v, the payment's is %+v", b, o, given)
	}
	if !slices.ContainsFunc(p.Terms.Requests[0].Handles, func(h payment.Handle) bool { return h.Rail == string(o.Rail) && h.Value == b.Reference }) {
		t.Errorf("handles %+v do not name %s", p.Terms.Requests[0].Handles, b.Reference)
	}
	lines := strings.Split(b.Code, "\n")
	for _, field := range []string{b.Holder, b.Account, b.Text, fmt.Sprintf("EUR%d.%02d", b.Cents/100, b.Cents%100)} {
		if !slices.Contains(lines, field) {
			t.Errorf("the code %q does not say %q", b.Code, field)
		}
	}
}

func wantCalls(t *testing.T, c *rail.Calls, o rail.Option, payer rail.Payer) {
	t.Helper()
	wantChecks(t, c.Checks)
	same := func(h rail.Holding, want rail.Cost) bool {
		return h.Asset == want.Asset && h.Needed != nil && h.Needed.Cmp(want.Amount) == 0
	}
	if c.Chain != o.Chain || !slices.EqualFunc(c.Funds.Assets, o.Costs, same) {
		t.Errorf("calls on chain %d take %+v, want what was offered: %+v", c.Chain, c.Funds.Assets, o)
	}
	if len(c.Steps) == 0 || c.Steps[len(c.Steps)-1].Kind != rail.Pay {
		t.Errorf("the last step must pay: %+v", c.Steps)
	}
	for i, step := range c.Steps {
		if step.To.IsZero() || step.Value == nil || (step.Kind == rail.Pay) != (i == len(c.Steps)-1) {
			t.Errorf("step %d: %+v", i, step)
		}
		known := slices.ContainsFunc(o.Costs, func(cost rail.Cost) bool { return cost.Asset == step.Asset })
		if known != (step.Kind != rail.Pay) {
			t.Errorf("step %d is for the allowance of %q: %+v", i, step.Asset, o.Costs)
		}
	}
	known := !payer.Wallet.IsZero()
	read := !slices.ContainsFunc(c.Funds.Assets, func(h rail.Holding) bool { return h.Balance == nil })
	if known != read || known != c.Funds.EnoughBalance() || known != c.Funds.EnoughGas() {
		t.Errorf("wallet %s: funds %+v", payer.Wallet, c.Funds)
	}
	if known {
		for _, check := range c.Checks {
			if check.Outcome != rail.Passed {
				t.Errorf("with a funded wallet: %+v", check)
			}
		}
	}
}

// safe prepares for the payer as a Safe: no gas is asked for, and the rail knows
// its calls again when somebody else shows them, but not with one more. At a quote, which
// ends before owners have signed, it is refused.
func (s Subject) safe(t *testing.T, p *payment.Payment) {
	claimer, ok := s.Rail.(rail.Claimer)
	if !ok {
		t.Skip("this rail claims nothing")
	}
	payer := s.Payer
	payer.Safe = true
	o := s.first(t, p)
	in, err := s.Rail.Prepare(t.Context(), p, o.ID, payer)
	if o.Asset != "" {
		if offered := s.offer(t, p, payer); len(offered) != 0 || in != nil || !fault.Is(err, fault.Invalid) {
			t.Errorf("at a quote: offered %+v, prepared %v, %v", offered, in, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	calls := in.(*rail.Calls)
	wantCalls(t, calls, o, payer)
	values := new(big.Int)
	bare := make([]rail.Call, len(calls.Steps))
	for i, step := range calls.Steps {
		values.Add(values, step.Value)
		bare[i] = rail.Call{To: step.To, Data: step.Data, Value: step.Value}
	}
	if calls.Funds.NativeNeeded.Cmp(values) != 0 {
		t.Errorf("needs %s wei, the calls move %s", calls.Funds.NativeNeeded, values)
	}
	claim, ok := claimer.Claims(p, calls.Chain, payer, bare, Now)
	if !ok || claim.Type != o.Type || claim.Cost.Asset != o.Costs[0].Asset || claim.Cost.Amount.Sign() <= 0 {
		t.Errorf("claim %+v, %t of %+v", claim, ok, o)
	}
	for what, more := range map[string][]rail.Call{
		"behind": append(slices.Clone(bare), bare[len(bare)-1]), "before": append([]rail.Call{bare[len(bare)-1]}, bare...),
	} {
		if _, ok := claimer.Claims(p, calls.Chain, payer, more, Now); ok {
			t.Errorf("claimed with a call %s", what)
		}
	}
}

func (s Subject) wantFault(t *testing.T, p *payment.Payment, optionID string, kinds ...fault.Kind) {
	t.Helper()
	in, err := s.Rail.Prepare(t.Context(), p, optionID, s.Payer)
	for _, k := range kinds {
		if fault.Is(err, k) && in == nil {
			return
		}
	}
	t.Errorf("option %q: got %v %v, want a fault of %v", optionID, in, err, kinds)
}

func (s Subject) notOffered(t *testing.T, p *payment.Payment) {
	o := s.first(t, p)
	for _, id := range []string{"", o.ID + "x", o.ID[:len(o.ID)-1], strings.ToUpper(o.ID), "other:" + o.ID, string(s.Rail.ID())} {
		s.wantFault(t, p, id, fault.NotFound)
	}
}

func (s Subject) over(t *testing.T, p *payment.Payment) {
	o, count := s.first(t, p), len(p.Terms.Requests)
	canceled, expired := With(p), With(p)
	canceled.Terms.CanceledAt = Now.Add(-time.Minute)
	assess(canceled)
	expired.Terms.ExpiresAt = Now.Add(-time.Minute)
	assess(expired)
	for name, tt := range map[string]struct {
		p     *payment.Payment
		kinds []fault.Kind
	}{
		"paid":     {With(p, Settled(p, 0, count, payment.Final)...), []fault.Kind{fault.Conflict}},
		"seen":     {With(p, Settled(p, 0, count, payment.Pending)...), []fault.Kind{fault.Conflict}},
		"canceled": {canceled, []fault.Kind{fault.Conflict, fault.Forbidden}},
		"expired":  {expired, []fault.Kind{fault.Conflict, fault.Forbidden}},
	} {
		if got := s.offer(t, tt.p, s.Payer); len(got) != 0 {
			t.Errorf("%s: offered %+v", name, got)
		}
		s.wantFault(t, tt.p, o.ID, tt.kinds...)
	}
}

func (s Subject) silence(t *testing.T, p *payment.Payment) {
	o := s.first(t, p)
	speak := s.Silence()
	defer speak()
	s.wantFault(t, p, o.ID, fault.Unavailable)
}
