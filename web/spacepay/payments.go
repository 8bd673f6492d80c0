package spacepay

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/web"
)

// What a merchant's backend does with payments.

// maxBody bounds a body, in bytes: all of a payment's texts, escaped, and room for more.
const maxBody = 64 << 10

// keysKept is how long an idempotency key is remembered.
const keysKept = 24 * time.Hour

var (
	errOff    = fault.New(fault.Unavailable, "deposits_off", "This server takes no deposits: its operator has set up no assets or no prices for them")
	errBranch = fault.New(fault.Unavailable, "no_deposit_key", "There is no key for deposit addresses yet: the server's operator has to set the merchant's extended public key")
	errReused = fault.New(fault.Mismatch, "idempotency_key_reused", "This Idempotency-Key was used with another payload").At(web.HeaderIdempotencyKey)
	errCancel = fault.New(fault.Conflict, "payment_not_pending", "Payment is not pending, cannot be cancelled")
)

// create makes a payment, with its address and its first quote, and answers with all of
// it. The answer is the only place where the payment's secret is told. It is kept, sealed,
// for repeats.
func (d *dialect) create(c echo.Context) error {
	m, err := d.merchant(c)
	if err != nil {
		return err
	}
	body, err := web.Body(c, maxBody)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	once, leave, err := d.once(c, m, body)
	if err != nil {
		return err
	}
	defer leave()
	if once != nil {
		if first, err := d.Checkout.Replay(ctx, *once); err != nil || first != nil {
			return done(c, first, true, err)
		}
	}
	o, err := parseOrder(body)
	if err != nil {
		return err
	}
	branch, who, err := d.payee(ctx, m)
	if err != nil {
		return err
	}
	secret, hash := NewPaymentSecret()
	draft := checkout.Draft{
		Merchant: m, Dialect: Name, Requests: []checkout.DraftRequest{{Fiat: asset.USD, Amount: money.Cents(o.Cents)}},
		Reference: o.OrderID, RedirectURL: o.RedirectURL, Metadata: o.CustomMetadata, Alias: web.NewUUID(), SecretHash: hash,
		Quote: d.first(branch), Exact: true, Window: Life,
	}
	if branch.Life > 0 {
		draft.Window = branch.Life
	}
	a, replayed, err := d.Checkout.Create(ctx, draft, once, func(p *payment.Payment) (checkout.Answer, error) {
		told, err := d.payment(p, who.Name, statusPending, p.Terms.CreatedAt)
		if err != nil {
			return checkout.Answer{}, err
		}
		b, err := encode(createdWire{Payment: told, PaymentURL: d.BaseURL + Link(p.Terms.Alias), Secret: secret, PaymentID: p.Terms.Alias})
		return checkout.Answer{Status: http.StatusCreated, Body: b}, err
	})
	if fault.Is(err, fault.NotFound) {
		err = errBranch.Because(err) // it was taken away in between
	}
	return done(c, &a, replayed, err)
}

// done answers a creation; a is looked at if there is no err.
func done(c echo.Context, a *checkout.Answer, replayed bool, err error) error {
	if fault.Is(err, fault.Mismatch) {
		return errReused
	}
	if err != nil {
		return err
	}
	return web.Answer(c, *a, replayed)
}

// payee finds where a merchant's payments go, and whose they are.
//
// Faults: Unavailable "deposits_off", "no_deposit_key".
func (d *dialect) payee(ctx context.Context, m payment.MerchantID) (merchant.Branch, merchant.Merchant, error) {
	if len(d.enabled) == 0 || d.Branches == nil {
		return merchant.Branch{}, merchant.Merchant{}, errOff
	}
	branch, err := d.Branches.Branch(ctx, m)
	if fault.Is(err, fault.NotFound) {
		return merchant.Branch{}, merchant.Merchant{}, errBranch
	}
	if err != nil {
		return merchant.Branch{}, merchant.Merchant{}, err
	}
	who, err := d.Directory.Merchant(ctx, m)
	return branch, who, err
}

// first is the asset that a merchant's quotes are in unless somebody asks for another: the
// merchant's own choice, or the native currency of the first chain.
func (d *dialect) first(b merchant.Branch) asset.ID {
	for _, l := range d.enabled {
		if l.Token.ID == b.Asset {
			return b.Asset
		}
	}
	for _, l := range d.enabled {
		if l.Token.Native && l.Chain.ID == d.enabled[0].Chain.ID {
			return l.Token.ID
		}
	}
	return d.enabled[0].Token.ID
}

