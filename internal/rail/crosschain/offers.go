package crosschain

import (
	"context"
	"fmt"
	"math/big"
	"sync"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/lifi"
	"quittance/internal/payment"
)

// offer is a route that was asked for, read and found to do what it must.
type offer struct {
	way
	step    lifi.Step
	call    *lifi.Call
	intent  lifi.Intent
	deposit *big.Int // base units of the payer's asset that leave him
	valid   lifi.Validity
}

// question is what offers are kept by: whoever asks the same gets the same.
type question struct {
	payment payment.ID
	option  string
	wallet  asset.Address
	owner   asset.Address // of a smart account, zero for others
	terms   string        // everything that the payment's call says
}

// How much is kept. An offer has some 20 kB; what a service sends may be larger.
const (
	maxOffers     = 1000
	maxOfferBytes = 32 << 20

	// noneLife is how long "there is no route" holds: a page that is loaded again
	// at once does not use up what may be asked.
	noneLife = 20 * time.Second
)

// offers remembers what was asked. Whoever asks for what is being asked already
// waits for that, and what was asked is answered even if nobody waits any more:
// a payer's patience says nothing about the service, and he may ask again.
type offers struct {
	mu      sync.Mutex
	by      map[question]*asked
	order   []question // of answers, oldest first
	bytes   int        // of answers
	closed  bool
	asking  sync.WaitGroup
	life    context.Context // of all that is being asked
	endLife context.CancelFunc
}

// asked is one question to the service. Its fields are set before done is
// closed, and never after.
type asked struct {
	done  chan struct{}
	offer *offer // nil with an error
	err   error
	until time.Time // zero if the answer is not kept
	size  int
}

func newOffers() *offers {
	o := &offers{by: map[question]*asked{}}
	o.life, o.endLife = context.WithCancel(context.Background())
	return o
}

// close ends what is being asked and waits for it. Nothing is asked afterwards.
func (o *offers) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.endLife()
	o.asking.Wait()
}

// get returns the remembered answer if it is good at the given time, else a new one.
func (o *offers) get(ctx context.Context, q question, now func() time.Time, left time.Duration, ask func(context.Context) (*offer, error)) (*offer, error) {
	a := o.claim(q, now, left, ask)
	select {
	case <-a.done:
		return a.offer, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// claim finds a question that was put and is still good, or puts it.
func (o *offers) claim(q question, now func() time.Time, left time.Duration, ask func(context.Context) (*offer, error)) *asked {
	o.mu.Lock()
	defer o.mu.Unlock()
	if a := o.by[q]; a != nil {
		select {
		case <-a.done:
			if a.offer == nil {
				left = 0
			}
			if now().Add(left).Before(a.until) {
				return a
			}
			o.drop(q)
		default:
			return a
		}
	}
	a := &asked{done: make(chan struct{})}
	if o.closed {
		a.err = fault.New(fault.Unavailable, codeUnavailable, "The server is about to stop. Please try again in a moment.")
		close(a.done)
		return a
	}
	o.by[q] = a
	o.asking.Go(func() { o.answer(q, a, now, ask) })
	return a
}

// answer puts the question and keeps what comes of it. A panic is an error of
// this question alone.
func (o *offers) answer(q question, a *asked, now func() time.Time, ask func(context.Context) (*offer, error)) {
	defer func() {
		if v := recover(); v != nil {
			a.offer, a.err, a.until = nil, fmt.Errorf("asking for a route: panic: %v", v), time.Time{}
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		close(a.done)
		if a.until.IsZero() {
			delete(o.by, q)
			return
		}
		o.order, o.bytes = append(o.order, q), o.bytes+a.size
		for len(o.order) > maxOffers || o.bytes > maxOfferBytes {
			o.drop(o.order[0])
		}
	}()
	a.offer, a.err = ask(o.life)
	switch {
	case a.err == nil:
		a.until, a.size = a.offer.valid.Fresh, len(a.offer.step.Raw)+2*len(a.offer.step.Transaction.Data)
	case fault.Is(a.err, fault.NotFound):
		a.until = now().Add(noneLife)
	}
}

// drop forgets an answer.
func (o *offers) drop(q question) {
	o.bytes -= o.by[q].size
	delete(o.by, q)
	for i := range o.order {
		if o.order[i] == q {
			o.order = append(o.order[:i], o.order[i+1:]...)
			return
		}
	}
}
