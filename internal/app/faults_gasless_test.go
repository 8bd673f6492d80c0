package app_test

import (
	"fmt"
	"math/big"
	"net/http"
	"os"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/faultproxytest"
	"quittance/internal/gasless"
	"quittance/internal/payment"
	"quittance/internal/userop"
	"quittance/web/webtest"
)

// saver is somebody who pays without gas while the bundler's answers get lost.
type saver struct {
	*webtest.Saver
	kind faultproxytest.Kind // what happens to the bundler meanwhile
	op   userop.Op
	hash string
}

// saver makes one who has the money for four payments and no gas, with an operation that
// nobody has granted yet.
func (s *shaky) saver(name string) *saver {
	s.t.Helper()
	out := &saver{Saver: s.Saver(name, s.CreatePayment("5"), usdcWay, s.Gas.USDC(), 20_000_000)}
	_, out.op = out.Due()
	return out
}

// soon asks the page's bundler, and holds it to an answer in time.
func (s *shaky) soon(what string, ask func() *webtest.Refused) (refused *webtest.Refused) {
	s.t.Helper()
	begun := time.Now()
	refused = ask()
	if took := time.Since(begun); took > answerWithin {
		s.t.Errorf("%s: answered after %s: %+v", what, took, refused)
	}
	return refused
}

// grants asks for an operation's gas, and keeps what is granted, signed.
func (v *saver) grants(t *testing.T) *webtest.Refused {
	t.Helper()
	op, refused := v.Manager(v.op)
	if refused != nil {
		return refused
	}
	op = v.Signed(op)
	hash, err := op.Hash(asset.SandboxBase)
	if err != nil {
		t.Fatal(err)
	}
	v.op, v.hash = op, hash.String()
	return nil
}

// sends hands the operation in.
func (v *saver) sends(t *testing.T) *webtest.Refused {
	t.Helper()
	hash, refused := v.Send(v.op)
	if refused == nil && hash != v.hash {
		t.Errorf("sent as %s, and it is %s", hash, v.hash)
	}
	return refused
}

// bundlerKinds are the ways in which the bundler misbehaves: all of them where the faults'
// full form is asked for, and otherwise those whose effect is the most different.
func bundlerKinds() []faultproxytest.Kind {
	if os.Getenv("QUITTANCE_FAULT_SEEDS") != "" {
		return faultproxytest.Kinds()
	}
	return []faultproxytest.Kind{
		faultproxytest.HangAfter, faultproxytest.Reset, faultproxytest.Cut, faultproxytest.Limited, faultproxytest.LostAfter, faultproxytest.Garbage,
		faultproxytest.Truncated, faultproxytest.Stale, faultproxytest.Twice, faultproxytest.Redirect,
	}
}

// The bundler and the sponsor misbehave in each of the ways there are, once while gas is
// asked for and once while the operation is handed in. Whoever pays gets an answer in time;
// nothing of the budget is lost to a question that failed, and nothing is granted beyond it;
// an operation whose answer was lost is found on the chain, without being sent again; each
// is executed, credited and told once.
func TestFaultsOfTheBundler(t *testing.T) {
	s := newShaky(t, &webtest.Gasless{Provider: gasless.ProviderAlchemy, MaxCost: opCost, Budget: checkout.GaslessBudget{Payment: opCost}})
	s.Gas.Gateway.Behave(frugal)
	proxy := s.proxies[fmt.Sprint("bundler ", asset.SandboxBase)]
	before := s.Gas.Deposited(s.Gas.Paymaster)
	var all []*saver
	for _, kind := range bundlerKinds() {
		v := s.saver("while " + string(kind))
		v.kind = kind
		all = append(all, v)
	}
	for _, v := range all {
		s.sponsored(proxy, v)
	}
	for _, v := range all {
		s.handedIn(proxy, v)
	}
	s.Chain.Mine(webtest.Confirmations)
	s.paidOnce(all)
	holds(t, s.World, s.Gas.USDC(), map[string]int64{webtest.Payee: 5_000_000 * int64(len(all))})
	s.budgeted(all, before)
}

// sponsored has gas asked for while the sponsor misbehaves, and again until it is granted: a
// budget of one operation has room for it, and for no other then.
func (s *shaky) sponsored(proxy *faultproxytest.Proxy, v *saver) {
	s.t.Helper()
	another := v.op
	proxy.Always(v.kind)
	refused := s.soon(fmt.Sprint("gas while ", v.kind), func() *webtest.Refused { return v.grants(s.t) })
	proxy.Behave()
	s.await(fmt.Sprintf("gas to be granted after %q", v.kind), func() bool {
		if refused != nil {
			refused = v.grants(s.t)
		}
		return refused == nil
	})
	if _, refused := v.Manager(another); refused == nil || refused.Data.Code != "gas_budget" {
		s.t.Errorf("%s: more gas than there is a budget for: %+v", v.kind, refused)
	}
}

