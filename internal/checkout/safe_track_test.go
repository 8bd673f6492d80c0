package checkout_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// asks has a Safe ask for a payment's calls.
func (w *world) asks(p *payment.Payment, safe asset.Address, option string) *rail.Calls {
	w.t.Helper()
	_, in, err := w.Prepare(w.t.Context(), p.ID, option, rail.Payer{Wallet: safe, Safe: true})
	must(w.t, err)
	return in.(*rail.Calls)
}

func nameless(r *proposal) { r.Safe = asset.Address{} }

func coded(t *testing.T, err error, field, code string) {
	t.Helper()
	if f := fault.From(err); f == nil || f.Kind != fault.Invalid || f.Field != field || f.Code != code {
		t.Errorf("got %v, want %s on %s", err, code, field)
	}
}

func TestWhoseHashItIs(t *testing.T) {
	w := safeWorld(t)
	p := w.create(100)
	_, err := w.proposes(p, nameless).try()
	coded(t, err, "payerAddress", "safe_unknown")
	_, err = w.proposes(p, func(r *proposal) { r.Safe = payee }).try()
	coded(t, err, "payerAddress", "no_contract")

	// The Transaction Service knows.
	r := w.proposes(p, nameless)
	w.vault.service[r.Hash] = &checkout.SafeNews{Account: box, Tx: r.note.json(), Signatures: [][]byte{sign(keyTwo, r.Hash)}}
	a, _ := r.announce()
	if a.Payer != box.String() || a.Safe.Tx == nil || !slices.Equal(a.Safe.Signed, []string{keyTwo.String()}) {
		t.Errorf("from the service: %+v, %+v", a, a.Safe)
	}

	// The only one that asked.
	q := w.create(100)
	first := uint64(w.vault.head)
	w.asks(q, box, "one")
	w.until(2000)
	a, _ = w.proposes(q, nameless).announce()
	if a.Payer != box.String() || a.Safe.From != first || a.Safe.Threshold != 2 {
		t.Errorf("the only one that asked: %+v, %+v", a, a.Safe)
	}

	// Several: whoever it was. The transaction tells.
	q = w.create(100)
	w.asks(q, boxTwo, "one")
	w.pass(time.Second)
	w.asks(q, box, "one")
	a, args := w.proposes(q, nameless).announce()
	if a.Payer != "" || !slices.Equal(a.Safe.Among, []string{box.String(), boxTwo.String()}) {
		t.Errorf("several that asked: %+v, %+v", a, a.Safe)
	}
	w.vault.executes(base, box, a.Handle, 7, true, 2010)
	w.until(2010)
	w.trackSafe(args)
	if a = w.ends(q, payment.Executed, ""); a.Payer != box.String() || !slices.Equal(a.Safe.Among, []string{box.String()}) {
		t.Errorf("executed: %+v, %+v", a, a.Safe)
	}
	q = w.create(100)
	w.asks(q, boxTwo, "one")
	w.asks(q, box, "one")
	if a, _ = w.proposes(q, nameless, proves).announce(); a.Payer != box.String() || len(a.Safe.Owners) != 2 {
		t.Errorf("one that the transaction tells: %+v, %+v", a, a.Safe)
	}
	// On another chain nobody has asked.
	_, err = w.proposes(w.create(100), nameless, across).try()
	coded(t, err, "payerAddress", "safe_unknown")
}

// Of several, a stranger's Safe can say what it likes of a hash, and fails nothing.
func TestAStrangersSafeSaysItFailed(t *testing.T) {
	w := safeWorld(t)
	p := w.create(100)
	w.asks(p, box, "one")
	w.asks(p, boxTwo, "one")
	a, args := w.proposes(p, nameless).announce()
	w.vault.executes(base, boxTwo, a.Handle, 7, false, 1010)
	w.until(1010)
	w.trackSafe(args)
	w.stands(p, payment.Open, false)
	w.told(p, "announced", "broken")
}

