package collect

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"quittance/internal/chain"
	"quittance/internal/sweep"
)

// State is what became of a transaction of a plan.
type State string

// The states. Only Mined and Failed are an end.
const (
	Mined     State = "mined"
	Failed    State = "failed"    // in a block, and it did nothing
	Sent      State = "sent"      // handed in, not in a block yet
	Refused   State = "refused"   // the chain's node does not take it
	Overtaken State = "overtaken" // another transaction of its sender has its place: make a new plan
	Waiting   State = "held"      // one before it of the same sender is not through
	Unsigned  State = "unsigned"
)

// Step is one transaction of a plan, and what became of it.
type Step struct {
	Number int // in the plan, from 1
	sweep.Transfer
	Hash   string // "" if unsigned
	State  State
	Detail string // why, if there is something to say
}

// ErrUnfinished is that not all of a plan is through.
var ErrUnfinished = errors.New("not all of the plan is through: sign what is missing, and send again")

const (
	lookEvery     = 500 * time.Millisecond
	maxSaid       = 200 // bytes of what a node says
	methodSendRaw = "eth_sendRawTransaction"
)

// Send hands a plan's signed transactions to its chain, in order, waits for them, and
// reports what became of each. It may be run again: what is in a block already is found
// there, and the same transaction is never executed twice.
//
// Errors: sweep.ErrForeign, sweep.ErrTwice; ErrUnfinished.
func Send(ctx context.Context, node chain.Batcher, p sweep.Plan, signed [][]byte, patience time.Duration, report func(Step)) error {
	ready, _, err := p.Match(signed)
	if err != nil {
		return err
	}
	m := mover{node: node, steps: stepsOf(p, ready), raw: map[int][]byte{}}
	for _, r := range ready {
		m.raw[m.find(r)] = r.Raw
	}
	for _, kind := range []sweep.Kind{sweep.Fund, sweep.Token, sweep.Native} {
		if err := m.group(ctx, kind, patience); err != nil {
			return fmt.Errorf("sending on %s: %w", p.Network, err)
		}
	}
	finished := true
	for _, x := range m.steps {
		report(x)
		finished = finished && x.State == Mined
	}
	if !finished {
		return ErrUnfinished
	}
	return nil
}

func stepsOf(p sweep.Plan, ready []sweep.Ready) []Step {
	steps := make([]Step, len(p.Transfers))
	for i, t := range p.Transfers {
		steps[i] = Step{Number: i + 1, Transfer: t, State: Unsigned}
		if j := slices.IndexFunc(ready, func(r sweep.Ready) bool { return r.From == t.From && r.Nonce == t.Nonce }); j >= 0 {
			steps[i].Hash = ready[j].Hash
		}
	}
	return steps
}

// mover sends the steps of a plan.
type mover struct {
	node  chain.Batcher
	steps []Step
	raw   map[int][]byte // by place among steps
}

func (m *mover) find(r sweep.Ready) int {
	return slices.IndexFunc(m.steps, func(s Step) bool { return s.Hash == r.Hash })
}

// group sends the steps of one kind and waits for them, patience long at most: those of
// the next kind need what they bring.
func (m *mover) group(ctx context.Context, kind sweep.Kind, patience time.Duration) error {
	for i := range m.steps {
		if m.steps[i].Kind != kind || m.raw[i] == nil {
			continue
		}
		if err := m.hand(ctx, i); err != nil {
			return err
		}
	}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for deadline := time.Now().Add(patience); ; {
		waiting := 0
		for i := range m.steps {
			if m.steps[i].Kind != kind || m.steps[i].State != Sent {
				continue
			}
			if _, err := m.mined(ctx, i); err != nil {
				return err
			}
			if m.steps[i].State == Sent {
				waiting++
			}
		}
		if waiting == 0 || time.Now().After(deadline) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
		}
	}
}

// hand gives one step to the chain, unless it is there or cannot be.
func (m *mover) hand(ctx context.Context, i int) error {
	x := &m.steps[i]
	if done, err := m.mined(ctx, i); err != nil || done {
		return err
	}
	nonce, err := chain.Ask(ctx, m.node, nonceCall(x.From), chain.Result.Uint)
	if err != nil {
		return err
	}
	switch {
	case nonce > x.Nonce:
		// It may have come into a block between the two questions.
		if done, err := m.mined(ctx, i); err != nil || done {
			return err
		}
		x.State, x.Detail = Overtaken, fmt.Sprintf("%s has sent %d transactions", x.From, nonce)
		return nil
	case m.blocked(i):
		x.State = Waiting
		return nil
	}
	_, err = chain.Ask(ctx, m.node, chain.Call{Method: methodSendRaw, Params: []any{"0x" + hex.EncodeToString(m.raw[i])}}, func(r chain.Result) ([]byte, error) { return r.Bytes() })
	x.State = Sent
	if refusal, ok := chain.AsRPC(err); ok {
		known, askErr := chain.Ask(ctx, m.node, chain.TransactionCall(x.Hash), chain.Result.Transaction)
		if askErr != nil {
			return askErr
		}
		if known == nil {
			x.State, x.Detail = Refused, refusal.Message[:min(len(refusal.Message), maxSaid)]
		}
		return nil
	}
	return err
}

// blocked reports whether a step before one, of the same sender, is not
// sent: what comes after it would wait in vain.
func (m *mover) blocked(i int) bool {
	x := m.steps[i]
	for _, before := range m.steps[:i] {
		if before.From != x.From {
			continue
		}
		if before.State != Mined && before.State != Sent && before.State != Failed {
			return true
		}
	}
	return false
}

// mined looks for a step in a block and reports whether it is in one.
func (m *mover) mined(ctx context.Context, i int) (bool, error) {
	x := &m.steps[i]
	r, err := chain.Ask(ctx, m.node, chain.ReceiptCall(x.Hash), chain.Result.Receipt)
	if err != nil || r == nil {
		return false, err
	}
	x.State, x.Detail = Mined, ""
	if !r.Succeeded {
		x.State = Failed
	}
	return true, nil
}
