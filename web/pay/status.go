package pay

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/templates"
	"quittance/web"
)

// status is what a page follows: amounts are decimal strings of base units.
type status struct {
	State   string `json:"state"`
	Oddity  string `json:"oddity"`
	Payable bool   `json:"payable"`
	// Requests has one entry for each, in their order.
	Requests []progress `json:"requests"`
	// ContractFees is what the batch contract would take on top now, by the page's
	// assets; empty unless several requests can be paid.
	ContractFees []string `json:"contractFees"`
	// Received, Missing and Excess are those of the only request, "0" for several.
	Received      string `json:"received"`
	Missing       string `json:"missing"`
	Excess        string `json:"excess"`
	Confirmations int    `json:"confirmations"`
	Required      int    `json:"required"`
	TxHash        string `json:"txHash"`
	ExplorerURL   string `json:"explorerUrl"`
	Payer         string `json:"payer"`
	// AnnouncedTx is what this browser said it sent; another visitor's word
	// must not keep this payer from paying.
	AnnouncedTx string `json:"announcedTx"`
	SettledAt   string `json:"settledAt"`
	Reorged     bool   `json:"reorged"`
	// Route is the transfer over a bridge that this browser should know of, null
	// for none.
	Route *route `json:"route"`
	// Safe is the Safe transaction that this browser should know of, null for none.
	Safe *safeNews `json:"safe"`
	// Op is the user operation that this browser should know of, null for none.
	Op *opNews `json:"op"`
}

// progress is where one request stands, and what it still needs.
type progress struct {
	State   string `json:"state"`
	Missing string `json:"missing"`
}

// veiledStatus is all that is told of a payment that is hidden from this browser.
type veiledStatus struct {
	State string `json:"state"`
}

// visitor is what is known of a browser and matters to what it is told.
type visitor struct {
	announced string // the transaction it said it sent
	admitted  bool   // it showed a wallet that was let in
}

func (p *hosted) visitorOf(r *http.Request, pm *payment.Payment) visitor {
	return visitor{announced: p.Sessions.Announced(r, string(pm.ID)), admitted: p.Sessions.Admitted(r, string(pm.ID)) != ""}
}

// statusFor is what a browser may know: a status or a veiledStatus.
func (p *hosted) statusFor(ctx context.Context, pm *payment.Payment, v visitor) (any, error) {
	if !v.admitted && veils(pm) {
		return veiledStatus{State: stateOf(pm)}, nil
	}
	return p.statusOf(ctx, pm, v.announced)
}

func (p *hosted) statusOf(ctx context.Context, pm *payment.Payment, announced string) (status, error) {
	chain, err := p.chainOf(pm)
	if err != nil {
		return status{}, err
	}
	s := status{
		State: stateOf(pm), Oddity: string(pm.Standing.Oddity), Payable: p.Checkout.Payable(pm) == nil,
		Requests: make([]progress, len(pm.Terms.Requests)), ContractFees: []string{}, Received: "0", Missing: "0", Excess: "0",
		Required: p.Chains.Required(chain.ID), AnnouncedTx: announced, Route: p.routeOf(pm, announced),
		Safe: p.safeOf(pm, announced), Op: p.opOf(pm, announced),
	}
	for i, r := range pm.Terms.Requests {
		st := pm.Standing.Requests[i]
		s.Requests[i] = progress{State: string(st.State), Missing: st.Missing(r.Due).String()}
		if len(s.Requests) == 1 {
			s.Received, s.Missing, s.Excess = st.Received.String(), s.Requests[0].Missing, st.Excess(r.Due).String()
		}
	}
	if s.Payable && len(s.Requests) > 1 {
		if s.ContractFees, err = p.contractFees(ctx, pm); err != nil {
			return status{}, err
		}
	}
	if !pm.Standing.SettledAt.IsZero() {
		s.SettledAt = pm.Standing.SettledAt.Format(time.RFC3339)
	}
	for _, x := range pm.Transfers {
		s.Reorged = s.Reorged || (x.Stage == payment.Dropped && pm.Standing.State == payment.Open)
	}
	if x, ok := telling(pm); ok {
		s.TxHash, s.ExplorerURL, s.Payer = x.Evidence.Tx, chain.TxURL(x.Evidence.Tx), x.Evidence.Payer
		s.Confirmations = p.confirmations(x)
	}
	return s, nil
}

func (p *hosted) contractFees(ctx context.Context, pm *payment.Payment) ([]string, error) {
	owed, err := p.owed(pm)
	if err != nil {
		return nil, err
	}
	options, err := p.Checkout.Offers(ctx, pm, rail.Payer{})
	if err != nil {
		return nil, err
	}
	fees := []string{}
	for _, s := range bill(owed, direct(options)).sums {
		fees = append(fees, s.contractFee.String())
	}
	return fees, nil
}