func TestTransactionsThatPaySomethingElse(t *testing.T) {
	w := safeWorld(t)
	p, other := w.create(100), w.create(100)
	foreign := func(r *proposal) { r.note = paying(other, 7, time.Time{}) }
	_, err := w.proposes(p, proves, foreign).try()
	coded(t, err, "safeTx", "safe_tx_foreign")
	r := w.proposes(p, proves)
	r.Hash = hash(5)
	_, err = r.try()
	coded(t, err, "safeTx", "safe_hash")
	r.Tx = []byte("{")
	_, err = r.try()
	coded(t, err, "safeTx", "safe_tx_invalid")
	r.Tx = []byte(strings.Repeat(" ", 65<<10))
	_, err = r.try()
	coded(t, err, "safeTx", "safe_tx_invalid")

	// As the Transaction Service tells.
	r = w.proposes(p, foreign)
	w.vault.service[r.Hash] = &checkout.SafeNews{Account: box, Tx: r.note.json()}
	_, err = r.try()
	coded(t, err, "safeTxHash", "safe_tx_foreign")
	// It may lie: the hash proves.
	w.vault.service[r.Hash] = &checkout.SafeNews{Account: box, Tx: paying(p, 7, time.Time{}).json()}
	if a, _ := r.announce(); a.Safe.Tx != nil {
		t.Errorf("a lie was believed: %s", a.Safe.Tx)
	}
	// And tell later.
	w.vault.service[r.Hash] = &checkout.SafeNews{Account: box, Tx: r.note.json()}
	w.until(1100)
	if again := w.trackSafe(checkout.Follow{Payment: p.ID, Key: fmt.Sprintf("safe:%d:%s", base, r.Hash)}.Args()); !again.IsZero() {
		t.Errorf("followed on at %v", again)
	}
	w.ends(p, payment.Abandoned, "safe_tx_foreign")
	w.stands(p, payment.Open, false)
	w.told(p, "announced", "broken")
}

func TestWordsThatAreRefused(t *testing.T) {
	w := safeWorld(t)
	p := w.create(100)
	for name, c := range map[string]struct {
		says        func(*proposal)
		field, code string
	}{
		"no hash":        {func(r *proposal) { r.Hash = "0x12" }, "safeTxHash", "invalid_safe_tx_hash"},
		"no chain":       {func(r *proposal) { r.Chain, r.Hash = 5, hash(1) }, "chain", "unknown_chain"},
		"a passed time":  {by(begin), "safePaymentDeadline", "invalid_deadline"},
		"this very time": {by(w.now()), "safePaymentDeadline", "invalid_deadline"},
	} {
		_, err := w.proposes(p, c.says).try()
		t.Run(name, func(t *testing.T) { coded(t, err, c.field, c.code) })
	}
	a, _ := w.proposes(p, func(r *proposal) { r.Hash = "0x" + strings.Repeat("AB", 32) }).announce()
	if a.Handle != "0x"+strings.Repeat("ab", 32) {
		t.Errorf("announced as %s", a.Handle)
	}
	must(t, w.Cancel(t.Context(), owner, p.ID))
	if _, err := w.proposes(p).try(); !fault.Is(err, fault.Forbidden) {
		t.Errorf("for one that was called off: %v", err)
	}
	w.vault = nil
	w.restart()
	_, err := w.proposes(p).try()
	coded(t, err, "safeTxHash", "safe_unsupported")
	_, _, err = w.Prepare(t.Context(), p.ID, "", rail.Payer{Wallet: box, Safe: true})
	coded(t, err, "isSafe", "safe_unsupported")
}

// The contracts' own deadline counts, if it is the sooner.
func TestDeadlineOfTheContracts(t *testing.T) {
	soon, late := block(1100, 0).Time, block(1200, 0).Time
	for _, c := range []struct{ said, proven, want time.Time }{
		{time.Time{}, soon, soon}, {late, soon, soon}, {soon, late, soon}, {soon, time.Time{}, soon},
	} {
		w := safeWorld(t)
		p := w.create(100)
		a, _ := w.proposes(p, across, proves, by(c.said), func(r *proposal) { r.note = paying(p, 7, c.proven) }).announce()
		if !a.Safe.Deadline.Equal(c.want) || !a.Until.Equal(c.want) {
			t.Errorf("said %v, proven %v: until %v", c.said, c.proven, a.Until)
		}
	}
}

// A chain that does not answer keeps nobody from announcing whose Safe has asked.
func TestAnnouncedWhileTheChainIsSilent(t *testing.T) {
	w := safeWorld(t)
	p := w.create(100)
	unavailable := fault.New(fault.Unavailable, "chain_unavailable", "No answer.")
	w.vault.set(func() { w.vault.dead = unavailable })
	if _, err := w.proposes(p).try(); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v, want Unavailable", err)
	}
	w.vault.set(func() { w.vault.dead = nil })
	w.asks(p, box, "one")
	w.vault.set(func() { w.vault.dead = unavailable })
	a, args := w.proposes(p).announce()
	if a.Safe.Current != nil || a.Safe.From == 0 {
		t.Errorf("announced %+v", a.Safe)
	}
	if again := w.trackSafe(args); again.Before(w.now().Add(30 * time.Second)) {
		t.Errorf("hurried on at %v", again)
	}
	w.stands(p, payment.Open, true)
	w.vault.set(func() { w.vault.dead = nil })
	w.trackSafe(args)
	if a = w.ends(p, payment.Announced, ""); a.Safe.Threshold != 2 || *a.Safe.Current != 7 {
		t.Errorf("then %+v", a.Safe)
	}
}

