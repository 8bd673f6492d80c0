package payment

import (
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"
)

var holder = Address20{19: 0x5a}.String()

// operated is a pending user operation, announced at a time, without a permit.
func operated(n int, at time.Time, change ...func(*Attempt)) Attempt {
	a := Attempt{
		Key: fmt.Sprint("op:", n), Kind: "user_op", Handle: fmt.Sprint(n), Stage: Announced, At: at,
		Op: &Op{Owner: holder, Nonce: "0", Amount: big.NewInt(100)},
	}
	for _, f := range change {
		f(&a)
	}
	return a
}

func permitted(until time.Time) func(*Attempt) { return func(a *Attempt) { a.Until = until } }

func fated(fate, by string) func(*Attempt) {
	return func(a *Attempt) { a.Op.Fate, a.Op.ExecutedBy = fate, by }
}

func given(reason string) func(*Attempt) {
	return func(a *Attempt) { a.Stage, a.Reason = Abandoned, reason }
}

func TestOpLock(t *testing.T) {
	by := created.Add(time.Minute)
	arrived := Transfer{Key: "x", Evidence: Evidence{Tx: "0x1"}}
	crossed := Transfer{Key: "x", Evidence: Evidence{Tx: "0x2", Source: Source{Tx: "0x1"}}}
	bridge := func(stage AttemptStage) Attempt {
		return Attempt{Key: "tx:1:0x1", Handle: "0x1", Stage: stage, Route: &Route{}}
	}
	for name, c := range map[string]struct {
		attempts  []Attempt
		transfers []Transfer
		now       time.Time
		locked    bool
		undone    bool
	}{
		"nothing":                               {now: before},
		"a plain transaction":                   {attempts: []Attempt{{Key: "tx:1", Stage: Announced}}, now: created},
		"pending":                               {attempts: []Attempt{operated(1, created)}, now: created, locked: true},
		"pending to the last moment":            {attempts: []Attempt{operated(1, created)}, now: created.Add(10*time.Minute - 1), locked: true},
		"pending without a permit for long":     {attempts: []Attempt{operated(1, created)}, now: created.Add(10 * time.Minute), undone: true},
		"pending with a permit":                 {attempts: []Attempt{operated(1, created, permitted(by))}, now: by.Add(time.Hour - 1), locked: true},
		"pending with a permit, never seen":     {attempts: []Attempt{operated(1, created, permitted(by))}, now: by.Add(time.Hour)},
		"failed, not finally":                   {attempts: []Attempt{operated(1, created, fated(FateFailed, "0x1"))}, now: created.Add(time.Hour), locked: true},
		"failed":                                {attempts: []Attempt{operated(1, created, fated(FateFailed, "0x1"), given(ReasonOpFailed))}, now: created},
		"replaced":                              {attempts: []Attempt{operated(1, created, fated(FateReplaced, ""), given(ReasonOpReplaced))}, now: created},
		"expired":                               {attempts: []Attempt{operated(1, created, permitted(by), given(ReasonOpExpired))}, now: created},
		"refused":                               {attempts: []Attempt{operated(1, created, given(ReasonOpRefused))}, now: created},
		"refused, and executed all the same":    {attempts: []Attempt{operated(1, created, fated(FateSucceeded, "0x1"), given(ReasonOpRefused))}, now: created, locked: true},
		"executed, not finally":                 {attempts: []Attempt{operated(1, created, fated(FateSucceeded, "0x1"))}, now: created.Add(time.Hour), locked: true},
		"executed, its money not seen":          {attempts: []Attempt{operated(1, created, fated(FateSucceeded, "0x1"), staged(Executed))}, now: created.Add(time.Hour), locked: true},
		"executed, its money seen":              {attempts: []Attempt{operated(1, created, fated(FateSucceeded, "0x1"), staged(Executed))}, transfers: []Transfer{arrived}, now: created},
		"executed, its bridge begun":            {attempts: []Attempt{operated(1, created, fated(FateSucceeded, "0x1"), staged(Executed)), bridge(Announced)}, now: created, locked: true},
		"executed, its bridge proven":           {attempts: []Attempt{operated(1, created, fated(FateSucceeded, "0x1"), staged(Executed)), bridge(Proven)}, now: created},
		"executed, its money came over":         {attempts: []Attempt{operated(1, created, fated(FateSucceeded, "0x1"), staged(Executed))}, transfers: []Transfer{crossed}, now: created},
		"one let go, and one pending behind it": {attempts: []Attempt{operated(1, created), operated(2, created.Add(10*time.Minute))}, now: created.Add(11 * time.Minute), locked: true, undone: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := &Payment{Terms: terms(100), Attempts: c.attempts, Transfers: c.transfers}
			a, locked := p.OpLock(c.now)
			if locked != c.locked || locked != (a.Key != "") {
				t.Errorf("locked: %t by %q, want %t", locked, a.Key, c.locked)
			}
			owner := Address20{19: 0x5a}
			if undone := p.Undone(owner, c.now); (len(undone) == 1) != c.undone {
				t.Errorf("undone: %v, want %t", undone, c.undone)
			}
			if others := p.Undone(Address20{19: 1}, c.now); len(others) != 0 {
				t.Errorf("undone of another: %v", others)
			}
		})
	}
}

func TestOpStage(t *testing.T) {
	for want, as := range map[OpStage][]Attempt{
		"":         {{Kind: "tx", Stage: Executed}, {Kind: "safe_tx", Safe: &Safe{}, Stage: Announced}},
		OpWaiting:  {operated(1, created)},
		OpExecuted: {operated(1, created, fated(FateSucceeded, "0x1")), operated(1, created, staged(Executed)), operated(1, created, fated(FateSucceeded, "0x1"), given(ReasonOpRefused))},
		OpFailed:   {operated(1, created, fated(FateFailed, "0x1")), operated(1, created, fated(FateFailed, "0x1"), given(ReasonOpFailed))},
		OpReplaced: {operated(1, created, fated(FateReplaced, "")), operated(1, created, fated(FateReplaced, ""), given(ReasonOpReplaced))},
		OpExpired:  {operated(1, created, given(ReasonOpExpired))},
		OpRefused:  {operated(1, created, given(ReasonOpRefused))},
	} {
		for _, a := range as {
			if got := a.OpStage(); got != want {
				t.Errorf("%s %q, fate %q, is %q, want %q", a.Stage, a.Reason, a.Op.Fate, got, want)
			}
		}
	}
}

func TestOpsLeft(t *testing.T) {
	at := func(n int) time.Time { return created.Add(time.Duration(n)) }
	p := &Payment{Attempts: []Attempt{{Key: "tx:1"}, operated(1, at(1), given(ReasonOpRefused)), operated(2, at(2), given(ReasonOpFailed)), operated(3, at(3), staged(Executed))}}
	for n, want := range []int{1, 0, 0} {
		if got := p.OpsLeft(); got != want {
			t.Errorf("%d are left, want %d", got, want)
		}
		p.Attempts = slices.Insert(p.Attempts, 0, operated(10+n, at(10+n)))
	}
	if newest, ok := p.NewestOp(); !ok || newest.Key != "op:12" {
		t.Errorf("the newest is %q", newest.Key)
	}
	if _, ok := (&Payment{Attempts: []Attempt{{Key: "tx:1"}}}).NewestOp(); ok {
		t.Error("a plain transaction is an operation")
	}
}
