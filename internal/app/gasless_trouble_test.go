package app_test

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/gasless"
	"quittance/internal/payment"
	"quittance/internal/userop"
	"quittance/internal/userop/gateway"
	"quittance/web/webtest"
)

// attend is a world with a payer and, granted by the sponsor and not yet signed, the
// operation that pays.
func attend(t *testing.T, g webtest.Gasless) (*webtest.World, *webtest.Saver) {
	t.Helper()
	t.Parallel()
	w := webtest.NewWith(t, webtest.Options{Gasless: &g})
	return w, w.Saver("payer", w.CreatePayment("5"), usdcWay, w.Gas.USDC(), 20_000_000)
}

func grant(t *testing.T, s *webtest.Saver) userop.Op {
	t.Helper()
	_, op := s.Due()
	op, refused := s.Manager(op)
	if refused != nil {
		t.Fatalf("the sponsor: %+v", refused)
	}
	return s.Signed(op)
}

// send hands an operation in that the bundler takes.
func send(t *testing.T, s *webtest.Saver, op userop.Op) string {
	t.Helper()
	hash, refused := s.Send(op)
	if refused != nil {
		t.Fatalf("the bundler: %+v", refused)
	}
	return hash
}

// ends makes blocks until an operation of a payment has come to its end.
func ends(t *testing.T, w *webtest.World, token, hash string, want payment.OpStage) payment.Attempt {
	t.Helper()
	var a payment.Attempt
	w.Await("the operation to end as "+string(want), func() bool {
		w.Chain.Mine(1)
		p := w.Load(token)
		i := slices.IndexFunc(p.Attempts, func(a payment.Attempt) bool { return a.Handle == hash })
		if i < 0 {
			return false
		}
		a = p.Attempts[i]
		return a.Stage != payment.Announced && a.OpStage() == want
	})
	return a
}

// plainly asks for the calls of the plain way.
func plainly(w *webtest.World, s *webtest.Saver) webtest.Response {
	return w.Get("/checkout/" + s.Payment + "/pay?wallet=" + s.Address().String())
}

// once fails the test unless a payment was paid, by the one that there should be.
func once(t *testing.T, w *webtest.World, s *webtest.Saver, left int64) {
	t.Helper()
	p := settle(w, s.Payment)
	if len(p.Transfers) != 1 || p.Standing.Oddity != payment.None {
		t.Errorf("transfers: %+v", p.Transfers)
	}
	holds(t, w, w.Gas.USDC(), map[string]int64{s.Address().String(): left})
}

// Without its bundler or its sponsor a server offers nothing that needs them, and the
// direct way is as it was; once they are back, so is the other.
func TestBundlerDown(t *testing.T) {
	w, s := attend(t, webtest.Gasless{})
	_, op := s.Due()
	w.Gas.Gateway.Behave(gateway.Behaviour{Status: http.StatusBadGateway})
	if _, refused := s.Manager(op); refused == nil || refused.Code != userop.CodeServer || !strings.HasSuffix(refused.Data.Code, "_unavailable") {
		t.Errorf("the sponsor: %+v", refused)
	}
	w.Await("nothing to be offered", func() bool { return !w.App.PaysGas(900008453) })
	if r := s.Look(); r.Status != http.StatusServiceUnavailable {
		t.Errorf("the facts: %d %s", r.Status, r.Body)
	}
	if r := w.Get("/checkout/" + s.Payment + "/options?wallet=" + s.Address().String()); r.Status != http.StatusOK || strings.Contains(string(r.Body), `"gasless":true`) {
		t.Errorf("the options: %d %s", r.Status, r.Body)
	}
	if r := plainly(w, s); r.Status != http.StatusOK || r.JSON()["gasless"] == true {
		t.Errorf("the direct way: %d %s", r.Status, r.Body)
	}
	if r := w.Get("/readyz"); r.Status != http.StatusOK {
		t.Errorf("the server is not ready: %d", r.Status)
	}
	w.Gas.Gateway.Behave(gateway.Behaviour{})
	w.AwaitGas()
	s.Pay()
	once(t, w, s, 15_000_000)
}

