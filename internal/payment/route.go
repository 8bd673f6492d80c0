package payment

import (
	"math/big"
	"time"
)

// maxHolds is how many proven routes may keep a payment from being paid in
// another way, over its life. Whoever has the link and the money can send one
// that no bridge ever delivers, and has the money back hours later.
const maxHolds = 3

// UnderWay returns the newest transfer over a bridge whose money is on its way:
// it was proven, has not ended, is still to be waited for, and is enough for all
// that is missing. While there is one, paying again would pay twice.
func (p *Payment) UnderWay(now time.Time) (Attempt, bool) {
	var newest Attempt
	held := 0
	for _, a := range p.Attempts {
		// One that was never proven, or is too little, holds nothing: else a stranger's
		// cents would use up what the payer's own transfer needs.
		if a.Route == nil || a.Until.IsZero() || !p.covered(*a.Route) {
			continue
		}
		if held++; held > maxHolds {
			break
		}
		if now.Before(a.Until) && p.moving(a) {
			newest = a
		}
	}
	return newest, newest.Key != ""
}

// moving reports whether a proven route has left the payer and not ended. One
// that had arrived moves again while a reorganisation has taken the arrival away.
func (p *Payment) moving(a Attempt) bool {
	switch a.Stage {
	case Proven:
		return a.Route.Progress != Sent
	case Executed:
		return p.TakenBack(a.Route.ID)
	case Announced, Abandoned:
	}
	return false
}

// TakenBack reports whether all that a route brought was taken away by
// reorganisations.
func (p *Payment) TakenBack(route string) bool {
	gone := false
	for _, x := range p.Transfers {
		if x.Evidence.Source.Route != route {
			continue
		}
		if x.Stage != Dropped {
			return false
		}
		gone = true
	}
	return gone
}

// covered reports whether nothing is missing any more once a route has arrived.
func (p *Payment) covered(r Route) bool {
	for i, q := range p.Terms.Requests {
		missing := new(big.Int).Set(q.Due)
		if i < len(p.Standing.Requests) {
			missing = p.Standing.Requests[i].Missing(q.Due)
		}
		if i == r.Request && r.Pays != nil {
			missing.Sub(missing, r.Pays)
		}
		if missing.Sign() > 0 {
			return false
		}
	}
	return true
}
