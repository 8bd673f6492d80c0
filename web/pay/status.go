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

// statusFor is what this browser may know: a status or a veiledStatus.
func (p *hosted) statusFor(r *http.Request, pm *payment.Payment, announced string) (any, error) {
	if p.veiled(r, pm) {
		return veiledStatus{State: stateOf(pm)}, nil
	}
	return p.statusOf(r.Context(), pm, announced)
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
	s, err := p.statusFor(c.Request(), pm, p.Sessions.Announced(c.Request(), string(pm.ID)))
	if err != nil {
		return err
	}
	body, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode status: %w", err)
	}
	return web.JSON(c, http.StatusOK, body)
}

// writeTimeout is how long a write to a page may take.
const writeTimeout = 10 * time.Second

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
		announced := p.Sessions.Announced(c.Request(), string(pm.ID))
		return pm, func(_ context.Context, pm *payment.Payment) (any, error) {
			if part != nil {
				var err error
				if pm, _, err = p.inAsset(pm, string(part.of)); err != nil {
					return nil, err
				}
			}
			return p.statusFor(c.Request(), pm, announced)
		}, nil
	})
}

// teller words what is to be told of a payment.
type teller func(context.Context, *payment.Payment) (any, error)

// follow streams what is to be told of a payment, which begin finds.
func (p *hosted) follow(c echo.Context, begin func() (*payment.Payment, teller, error)) error {
	ctx := c.Request().Context()
	var id payment.ID
	var tell teller
	if err := p.streams.beside(ctx, func() error {
		pm, t, err := begin()
		if err == nil {
			id, tell = pm.ID, t
		}
		return err
	}); err != nil {
		return err
	}
	l, err := p.streams.enter(id)
	if err != nil {
		return err
	}
	defer p.streams.leave(id, l)
	changed, cancel := p.Subscribe(id)
	defer cancel()

	h := c.Response().Header()
	h.Set(echo.HeaderContentType, "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	out := &stream{c: c, control: http.NewResponseController(c.Response())}
	if err := out.write([]byte("retry: 2000\n\n")); err != nil {
		return nil
	}
	// What ends a stream is between the browser and the log: it asks again by itself.
	if err := p.keepTelling(ctx, id, l, changed, tell, out); err != nil {
		p.Log.DebugContext(ctx, "status stream ended", "err", err)
	}
	return nil
}

// keepTelling tells at once, and then whenever there may be news, until it fails or ctx ends.
func (p *hosted) keepTelling(ctx context.Context, id payment.ID, l *page, changed <-chan struct{}, tell teller, out *stream) error {
	beat, look := time.Now().Add(heartbeat), time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
			look = time.Now()
		case <-l.stale:
			look = time.Now()
		case <-timer.C:
		}
		now := time.Now()
		if !beat.After(now) {
			if err := out.write([]byte(":\n\n")); err != nil {
				return err
			}
			beat = now.Add(heartbeat)
		}
		if !look.After(now) {
			var news []byte
			if err := p.streams.beside(ctx, func() error {
				pm, err := p.Checkout.Payment(ctx, id)
				if err != nil {
					return fmt.Errorf("read the payment: %w", err)
				}
				l.told(p.MarkOf(pm))
				s, err := tell(ctx, pm)
				if err != nil {
					return fmt.Errorf("word the status: %w", err)
				}
				look = nextLook(pm, now)
				news, err = out.news(s)
				return err
			}); err != nil {
				return err
			}
			if news != nil {
				if err := out.write(news); err != nil {
					return err
				}
			}
		}
		timer.Reset(max(0, min(time.Until(beat), time.Until(look))))
	}
}

// stream writes server-sent events, each only if it differs from the last.
type stream struct {
	c       echo.Context
	control *http.ResponseController
	last    [sha256.Size]byte // of what was told last
}

// news is the event that tells v, nil if that was told last.
func (s *stream) news(v any) ([]byte, error) {
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
	if sum == s.last {
		return nil, nil
	}
	s.last = sum
	return fmt.Appendf(nil, "event: status\ndata: %s\n\n", body), nil
}

// write sends bytes at once. The server's write timeout is for ordinary
// answers; a stream gets a new one for each event.
func (s *stream) write(b []byte) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(writeTimeout + heartbeat)); err != nil {
		return fmt.Errorf("extend write deadline: %w", err)
	}
	if _, err := s.c.Response().Write(b); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	return s.control.Flush()
}