// A bundler that takes longer than it may is as good as none.
func TestBundlerSlow(t *testing.T) {
	w, s := attend(t, webtest.Gasless{Timeout: 2 * time.Second})
	_, op := s.Due()
	w.Gas.Gateway.Behave(gateway.Behaviour{Delay: time.Minute})
	if _, refused := s.Manager(op); refused == nil || refused.Data.Code != "timeout" && !strings.HasSuffix(refused.Data.Code, "_unavailable") {
		t.Errorf("the sponsor: %+v", refused)
	}
	if p := w.Load(s.Payment); len(p.Attempts) != 0 {
		t.Errorf("attempts: %+v", p.Attempts)
	}
	if r := plainly(w, s); r.Status != http.StatusOK {
		t.Errorf("the direct way: %d %s", r.Status, r.Body)
	}
}

// Whatever a bundler says that is not so: what the chain shows is what counts.
func TestBundlerLies(t *testing.T) {
	for _, lie := range gateway.Lies() {
		t.Run(lie.Name, func(t *testing.T) {
			w, s := attend(t, webtest.Gasless{Provider: gasless.ProviderAlchemy})
			_, op := s.Due()
			w.Gas.Gateway.Behave(gateway.Behaviour{Lie: lie.Tell})
			op, refused := s.Manager(op)
			if lie.Name == "paymaster" || lie.Name == "price" {
				if refused == nil {
					t.Error("it is believed")
				}
				w.Gas.Gateway.Behave(gateway.Behaviour{})
				w.AwaitGas()
				s.Pay()
				once(t, w, s, 15_000_000)
				return
			}
			if refused != nil {
				t.Fatalf("the sponsor: %+v", refused)
			}
			op = s.Signed(op)
			want, err := op.Hash(900008453)
			if err != nil {
				t.Fatal(err)
			}
			if hash, refused := s.Send(op); lie.Name == "hash" && (refused == nil || refused.Data.Code != "bundler_unavailable") || refused == nil && hash != want.String() {
				t.Errorf("sent: %s, %+v", hash, refused)
			}
			ends(t, w, s.Payment, want.String(), payment.OpExecuted)
			once(t, w, s, 15_000_000)
		})
	}
}

// A failed operation of which the bundler says that it succeeded has paid nothing.
func TestBundlerLiesOfAFailure(t *testing.T) {
	w, s := attend(t, webtest.Gasless{})
	op := grant(t, s)
	usePermit(t, w, s, op)
	for _, lie := range gateway.Lies() {
		if lie.Name == "success" {
			w.Gas.Gateway.Behave(gateway.Behaviour{Lie: lie.Tell})
		}
	}
	hash := send(t, s, op)
	if result, refused := s.Ask(userop.MethodReceipt, hash); refused != nil || !strings.Contains(string(result), `"success":true`) {
		t.Errorf("the receipt: %s, %+v", result, refused)
	}
	ends(t, w, s.Payment, hash, payment.OpFailed)
	if p := w.Load(s.Payment); p.Standing.State != payment.Open || len(p.Transfers) != 0 {
		t.Errorf("the payment: %+v", p.Standing)
	}
}

// usePermit has a stranger send the permit of an operation, so that its batch fails.
func usePermit(t *testing.T, w *webtest.World, s *webtest.Saver, op userop.Op) {
	t.Helper()
	calls, err := s.Kind.Decode(op.CallData)
	if err != nil {
		t.Fatal(err)
	}
	w.Chain.Other.Send(calls[0].To.String(), nil, calls[0].Data)
	w.Chain.Mine(1)
}