// What the service tells of a transaction that is pending.
func TestNewsOfSignatures(t *testing.T) {
	w := safeWorld(t)
	p := w.create(100)
	r := w.proposes(p, anonymous)
	a, args := r.announce()
	w.vault.set(func() {
		w.vault.service[a.Handle] = &checkout.SafeNews{Account: box, Tx: r.note.json(), Signatures: [][]byte{sign(keyTwo, a.Handle), sign(payee, a.Handle)}}
	})
	for range 5 {
		w.trackSafe(args) // it is not asked in the first moments
	}
	if w.vault.asks != 1 {
		t.Errorf("asked %d times", w.vault.asks)
	}
	w.until(1030)
	w.trackSafe(args)
	w.trackSafe(args)
	if a = w.ends(p, payment.Announced, ""); !slices.Equal(a.Safe.Signed, []string{keyTwo.String()}) || *a.Safe.Nonce != 7 || a.Decides || a.Safe.Tx == nil {
		t.Errorf("heard %+v", a.Safe)
	}
	// An owner who is none any more has not signed.
	w.vault.set(func() {
		w.vault.mute = errSilent
		w.vault.safes[base][box].Owners, w.vault.safes[base][box].Nonce = []asset.Address{keyOne}, 5
	})
	if again := w.trackSafe(args); again.Before(w.now().Add(30 * time.Second)) {
		t.Errorf("a silent service is hurried, at %v", again)
	}
	if a = w.ends(p, payment.Announced, ""); len(a.Safe.Signed) != 0 || len(a.Safe.Owners) != 1 || *a.Safe.Current != 5 {
		t.Errorf("read %+v", a.Safe)
	}
}

// The service's word of an execution is looked up, while blocks are still searched.
func TestHintsWhileSearching(t *testing.T) {
	for _, final := range []bool{true, false} {
		w := safeWorld(t)
		p := w.create(100)
		a, args := w.proposes(p, proves).announce()
		tx := w.vault.executes(base, box, a.Handle, 7, true, 2000)
		w.until(1900)
		if final {
			w.until(2000)
		}
		w.vault.set(func() {
			w.vault.perLook = 2
			w.vault.service[a.Handle] = &checkout.SafeNews{Account: box, Tx: a.Safe.Tx, ExecutedBy: strings.ToUpper(tx[:1]) + tx[1:]}
		})
		w.trackSafe(args)
		stage := payment.Announced
		if final {
			stage = payment.Executed
		}
		if got := w.ends(p, stage, ""); got.Safe.ExecutedBy != tx {
			t.Errorf("final %t: executed by %q", final, got.Safe.ExecutedBy)
		}
	}
}

// A long stretch is searched in pieces, over several runs, and written down.
func TestLongSearches(t *testing.T) {
	w := safeWorld(t)
	p := w.create(100)
	a, args := w.proposes(p).announce()
	w.vault.executes(base, box, a.Handle, 7, true, 3000)
	w.vault.set(func() { w.vault.perLook = 40 })
	w.until(3100)
	runs := 0
	for again := w.trackSafe(args); !again.IsZero(); again = w.trackSafe(args) {
		if runs++; runs > 10 {
			t.Fatal("it gets nowhere")
		}
		w.restart()
	}
	if w.ends(p, payment.Executed, ""); runs < 3 || w.vault.looks > 90 {
		t.Errorf("%d runs, %d looks", runs, w.vault.looks)
	}
}