// once reads a creation's idempotency key, nil if there is none, and holds it until leave
// is called. The payload is the same if it is the same JSON, however it is written. Keys
// are remembered for keysKept.
//
// Faults: Invalid "invalid_idempotency_key"; Locked "idempotency_key_running".
func (d *dialect) once(c echo.Context, m payment.MerchantID, body []byte) (once *checkout.Once, leave func(), err error) {
	key, err := idempotencyKey(c.Request().Header.Values(web.HeaderIdempotencyKey))
	if err != nil || key == "" {
		return nil, func() {}, err
	}
	k := checkout.IdempotencyKey{Merchant: m, Route: http.MethodPost + " " + c.Path(), Key: key}
	if k, leave, err = d.running.Hold(c.Request().Context(), d.Ledger, k, d.Now().Add(-keysKept)); err != nil {
		return nil, func() {}, err
	}
	payload := jsontext.Value(bytes.Clone(body))
	_ = payload.Canonicalize() // what is no JSON stays as it is, and is refused later
	sum := sha256.Sum256(payload)
	return &checkout.Once{Key: k, RequestHash: hex.EncodeToString(sum[:])}, leave, nil
}

// show answers with a payment to its merchant.
func (d *dialect) show(c echo.Context) error {
	p, err := d.owned(c)
	if err != nil {
		return err
	}
	return d.tell(c, p)
}

// tell answers with all of a payment.
func (d *dialect) tell(c echo.Context, p *payment.Payment) error {
	who, err := d.Directory.Merchant(c.Request().Context(), p.Terms.Merchant)
	if err != nil {
		return err
	}
	told, err := d.payment(p, who.Name, statusOf(p), d.Now())
	if err != nil {
		return err
	}
	return answer(c, http.StatusOK, told.withLater(updatedAt(p)))
}

// cancel calls a payment off for which nothing has come; again is a no-op.
func (d *dialect) cancel(c echo.Context) error {
	p, err := d.owned(c)
	if err != nil {
		return err
	}
	switch statusOf(p) {
	case statusCancelled:
		return d.tell(c, p)
	case statusPending:
	default:
		return errCancel
	}
	if err := d.Checkout.Cancel(c.Request().Context(), p.Terms.Merchant, p.ID); fault.Is(err, fault.Conflict) || fault.Is(err, fault.Forbidden) {
		return errCancel
	} else if err != nil {
		return err
	}
	if p, err = d.find(c, p.Terms.Alias); err != nil {
		return err
	}
	return d.tell(c, p)
}

type listWire struct {
	Data       []paymentWire `json:"data"`
	Pagination pageWire      `json:"pagination"`
}

// list answers with a merchant's payments as they are stored, which is what its filter
// goes by: one whose time is up is listed as expired once that was noted, within seconds.
func (d *dialect) list(c echo.Context) error {
	m, err := d.merchant(c)
	if err != nil {
		return err
	}
	l, err := parseListing(c.QueryParams())
	if err != nil {
		return err
	}
	out := listWire{Data: []paymentWire{}}
	if l.Deposits { // there are none here
		out.Pagination = page(0, l)
		return answer(c, http.StatusOK, out)
	}
	ctx := c.Request().Context()
	found, total, err := d.Payments.List(ctx, checkout.Listing{
		Merchant: m, Dialect: Name, States: withStatus(l.Status), Search: l.Search, ByAmount: l.ByAmount, Ascending: l.Ascending, Limit: l.Limit, Offset: l.Offset,
	})
	if err != nil {
		return err
	}
	who, err := d.Directory.Merchant(ctx, m)
	if err != nil {
		return err
	}
	now := d.Now()
	for _, p := range found {
		stored := p.Standing.State
		p.Standing = p.StandingAt(now)
		p.Standing.State = stored
		told, err := d.payment(p, who.Name, statusOf(p), now)
		if err != nil {
			return err
		}
		out.Data = append(out.Data, told.withLater(updatedAt(p)))
	}
	out.Pagination = page(total, l)
	return answer(c, http.StatusOK, out)
}