// A sponsor that says no costs nothing: nothing is announced, no budget is used, and
// the direct way is there.
func TestSponsorRefuses(t *testing.T) {
	w, s := attend(t, webtest.Gasless{Provider: gasless.ProviderAlchemy, MaxCost: opCost, Budget: budgetOfOne})
	w.Gas.Gateway.Behave(gateway.Behaviour{Refuse: map[string]gateway.Refusal{userop.MethodAlchemy: {Code: -32000, Message: "the policy has no money HIDDEN"}}})
	for range 3 {
		_, op := s.Due()
		if _, refused := s.Manager(op); refused == nil || refused.Code != userop.CodeServer || refused.Data.Code != "sponsor_refused" || strings.Contains(refused.Message, "HIDDEN") {
			t.Errorf("%+v", refused)
		}
	}
	if r := plainly(w, s); r.Status != http.StatusOK {
		t.Errorf("the direct way: %d %s", r.Status, r.Body)
	}
	w.Gas.Gateway.Behave(frugal)
	s.Pay()
	once(t, w, s, 15_000_000)
}

// While an operation is held the payment cannot be made otherwise; when it is executed
// at last, it pays.
func TestOperationIsHeld(t *testing.T) {
	w, s := attend(t, webtest.Gasless{})
	op := grant(t, s)
	w.Gas.Gateway.Behave(gateway.Behaviour{Hold: true})
	hash := send(t, s, op)
	for range 3 {
		w.Chain.Mine(4)
		if r := plainly(w, s); r.Status != http.StatusConflict || r.JSON()["code"] != "op_pending" {
			t.Fatalf("the direct way: %d %s", r.Status, r.Body)
		}
	}
	if _, refused := s.Manager(op); refused == nil || refused.Data.Code != "op_pending" {
		t.Errorf("another operation: %+v", refused)
	}
	w.Gas.Gateway.Behave(gateway.Behaviour{})
	if again := send(t, s, op); again != hash {
		t.Errorf("sent again as %s", again)
	}
	ends(t, w, s.Payment, hash, payment.OpExecuted)
	once(t, w, s, 15_000_000)
}

// One that was dropped ends with its permit: then the payment can be made otherwise,
// and the operation cannot any more.
func TestOperationIsDropped(t *testing.T) {
	w, s := attend(t, webtest.Gasless{})
	op := grant(t, s)
	w.Gas.Gateway.Behave(gateway.Behaviour{Hold: true})
	hash := send(t, s, op)
	w.Chain.SetClock(func() time.Time { return time.Now().Add(13 * time.Minute) })
	a := ends(t, w, s.Payment, hash, payment.OpExpired)
	if a.Reason != payment.ReasonOpExpired || w.Load(s.Payment).Standing.State != payment.Open {
		t.Errorf("attempt: %+v", a)
	}
	if r := plainly(w, s); r.Status != http.StatusOK {
		t.Errorf("the direct way: %d %s", r.Status, r.Body)
	}
	w.PayOnChain(w.Chain.Wallet, s.Payment, 5_000_000)
	settle(w, s.Payment)
	w.Gas.Gateway.Behave(gateway.Behaviour{})
	if _, refused := s.Send(op); refused == nil || refused.Data.Code != "op_over" {
		t.Errorf("the operation after its end: %+v", refused)
	}
	once(t, w, s, 20_000_000)
}

// An operation whose calls fail has cost the sponsor and nobody else; the payer pays
// with the allowance that the stranger's permit has left.
func TestOperationFails(t *testing.T) {
	w, s := attend(t, webtest.Gasless{})
	in := newInbox(t, w)
	op := grant(t, s)
	usePermit(t, w, s, op)
	hash := send(t, s, op)
	a := ends(t, w, s.Payment, hash, payment.OpFailed)
	if a.Reason != payment.ReasonOpFailed || a.Op.Why != "EIP2612: invalid signature" {
		t.Errorf("attempt: %+v, %+v", a, a.Op)
	}
	holds(t, w, w.Gas.USDC(), map[string]int64{s.Address().String(): 20_000_000})
	m := in.await(w, "payment.failed", w.Load(s.Payment).Terms.Requests[0].ID)
	if m["subStatus"] == "" {
		t.Errorf("the webhook: %v", m)
	}
	f := s.Facts()
	if !f.Deployed || f.Allowance != "5000000" {
		t.Errorf("facts: %+v", f)
	}
	again := send(t, s, grant(t, s))
	ends(t, w, s.Payment, again, payment.OpExecuted)
	once(t, w, s, 15_000_000)
	noGas(t, w, s, f.Account)
}