// handedIn hands an operation in while the bundler misbehaves, and once more if it never
// got it. Meanwhile the payment can be made in no other way.
func (s *shaky) handedIn(proxy *faultproxytest.Proxy, v *saver) {
	s.t.Helper()
	proxy.Always(v.kind)
	refused := s.soon(fmt.Sprint("sending while ", v.kind), func() *webtest.Refused { return v.sends(s.t) })
	proxy.Behave()
	if r := plainly(s.World, v.Saver); r.Status != http.StatusConflict {
		s.t.Errorf("%s: it can be paid in another way, too: %d %s", v.kind, r.Status, r.Body)
	}
	if v.kind.Reaches() {
		s.await(fmt.Sprintf("the bundler to be asked again after %q", v.kind), func() bool {
			_, refused := v.Ask(userop.MethodReceipt, v.hash)
			return refused == nil
		})
		return
	}
	if refused == nil {
		s.t.Errorf("%s: it is said to be sent, and nobody got it", v.kind)
	}
	s.await(fmt.Sprintf("the bundler to take it after %q", v.kind), func() bool { return v.sends(s.t) == nil })
}

// tries pays as far as it gets.
func (s *shaky) tries(v *saver) {
	s.t.Helper()
	if v.hash == "" {
		s.soon("gas", func() *webtest.Refused { return v.grants(s.t) })
	}
	if v.hash != "" {
		s.soon("sending", func() *webtest.Refused { return v.sends(s.t) })
	}
}

// hasPaid waits until an operation has paid whose sending may have gone wrong in any way: it is
// on its way, or the bundler takes it now.
func (s *shaky) hasPaid(v *saver) {
	s.t.Helper()
	s.await(v.Payment+" to be paid without gas", func() bool {
		switch s.Load(v.Payment).Standing.State {
		case payment.Paid:
			return true
		case payment.Seen:
			s.Chain.Mine(1)
			return false
		}
		if v.hash == "" && v.grants(s.t) != nil {
			return false
		}
		if refused := v.sends(s.t); refused != nil && refused.Data.Code == "op_over" {
			s.t.Errorf("%s: the operation was given up, and nobody had refused it", v.Payment)
		}
		return false
	})
}

// paidOnce holds that each operation was executed, credited and told once.
func (s *shaky) paidOnce(all []*saver) {
	s.t.Helper()
	told := &reorgs{World: s.World, t: s.t, hooks: s.hook}
	for _, v := range all {
		settle(s.World, v.Payment)
		s.Await("the attempt to be executed", func() bool {
			a := told.look(v.Payment).Attempts
			return len(a) == 1 && a[0].Handle == v.hash && a[0].Stage == payment.Executed
		})
		p := s.Load(v.Payment)
		if len(p.Transfers) != 1 || p.Standing.Oddity != payment.None {
			s.t.Errorf("%s: %+v by %+v", v.kind, p.Standing, p.Transfers)
		}
		holds(s.t, s.World, s.Gas.USDC(), map[string]int64{v.Address().String(): 15_000_000})
		told.told(&hazard{name: string(v.kind), token: v.Payment, log: "announced seen paid"})
	}
}

// budgeted holds what is written down as spent to what the sponsor paid, operation by
// operation, and their sum to what it has no more.
func (s *shaky) budgeted(all []*saver, before *big.Int) {
	s.t.Helper()
	sum := new(big.Int)
	for _, v := range all {
		var g *checkout.Grant
		var spent checkout.GrantSums
		err := s.App.Store.Write(s.t.Context(), func(tx checkout.Tx) (err error) {
			if g, err = tx.Grant(s.t.Context(), asset.SandboxBase, v.hash); err != nil || g == nil {
				return err
			}
			spent, err = tx.GrantSums(s.t.Context(), *g, time.Now().Add(-checkout.GrantFor))
			return err
		})
		if err != nil || g == nil || !g.Settled || spent.Grants != 1 || spent.Payment.Cmp(g.Wei) != 0 {
			s.t.Errorf("%s: the grant is %+v of %+v: %v", v.kind, g, spent, err)
			continue
		}
		sum.Add(sum, g.Wei)
	}
	if paid := new(big.Int).Sub(before, s.Gas.Deposited(s.Gas.Paymaster)); paid.Cmp(sum) != 0 {
		s.t.Errorf("the sponsor paid %s, and %s is written down", paid, sum)
	}
}
