package storetest

import (
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/job"
	"quittance/internal/payment"
)

// safeTx is a Safe transaction of which nothing is left out.
func safeTx() *payment.Safe {
	nonce, current := uint64(1<<63+7), uint64(0)
	return &payment.Safe{
		Among: []string{address(1).String(), address(2).String()}, Nonce: &nonce, Current: &current,
		Tx:     json.RawMessage(`{"to":"0x00000000000000000000000000000000000000AB","value":"115792089237316195423570985008687907853269984665640564039457584007913129639935","data":"0x","note":"\u0000☕"}`),
		Signed: []string{address(3).String()}, Owners: []string{address(3).String(), address(4).String()}, Threshold: 2,
		Deadline: start.Add(time.Hour), Guessed: true, Vouched: true, From: 100, Next: 1 << 62, ExecutedBy: hash(5), Ended: start.Add(time.Minute),
	}
}

func (f *fixture) asked(t testing.TB, xs ...checkout.SafeAsked) {
	t.Helper()
	f.write(t, func(tx checkout.Tx) error {
		for _, x := range xs {
			if err := tx.PutSafeAsked(t.Context(), x); err != nil {
				return err
			}
		}
		return nil
	})
}

func (f *fixture) safesAsked(t testing.TB, id payment.ID, on asset.ChainID) []checkout.SafeAsked {
	t.Helper()
	xs, err := f.SafesAsked(t.Context(), id, on)
	must(t, err)
	return xs
}

var safes = map[string]func(*testing.T, *fixture){
	"what is known of a Safe transaction comes out as it went in": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		full := payment.Attempt{
			Key: "safe:1:1", Kind: "safe_tx", Chain: chain, Handle: hash(1), Stage: payment.Announced, Decides: true,
			Until: start.Add(time.Hour), At: start, Payer: address(1).String(), Safe: safeTx(),
		}
		bare := payment.Attempt{
			Key: "safe:1:2", Kind: "safe_tx", Chain: chain, Handle: hash(2), Stage: payment.Announced, At: start,
			Safe: &payment.Safe{Among: []string{address(1).String()}, Next: 3},
		}
		for _, a := range []payment.Attempt{full, bare} {
			if !f.attempt(t, p.ID, a) || f.attempt(t, p.ID, a) {
				t.Error("the first time is a change, the second is none")
			}
		}
		exact(t, "stored", f.load(t, p.ID).Attempts, []payment.Attempt{full, bare})
		exact(t, "on another node", f.node(t).load(t, p.ID).Attempts, []payment.Attempt{full, bare})
		bare.Safe = &payment.Safe{Among: bare.Safe.Among, Next: 4}
		if !f.attempt(t, p.ID, bare) {
			t.Error("that the search has got further is no change")
		}
		full.Stage, full.Safe = payment.Abandoned, nil
		if !f.attempt(t, p.ID, full) {
			t.Error("that it is no Safe's is no change")
		}
		exact(t, "changed", f.load(t, p.ID).Attempts, []payment.Attempt{full, bare})
	},

	"Safes that asked are remembered, the newest first": func(t *testing.T, f *fixture) {
		p, other := f.payment(t, 1), f.payment(t, 1)
		ask := func(safe, minute int) checkout.SafeAsked {
			return checkout.SafeAsked{Payment: p.ID, Chain: chain, Safe: address(safe), Block: uint64(1000 + minute), At: start.Add(time.Duration(minute) * time.Minute)}
		}
		exact(t, "before any", f.safesAsked(t, p.ID, chain), []checkout.SafeAsked(nil))
		elsewhere := ask(9, 1)
		elsewhere.Chain = 137
		f.asked(t, ask(1, 1), ask(2, 2), elsewhere)
		exact(t, "two", f.safesAsked(t, p.ID, chain), []checkout.SafeAsked{ask(2, 2), ask(1, 1)})
		f.asked(t, ask(1, 3))
		again := ask(1, 3)
		again.Block = 1001 // nothing of it was executed before it first asked
		exact(t, "again", f.node(t).safesAsked(t, p.ID, chain), []checkout.SafeAsked{again, ask(2, 2)})
		f.asked(t, ask(1, 2)) // was slower
		exact(t, "late", f.safesAsked(t, p.ID, chain), []checkout.SafeAsked{again, ask(2, 2)})
		for safe := 3; safe <= 6; safe++ {
			f.asked(t, ask(safe, safe+1))
		}
		exact(t, "five", f.safesAsked(t, p.ID, chain), []checkout.SafeAsked{ask(6, 7), ask(5, 6), ask(4, 5), ask(3, 4), again})
		exact(t, "on another chain", f.safesAsked(t, p.ID, 137), []checkout.SafeAsked{elsewhere})
		exact(t, "of another payment", f.safesAsked(t, other.ID, chain), []checkout.SafeAsked(nil))
		if n := Rows(t, f.dsn)["safes_asked"]; n != 6 {
			t.Errorf("%d rows are kept, want 6", n)
		}
	},

	"many ask at the same time": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		var asking sync.WaitGroup
		for _, node := range []*fixture{f, f.node(t)} {
			for i := range 12 {
				asking.Go(func() {
					err := node.Write(t.Context(), func(tx checkout.Tx) error {
						if _, err := tx.Payment(t.Context(), p.ID); err != nil {
							return err
						}
						return tx.PutSafeAsked(t.Context(), checkout.SafeAsked{Payment: p.ID, Chain: chain, Safe: address(i), Block: 1, At: start.Add(time.Duration(i) * time.Second)})
					})
					if err != nil {
						t.Error(err)
					}
				})
			}
		}
		asking.Wait()
		got := f.safesAsked(t, p.ID, chain)
		if len(got) != 5 || got[0].Safe != address(11) || Rows(t, f.dsn)["safes_asked"] != 5 {
			t.Errorf("kept %+v", got)
		}
	},

	"nobody asked for an unknown payment": func(t *testing.T, f *fixture) {
		err := f.Write(t.Context(), func(tx checkout.Tx) error {
			return tx.PutSafeAsked(t.Context(), checkout.SafeAsked{Payment: "01KE0000000000000000000000", Chain: chain, Safe: address(1), At: start})
		})
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("got %v, want NotFound", err)
		}
	},

	"a Safe transaction is followed in a lane of its own": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		follow := checkout.Follow{Kind: checkout.SafeTrackKind, Payment: p.ID, Key: "safe:137:" + hash(1), Chain: 137, At: start}
		if err := f.Write(t.Context(), func(tx checkout.Tx) error { return errors.Join(tx.Follow(t.Context(), follow), errRollback) }); err == nil {
			t.Fatal("no error")
		}
		f.write(t, func(tx checkout.Tx) error { return tx.Follow(t.Context(), follow) })
		jobs, err := f.Claim(t.Context(), start, time.Minute, job.Room{Free: 5, Laned: 5, PerLane: 5})
		must(t, err)
		if len(jobs) != 1 || jobs[0].Kind != "safe.track" || jobs[0].Args != string(p.ID)+" safe:137:"+hash(1) || jobs[0].Lane != "safe.track 137" {
			t.Errorf("jobs %+v", jobs)
		}
	},
}