// Of two operations with one nonce only one is executed. The other one's payment can be
// made again.
func TestOperationsClash(t *testing.T) {
	w, s := attend(t, webtest.Gasless{})
	second := s.For(w.CreatePayment("5"), usdcWay)
	one, two := grant(t, s), grant(t, second)
	send(t, s, one)
	if _, refused := second.Send(two); refused == nil || refused.Data.Code != "op_nonce" && refused.Data.Code != "op_deployed" {
		t.Errorf("the other: %+v", refused)
	}
	once(t, w, s, 15_000_000)
	w.Await("the second payment to be payable", func() bool {
		w.Chain.Mine(1)
		return plainly(w, second).Status == http.StatusOK
	})
	if p := w.Load(second.Payment); p.Standing.State != payment.Open || len(p.Attempts) != 1 || p.Attempts[0].Stage != payment.Abandoned {
		t.Errorf("the second payment: %+v, %+v", p.Standing, p.Attempts)
	}
	second.Pay()
	once(t, w, second, 10_000_000)
}

// One that waits while another of the account is executed has been replaced.
func TestOperationIsReplaced(t *testing.T) {
	w, s := attend(t, webtest.Gasless{})
	second := s.For(w.CreatePayment("5"), usdcWay)
	one, two := grant(t, s), grant(t, second)
	w.Gas.Gateway.Behave(gateway.Behaviour{Hold: true})
	hash := send(t, s, one)
	w.Gas.Gateway.Behave(gateway.Behaviour{})
	send(t, second, two)
	a := ends(t, w, s.Payment, hash, payment.OpReplaced)
	if a.Reason != payment.ReasonOpReplaced {
		t.Errorf("attempt: %+v", a)
	}
	once(t, w, second, 15_000_000)
	s.Pay()
	once(t, w, s, 10_000_000)
}

// A server that stops between the grant and the sending, and between the sending and
// the outcome, goes on where it was.
func TestServerStopsOnTheWay(t *testing.T) {
	t.Parallel()
	gas := webtest.Gasless{}
	o := webtest.Options{Database: "sqlite:" + filepath.Join(t.TempDir(), "kept.db"), Gasless: &gas}
	w := webtest.NewWith(t, o)
	gas.First, o.Chain = w.Gas, w.Chain
	s := w.Saver("payer", w.CreatePayment("5"), usdcWay, w.Gas.USDC(), 20_000_000)
	op := grant(t, s)
	w.Stop()

	w = webtest.NewWith(t, o)
	s = s.At(w)
	w.Gas.Gateway.Behave(gateway.Behaviour{Hold: true})
	hash := send(t, s, op)
	w.Stop()

	w = webtest.NewWith(t, o)
	s = s.At(w)
	if r := plainly(w, s); r.Status != http.StatusConflict {
		t.Errorf("the direct way: %d %s", r.Status, r.Body)
	}
	w.Gas.Gateway.Behave(gateway.Behaviour{})
	if again := send(t, s, op); again != hash {
		t.Errorf("sent again as %s", again)
	}
	w.Stop() // executed while nobody watches
	w.Chain.Mine(webtest.Confirmations + 1)

	w = webtest.NewWith(t, o)
	s = s.At(w)
	ends(t, w, s.Payment, hash, payment.OpExecuted)
	once(t, w, s, 15_000_000)
}