// Answers that make no sense are none.
func TestLiesOfTheChain(t *testing.T) {
	for name, lie := range map[string]func(*checkout.SafeSight){
		"of another account": func(s *checkout.SafeSight) {
			s.SafeOutcome = checkout.SafeOutcome{Fate: checkout.SafeFailed, Account: boxTwo, Tx: hash(1), At: begin, Final: true}
		},
		"not final": func(s *checkout.SafeSight) {
			s.SafeOutcome = checkout.SafeOutcome{Fate: checkout.SafeFailed, Account: box, Tx: hash(1), At: begin}
		},
		"without a transaction": func(s *checkout.SafeSight) {
			s.SafeOutcome = checkout.SafeOutcome{Fate: checkout.SafeExecuted, Account: box, At: begin, Final: true}
		},
		"without a time": func(s *checkout.SafeSight) {
			s.SafeOutcome = checkout.SafeOutcome{Fate: checkout.SafeFailed, Account: box, Tx: hash(1), Final: true}
		},
		"of a strange fate": func(s *checkout.SafeSight) {
			s.SafeOutcome = checkout.SafeOutcome{Fate: "stolen", Account: box, Tx: hash(1), At: begin, Final: true}
		},
		"replaced by nothing": func(s *checkout.SafeSight) {
			s.SafeOutcome = checkout.SafeOutcome{Fate: checkout.SafeReplaced, Tx: "x", Account: box, At: begin, Final: true}
		},
		"back in time": func(s *checkout.SafeSight) { s.Next = 3 },
	} {
		t.Run(name, func(t *testing.T) {
			w := safeWorld(t)
			p := w.create(100)
			w.asks(p, box, "one")
			_, args := w.proposes(p, proves, by(block(1100, 0).Time)).announce()
			w.vault.lie = lie
			w.until(1050)
			if again := w.trackSafe(args); again.Before(w.now().Add(30 * time.Second)) {
				t.Errorf("again at %v", again)
			}
			w.stands(p, payment.Open, true)
			w.ends(p, payment.Announced, "")
		})
	}
	w := safeWorld(t)
	p := w.create(100)
	_, args := w.proposes(p).announce()
	w.vault.lie = func(s *checkout.SafeSight) {
		s.Ahead = &checkout.SafeOutcome{Fate: checkout.SafeExecuted, Account: boxTwo, Tx: hash(1), At: begin}
	}
	w.trackSafe(args)
	if a := w.ends(p, payment.Announced, ""); a.Safe.ExecutedBy != "" {
		t.Errorf("executed by %q", a.Safe.ExecutedBy)
	}
}

// An execution in a block that goes away is forgotten.
func TestExecutionTakenBack(t *testing.T) {
	w := safeWorld(t)
	p := w.create(100)
	a, args := w.proposes(p, proves).announce()
	w.vault.executes(base, box, a.Handle, 7, true, 1010)
	w.trackSafe(args)
	if a = w.ends(p, payment.Announced, ""); a.Safe.ExecutedBy == "" {
		t.Error("it was not seen")
	}
	w.vault.set(func() { w.vault.done = nil })
	w.until(1020)
	w.trackSafe(args)
	if a = w.ends(p, payment.Announced, ""); a.Safe.ExecutedBy != "" {
		t.Errorf("executed by %q", a.Safe.ExecutedBy)
	}
	w.stands(p, payment.Open, true)
}

func TestPausesOfSafesGrow(t *testing.T) {
	w := safeWorld(t)
	p := w.create(100)
	_, args := w.proposes(p, by(p.Terms.ExpiresAt.Add(-time.Second))).announce()
	var pauses []time.Duration
	for again := w.trackSafe(args); !again.IsZero(); again = w.trackSafe(args) {
		pause := again.Sub(w.now())
		pauses = append(pauses, pause)
		w.pass(pause)
		w.vault.mined(int(w.now().Sub(begin)/time.Second) - 30) // blocks are final after half a minute
		if len(pauses) > 300 {
			t.Fatal("it never ends")
		}
	}
	w.stands(p, payment.Failed, false)
	i := slices.IndexFunc(pauses, func(d time.Duration) bool { return d == time.Minute })
	if i < 0 || !slices.IsSorted(pauses[:i]) || pauses[0] != time.Second || pauses[len(pauses)-1] > 5*time.Second || len(pauses) > 200 {
		t.Errorf("%d pauses: %v", len(pauses), pauses)
	}
	if end := p.Terms.ExpiresAt.Add(60 * time.Second); w.now().After(end) {
		t.Errorf("that it was too late was seen at %v", w.now())
	}
}

func TestTrackNoSafe(t *testing.T) {
	w := safeWorld(t)
	p := w.create(100)
	for args, kind := range map[string]fault.Kind{"": fault.Invalid, "x": fault.Invalid, "x safe:1": fault.NotFound} {
		if _, err := w.TrackSafe(t.Context(), args); !fault.Is(err, kind) {
			t.Errorf("%q: %v, want %s", args, err, kind)
		}
	}
	if again := w.trackSafe(string(p.ID) + " safe:1"); !again.IsZero() {
		t.Errorf("nothing is followed on at %v", again)
	}
	_, args := w.proposes(p).announce()
	safes := w.vault
	w.vault = nil
	w.restart()
	if again := w.trackSafe(args); !again.Equal(w.now().Add(time.Hour)) {
		t.Errorf("without Safes: again at %v", again)
	}
	w.stands(p, payment.Open, true)
	w.vault = safes
	w.vault.dead = errSilent // for good
	w.restart()
	w.pass(48 * time.Hour)
	if again := w.trackSafe(args); !again.IsZero() {
		t.Errorf("followed for ever: %v", again)
	}
}