// status answers with the payment's standing, for pages whose stream broke.
func (p *hosted) status(c echo.Context) error {
	pm, err := p.load(c)
	if err != nil {
		return err
	}
	s, err := p.statusFor(c.Request().Context(), pm, p.visitorOf(c.Request(), pm))
	if err != nil {
		return err
	}
	body, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode status: %w", err)
	}
	return web.JSON(c, http.StatusOK, body)
}

// events streams the payment's standing: at once, and whenever it changes. The
// database is always asked; the wake-up is only a hint.
func (p *hosted) events(c echo.Context) error {
	return p.follow(c, func() (*payment.Payment, teller, error) {
		pm, part, err := p.find(c)
		if err != nil {
			return nil, nil, err
		}
		if pm.Terms.Fiat() {
			return nil, nil, errElsewhere
		}
		v := p.visitorOf(c.Request(), pm)
		if part == nil {
			return pm, func(ctx context.Context, pm *payment.Payment) (any, error) { return p.statusFor(ctx, pm, v) }, nil
		}
		of := string(part.of)
		return pm, func(ctx context.Context, pm *payment.Payment) (any, error) {
			due, _, err := p.inAsset(pm, of)
			if err != nil {
				return nil, err
			}
			return p.statusFor(ctx, due, v)
		}, nil
	})
}

// teller words what is to be told of a payment. It is kept for as long as the page is
// open, and with it all that it holds: no request, no payment.
type teller func(context.Context, *payment.Payment) (any, error)

// follow streams what is to be told of a payment, which begin finds.
func (p *hosted) follow(c echo.Context, begin func() (*payment.Payment, teller, error)) error {
	var f following
	if err := p.streams.beside(c.Request().Context(), func() error {
		pm, tell, err := begin()
		if err == nil {
			f = following{hosted: p, id: pm.ID, tell: tell}
		}
		return err
	}); err != nil {
		return err
	}
	address := web.Address(c)
	l, err := p.streams.enter(f.id, address)
	if err != nil {
		return err
	}
	f.page = l
	cancel := p.Watch(f.id, l.wake)
	return p.Server.Follow(c, f.run, func() {
		cancel()
		p.streams.leave(f.id, address, l)
	})
}

// following is a page that is told of a payment.
type following struct {
	*hosted
	id   payment.ID
	tell teller
	page *page
	look time.Time // when it is told anew in any case
	last [sha256.Size]byte
}

// run tells at once, and then whenever there may be news. What ends a stream is between
// the browser and the log: it asks again by itself.
func (f *following) run(ctx context.Context, out web.Stream) {
	f.page.begin(out)
	f.Log.DebugContext(ctx, "status stream ended", "err", f.keepTelling(ctx, out))
}

// keepTelling returns why it could not go on.
func (f *following) keepTelling(ctx context.Context, out web.Stream) error {
	beat := time.Now().Add(heartbeat)
	for {
		now := time.Now()
		if !beat.After(now) {
			if err := out.Send(stillHere); err != nil {
				return err
			}
			beat = now.Add(heartbeat)
		}
		if f.page.due() || !f.look.After(now) {
			news, err := f.news(ctx, now)
			if err != nil {
				return err
			}
			if news != nil {
				if err := out.Send(news); err != nil {
					return err
				}
			}
		}
		next := beat
		if f.look.Before(beat) {
			next = f.look
		}
		if err := out.Wait(next); err != nil {
			return err
		}
	}
}

// stillHere is a comment, which readers of events skip.
var stillHere = []byte(":\n\n")

// news is the event that tells what is to be told now, nil if that was told last.
func (f *following) news(ctx context.Context, now time.Time) (news []byte, err error) {
	err = f.streams.beside(ctx, func() error {
		pm, err := f.Checkout.Payment(ctx, f.id)
		if err != nil {
			return fmt.Errorf("read the payment: %w", err)
		}
		f.page.told(f.MarkOf(pm))
		s, err := f.tell(ctx, pm)
		if err != nil {
			return fmt.Errorf("word the status: %w", err)
		}
		f.look = nextLook(pm, now)
		news, err = f.event(s)
		return err
	})
	return news, err
}

// event tells v, nil if that was told last.
func (f *following) event(v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode status: %w", err)
	}
	news := body
	if d, ok := v.(templates.DepositStatus); ok {
		d.Now = "" // the clock is no news
		if news, err = json.Marshal(d); err != nil {
			return nil, fmt.Errorf("encode status: %w", err)
		}
	}
	sum := sha256.Sum256(news)
	if sum == f.last {
		return nil, nil
	}
	f.last = sum
	return fmt.Appendf(nil, "event: status\ndata: %s\n\n", body), nil
}
