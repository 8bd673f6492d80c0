package store

import (
	"slices"

	"quittance/internal/payment"
)

// Told is an event that was committed, for whoever counts.
type Told struct {
	Event   payment.Event
	Oddity  payment.Oddity   // of the payment with it, "" if the event left its standing alone
	Created *payment.Payment // the payment, with the event of its creation; nil with others
}

// tell keeps an event for those who hear of it once it is committed.
func (t *tx) tell(e payment.Event) {
	if t.store.heard == nil {
		return
	}
	told := Told{Event: e}
	if e.Kind == payment.EventCreated {
		if i := slices.IndexFunc(t.created, func(p *payment.Payment) bool { return p.ID == e.Payment }); i >= 0 {
			told.Created = t.created[i]
		}
	}
	told.Oddity = t.stood[e.Payment]
	t.told = append(t.told, told)
}

// stands keeps how a payment stands now for the events that follow.
func (t *tx) stands(p *payment.Payment) {
	if t.store.heard == nil {
		return
	}
	if t.stood == nil {
		t.stood = map[payment.ID]payment.Oddity{}
	}
	t.stood[p.ID] = p.Standing.Oddity
}
