package app

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"quittance/internal/chain"
	"quittance/internal/config"
	"quittance/internal/sweep"
)

// SweepState is what became of a transaction of a plan.
type SweepState string

// The states. Only Mined and SweepFailed are an end.
const (
	SweepMined     SweepState = "mined"
	SweepFailed    SweepState = "failed"    // in a block, and it did nothing
	SweepSent      SweepState = "sent"      // handed in, not in a block yet
	SweepRefused   SweepState = "refused"   // the chain's node does not take it
	SweepOvertaken SweepState = "overtaken" // another transaction of its sender has its place: make a new plan
	SweepHeld      SweepState = "held"      // one before it of the same sender is not through
	SweepUnsigned  SweepState = "unsigned"
)

// SweepStep is one transaction of a plan, and what became of it.
type SweepStep struct {
	Number int // in the plan, from 1
	sweep.Transfer
	Hash   string // "" if unsigned
	State  SweepState
	Detail string // why, if there is something to say
}

// ErrSweepUnfinished is that not all of a plan is through.
var ErrSweepUnfinished = errors.New("not all of the plan is through: sign what is missing, and send again")

const (
	sweepLook     = 500 * time.Millisecond
	maxSaid       = 200 // bytes of what a node says
	methodSendRaw = "eth_sendRawTransaction"
)

// SendSweep hands a plan's signed transactions to its chain, in order, waits for them, and
// reports what became of each. It may be run again: what is in a block already is found
// there, and the same transaction is never executed twice. It opens no database.
//
// Errors: sweep.ErrForeign, sweep.ErrTwice; ErrSweepUnfinished.
func SendSweep(ctx context.Context, cfg *config.Config, p sweep.Plan, signed [][]byte, patience time.Duration, report func(SweepStep)) error {
	s, err := production(cfg, quiet())
	if err != nil {
		return err
	}
	c, info, err := s.network(p.Network)
	if err != nil {
		return err
	}
	if info.ID != p.Chain {
		return fmt.Errorf("the plan is for chain %d, and %s is chain %d", p.Chain, p.Network, info.ID)
	}
	ready, _, err := p.Match(signed)
	if err != nil {
		return err
	}
	client, err := chain.NewClient(chain.Config{Chain: c.ID, Endpoints: c.Endpoints, Log: s.Log})
	if err != nil {
		return fmt.Errorf("chains.%s: %w", p.Network, err)
	}
	defer client.Close()
	m := mover{node: client, steps: stepsOf(p, ready), raw: map[int][]byte{}}
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
		finished = finished && x.State == SweepMined
	}
	if !finished {
		return ErrSweepUnfinished
	}
	return nil
}

func stepsOf(p sweep.Plan, ready []sweep.Ready) []SweepStep {
	steps := make([]SweepStep, len(p.Transfers))
	for i, t := range p.Transfers {
		steps[i] = SweepStep{Number: i + 1, Transfer: t, State: SweepUnsigned}
		if j := slices.IndexFunc(ready, func(r sweep.Ready) bool { return r.From == t.From && r.Nonce == t.Nonce }); j >= 0 {
			steps[i].Hash = ready[j].Hash
		}
	}
	return steps
}

// mover sends the steps of a plan.
type mover struct {
	node  chain.Batcher
	steps []SweepStep
	raw   map[int][]byte // by place among steps
}

func (m *mover) find(r sweep.Ready) int {
	return slices.IndexFunc(m.steps, func(s SweepStep) bool { return s.Hash == r.Hash })
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
	look := time.NewTicker(sweepLook)
	defer look.Stop()
	for deadline := time.Now().Add(patience); ; {
		waiting := 0
		for i := range m.steps {
			if m.steps[i].Kind != kind || m.steps[i].State != SweepSent {
				continue
			}
			if _, err := m.mined(ctx, i); err != nil {
				return err
			}
			if m.steps[i].State == SweepSent {
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
		x.State, x.Detail = SweepOvertaken, fmt.Sprintf("%s has sent %d transactions", x.From, nonce)
		return nil
	case m.blocked(i):
		x.State = SweepHeld
		return nil
	}
	_, err = chain.Ask(ctx, m.node, chain.Call{Method: methodSendRaw, Params: []any{"0x" + hex.EncodeToString(m.raw[i])}}, func(r chain.Result) ([]byte, error) { return r.Bytes() })
	x.State = SweepSent
	if refusal, ok := chain.AsRPC(err); ok {
		known, askErr := chain.Ask(ctx, m.node, chain.TransactionCall(x.Hash), chain.Result.Transaction)
		if askErr != nil {
			return askErr
		}
		if known == nil {
			x.State, x.Detail = SweepRefused, refusal.Message[:min(len(refusal.Message), maxSaid)]
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
		if before.State != SweepMined && before.State != SweepSent && before.State != SweepFailed {
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
	x.State, x.Detail = SweepMined, ""
	if !r.Succeeded {
		x.State = SweepFailed
	}
	return true, nil
}
