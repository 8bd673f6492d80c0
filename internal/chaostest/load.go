//go:build linux

package chaostest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

const (
	// blockTime is longer than a second, by which each block is later than the one before.
	blockTime = 1200 * time.Millisecond
	creators  = 3
	// pace is between two payments of one creator.
	pace = 60 * time.Millisecond
	// afterwards is when the rest is sent, and what comes too late.
	afterwards = 3 * time.Second
	tabs       = 10
)

// load is what goes on while faults happen. Clients that have begun something finish it when
// the load is stopped: what they know is then what the server has to know.
type load struct {
	s    *Suite
	stop chan struct{}
	pay  chan *order
	tab  chan *order
	bank chan bankTransfer
	over sync.WaitGroup // creators
	rear sync.WaitGroup // payers and tabs, who work on what creators leave
	last sync.WaitGroup // the bank, which works on what payers leave
}

// begin starts a load. Its random choices are those of the seed and the round.
func (s *Suite) begin(round uint64) *load {
	l := &load{s: s, stop: make(chan struct{}), pay: make(chan *order, 1024), tab: make(chan *order, tabs), bank: make(chan bankTransfer, 1024)}
	for i := range creators {
		random := rand.New(rand.NewPCG(s.c.Seed, 100*round+uint64(i)+10))
		l.over.Go(func() { l.shopping(random, fmt.Sprintf("r%d-c%d", round, i)) })
	}
	payers := rand.New(rand.NewPCG(s.c.Seed, 100*round+50))
	l.rear.Go(func() { l.paying(payers) })
	banks := rand.New(rand.NewPCG(s.c.Seed, 100*round+51))
	l.last.Go(func() { l.banking(banks) })
	for i := range tabs {
		random := rand.New(rand.NewPCG(s.c.Seed, 100*round+uint64(i)+60))
		l.rear.Go(func() {
			for o := range l.tab {
				s.follow(random, o)
			}
		})
	}
	return l
}

// end stops making payments and waits until payers have paid and tabs have seen it.
func (l *load) end() {
	close(l.stop)
	l.over.Wait()
	close(l.pay)
	close(l.tab)
	l.rear.Wait()
	close(l.bank)
	l.last.Wait()
}

// shopping is a shop's client that makes one payment after the other.
func (l *load) shopping(r *rand.Rand, name string) {
	ctx := context.Background()
	for i := 0; ; i++ {
		select {
		case <-l.stop:
			return
		case <-time.After(rand.N(2 * pace)):
		}
		o := l.s.order(r, fmt.Sprintf("%s-%d", name, i))
		var twin *order
		var twins sync.WaitGroup
		if r.IntN(8) == 0 { // the client lost patience, and both its requests arrive
			other := *o
			twin = &other
			beside := rand.New(rand.NewPCG(r.Uint64(), 1))
			twins.Go(func() { l.s.create(ctx, beside, twin) })
		}
		ok := l.s.create(ctx, r, o)
		twins.Wait()
		if !ok {
			continue
		}
		if twin != nil && !bytes.Equal(twin.answer, o.answer) {
			l.s.fail("key %s was answered %s, and at the same time %s", o.key, o.answer, twin.answer)
		}
		l.s.book.add(o)
		if r.IntN(6) == 0 {
			l.s.repeat(ctx, r, o)
		}
		if o.plan == nothing {
			continue
		}
		select {
		case l.pay <- o:
		default: // payers are busy: it stays unpaid
			continue
		}
		if o.shop.dialect == request && o.plan != partThenRest {
			select {
			case l.tab <- o:
			default:
			}
		}
	}
}

// order is a payment that a shop wants.
func (s *Suite) order(r *rand.Rand, key string) *order {
	o := &order{key: key, cents: 100 + r.Int64N(2000), shop: s.shops[r.IntN(2)]}
	switch n := r.IntN(20); {
	case n < 3:
		o.shop, o.plan = s.shops[2], []plan{nothing, exact, exact, partThenRest, double, late}[r.IntN(6)]
		return o
	case n < 7:
		o.shop, o.plan = s.shops[3], []plan{nothing, byBank, byBank, byStatement, byStatement, exact, exact, partThenRest, double}[r.IntN(9)]
		return o
	}
	o.plan = []plan{nothing, nothing, nothing, nothing, nothing, exact, exact, partThenRest, double}[r.IntN(9)]
	return o
}

// paying is everybody who pays.
func (l *load) paying(r *rand.Rand) {
	type remainder struct {
		o      *order
		at     time.Time
		amount *big.Int
	}
	var rests []remainder
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	orders := l.pay
	for orders != nil || len(rests) > 0 {
		select {
		case o, open := <-orders:
			if !open {
				orders = nil
				continue
			}
			if o.plan == byStatement {
				if t, ok := l.s.wired(r, o); ok {
					l.bank <- t
				}
				continue
			}
			if !l.s.payFirst(r, o) {
				continue
			}
			switch at := time.Now().Add(afterwards); o.plan {
			case partThenRest:
				rests = append(rests, remainder{o, at, o.half(true)})
			case late:
				rests = append(rests, remainder{o, at, o.due})
			case nothing, exact, double, byBank, byStatement:
			}
		case <-tick.C:
		}
		for len(rests) > 0 && time.Now().After(rests[0].at) {
			l.s.send(rests[0].o, rests[0].amount)
			rests = rests[1:]
		}
	}
}

// half is the first or the second half of what is due.
func (o *order) half(second bool) *big.Int {
	h := new(big.Int).Rsh(o.due, 1)
	if second {
		return h.Sub(o.due, h)
	}
	return h
}

// payFirst has a payer, or for a bank the shop, do what is planned but for the rest.
func (s *Suite) payFirst(r *rand.Rand, o *order) bool {
	switch {
	case o.plan == byBank:
		return s.confirm(r, o)
	case o.plan == late:
		return s.cancel(r, o)
	case o.shop.dialect == request && !s.prepare(r, o), o.shop.dialect == secpaid && !s.quote(r, o):
		return false
	}
	switch o.plan {
	case partThenRest:
		s.send(o, o.half(false))
	case double:
		s.send(o, o.due)
		s.send(o, o.due)
	default:
		s.send(o, o.due)
	}
	return true
}

// send puts money on its way.
func (s *Suite) send(o *order, amount *big.Int) {
	var tx string
	if o.shop.dialect == request {
		tx = s.c.Chain.Send(o.to, amount, o.data)
	} else {
		tx = s.c.Chain.Transfer(s.c.USDC, o.address, amount)
	}
	s.book.paid(o, tx, amount)
}

// prepare asks what the payer has to sign, until some node says it.
func (s *Suite) prepare(r *rand.Rand, o *order) bool {
	path := "/v2/secure-payments/" + o.id + "/pay?wallet=" + s.c.Chain.Wallet.Address()
	var status int
	var answer []byte
	for begun := time.Now(); time.Since(begun) < lastTry; pause(context.Background(), 20*time.Millisecond) {
		if status, answer = s.call(context.Background(), s.any(r), http.MethodGet, path, "", o.shop.header()); status == http.StatusOK {
			break
		}
		if status != 0 && status < 500 {
			break
		}
	}
	var v struct {
		Transactions []struct{ To, Data, Value string }
	}
	if status != http.StatusOK || json.Unmarshal(answer, &v) != nil || len(v.Transactions) != 1 {
		s.fail("calldata of %s (%s): %d %s", o.key, o.id, status, answer)
		return false
	}
	data, err := unhex(v.Transactions[0].Data)
	o.to, o.data, o.due = v.Transactions[0].To, data, integer(v.Transactions[0].Value)
	if err != nil || o.due == nil {
		s.fail("calldata of %s: %s", o.key, answer)
		return false
	}
	return true
}

// cancel calls a payment off for its shop.
func (s *Suite) cancel(r *rand.Rand, o *order) bool {
	var status int
	var answer []byte
	for begun := time.Now(); time.Since(begun) < lastTry; pause(context.Background(), 20*time.Millisecond) {
		path := "/v1/external/secretkey-auth/payments/" + o.id
		status, answer = s.call(context.Background(), s.any(r), http.MethodPost, path+"/cancel", "", o.shop.header())
		if status == http.StatusOK || bytes.Contains(answer, []byte("cancelled")) {
			return true
		}
	}
	s.fail("%s (%s) could not be called off: %d %s", o.key, o.id, status, answer)
	return false
}

// confirm has the shop say once, or in two parts, that a link's money is on its account.
func (s *Suite) confirm(r *rand.Rand, o *order) bool {
	parts := []int64{o.cents}
	if r.IntN(3) == 0 {
		parts = []int64{o.cents / 3, o.cents - o.cents/3}
	}
	for i, cents := range parts {
		body := fmt.Sprintf(`{"link_id":%s,"amount":%d.%02d}`, o.id, cents/100, cents%100)
		h := o.shop.header()
		h.Set("Idempotency-Key", fmt.Sprintf("%s-confirm-%d", o.key, i))
		if _, ok := s.insist(context.Background(), r, o, "/api/v2/confirmBankTransfer", body, h); !ok {
			return false
		}
		s.book.confirmed(o, cents)
	}
	return true
}
