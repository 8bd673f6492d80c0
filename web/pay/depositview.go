package pay

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/qr"
	"quittance/internal/rail"
	"quittance/templates"
)

// look is what one browser looks at of a payment: an asset, "" for none, or the bank
// transfer, and the transaction that it said it sent.
type look struct {
	asset     asset.ID
	method    string // templates.MethodBank, "" for assets
	announced string
	// The codes that were drawn last: of a transfer to the address, and of one by a bank.
	drawn, drawnBank *drawing
}

// look is what a request asks for, and without a word on it the asset of the newest
// quote, or the bank where there is nothing else.
func (s *deposits) look(c echo.Context, pm *payment.Payment) look {
	l := look{announced: s.Sessions.Announced(c.Request(), string(pm.ID)), drawn: &drawing{}, drawnBank: &drawing{}}
	if c.QueryParam("method") == templates.MethodBank || !addressed(pm) && !pm.Terms.Quoted() {
		l.method = templates.MethodBank
		return l
	}
	if asked := c.QueryParam("asset"); asked != "" {
		l.asset = s.known(asked)
		return l
	}
	var newest payment.Quote
	for _, q := range pm.Quotes {
		if q.Asked && q.Active(s.Now()) && !q.CreatedAt.Before(newest.CreatedAt) {
			newest = q
		}
	}
	l.asset = newest.Asset
	return l
}

// known is an asset's own id, "" if it is none of ours.
func (s *deposits) known(id string) asset.ID {
	token, _ := s.Checkout.Book().Token(asset.ID(id))
	return token.ID
}

// drawing keeps the last code that was drawn: a stream would draw the same again and
// again.
type drawing struct {
	text string
	svg  templates.Drawing
}

func (d *drawing) of(text, label string) (templates.Drawing, error) {
	if d.text == text {
		return d.svg, nil
	}
	code, err := qr.Encode(text)
	if err != nil {
		return "", fmt.Errorf("draw a code: %w", err)
	}
	d.text, d.svg = text, templates.Drawing(code.SVG(label))
	return d.svg, nil
}

// addressed reports whether a payment has an address of its own.
func addressed(pm *payment.Payment) bool {
	r := pm.Terms.Requests[0]
	return !r.Quoted() && !r.Payee.IsZero()
}

// depositState is what the page calls a payment's state: one that ran out of time after
// something had come has failed.
func depositState(pm *payment.Payment, checks []rail.Check) string {
	_, refused := rail.Failed(checks)
	switch {
	case refused && pm.Standing.State == payment.Open:
		return templates.StateUnsafe
	case pm.Standing.State == payment.Expired && pm.Part():
		return templates.StateFailed
	}
	return string(pm.Standing.State)
}

// genuine reports whether the address was checked and all was well.
func genuine(checks []rail.Check) bool {
	return len(checks) > 0 && !slices.ContainsFunc(checks, func(c rail.Check) bool { return c.Outcome != rail.Passed })
}

// ground is what a payment can be paid by now, and what was found of it.
type ground struct {
	options []rail.Option
	checks  []rail.Check       // of its address, none if it has none
	bank    *rail.BankTransfer // nil if no bank can pay it
}

// ground looks at what a payment can be paid by. Of one that is shared out nothing is
// checked here: that is done on the page where it is paid.
func (s *deposits) ground(ctx context.Context, pm *payment.Payment) (g ground, err error) {
	if pm.Standing.State != payment.Open {
		return g, nil
	}
	if g.options, err = s.Checkout.Offers(ctx, pm, rail.Payer{}); err != nil {
		return g, err
	}
	if addressed(pm) {
		g.checks = s.Checkout.Guard(ctx, pm)
	}
	if s.Checkout.Payable(pm) != nil {
		return g, nil
	}
	for _, o := range g.options {
		if o.Type != rail.Bank {
			continue
		}
		_, in, err := s.Checkout.Prepare(ctx, pm.ID, o.ID, rail.Payer{})
		if fault.Is(err, fault.Conflict) || fault.Is(err, fault.Forbidden) {
			return g, nil // it came, or was called off, a moment ago
		}
		if err != nil {
			return g, err
		}
		g.bank, _ = in.(*rail.BankTransfer)
	}
	return g, nil
}

func (s *deposits) statusOf(ctx context.Context, pm *payment.Payment, l look) (templates.DepositStatus, error) {
	g, err := s.ground(ctx, pm)
	if err != nil {
		return templates.DepositStatus{}, err
	}
	return s.statusOn(pm, l, g)
}

// statusOn is where a payment stands, given what it can be paid by.
func (s *deposits) statusOn(pm *payment.Payment, l look, g ground) (templates.DepositStatus, error) {
	sum := tally(pm)
	out := templates.DepositStatus{
		State: depositState(pm, g.checks), Oddity: string(pm.Standing.Oddity), Part: pm.Part(), Now: instant(s.Now()), ExpiresAt: instant(pm.Terms.ExpiresAt),
		SettledAt: instant(pm.Standing.SettledAt), Currency: string(pm.Terms.Requests[0].Asset), Amount: fiat(sum.due),
		Excess: fiat(sum.excess), Late: fiatNearest(sum.late), Transfers: s.transfers(pm), AnnouncedTx: l.announced,
		Cancellable: cancellable(pm, l.announced), CanceledBy: canceledBy(pm),
	}
	out.Received, out.Missing = sum.parts()
	out.Payable = out.State == templates.StateOpen && s.Checkout.Payable(pm) == nil
	for _, x := range slices.Backward(out.Transfers) {
		if x.Stage != templates.DepositDropped {
			out.Confirmations, out.Required = x.Confirmations, x.Required
			break
		}
	}
	var err error
	if out.ReturnURL, err = s.returnURL(pm); err != nil {
		return out, err
	}
	if !out.Payable {
		return out, nil
	}
	out.Methods.Crypto, out.Methods.Split = addressed(pm) && sendable(g.options), pm.Terms.Quoted() && sendable(g.options)
	if g.bank != nil {
		out.Methods.Bank = true
		if out.Bank, err = bankDetails(g.bank, out.Currency, l); err != nil {
			return out, err
		}
	}
	if genuine(g.checks) {
		out.Quote, err = s.quoteOf(pm, l)
	}
	return out, err
}

// sendable reports whether there is an asset to pay with.
func sendable(options []rail.Option) bool {
	return slices.ContainsFunc(options, func(o rail.Option) bool { return o.Asset != "" })
}

// canceledBy is who called a payment off, as the page has it: only a link's payer can.
func canceledBy(pm *payment.Payment) string {
	switch {
	case pm.Standing.State != payment.Canceled:
		return ""
	case pm.Terms.CanceledBy == payment.ByPayer:
		return templates.CanceledByPayer
	}
	return templates.CanceledByMerchant
}

// returnURL is where the page leads its payer once there is an outcome, "" for nowhere.
// Pages of links lead to a route of this server, which knows the outcome.
func (s *deposits) returnURL(pm *payment.Payment) (string, error) {
	if s.Return == nil || !outcome(pm) || !s.links() && pm.Standing.State != payment.Paid {
		return "", nil
	}
	to, err := s.Return(pm)
	if err != nil {
		return "", fmt.Errorf("where the payer goes: %w", err)
	}
	if to != "" && s.links() {
		return s.BaseURL + s.path(pm.Terms.Alias) + "/return", nil
	}
	return to, nil
}

// bankDetails is a bank transfer as it is shown.
func bankDetails(in *rail.BankTransfer, currency string, l look) (*templates.BankDetails, error) {
	out := &templates.BankDetails{
		Holder: in.Holder, IBAN: in.Account, BIC: in.BIC, Amount: typed(big.NewInt(in.Cents)), Text: in.Text, Reference: in.Reference,
		IBANGrouped: strings.Join(fours(in.Account), " "),
	}
	var err error
	out.QR, err = l.drawnBank.of(in.Code, "QR code of the bank transfer: "+out.Amount+" "+currency+" to "+in.Holder)
	return out, err
}

// typed writes whole cents as people type them: "1250.00".
func typed(x *big.Int) string { return strings.ReplaceAll(money.Display(x, cents), ",", "") }

// fours cuts a text into pieces of four characters.
func fours(text string) (out []string) {
	for piece := range slices.Chunk([]byte(text), 4) {
		out = append(out, string(piece))
	}
	return out
}

// quoteOf is the active quote of what is looked at, nil if there is none.
func (s *deposits) quoteOf(pm *payment.Payment, l look) (*templates.DepositQuote, error) {
	r := pm.Terms.Requests[0]
	token, listed := s.Checkout.Book().Token(l.asset)
	q, found := pm.ActiveQuote(r.Index, l.asset, s.Now())
	missing, _ := pm.Outstanding(0)
	if !listed || !found || missing.Sign() <= 0 || r.Quoted() {
		return nil, nil
	}
	units := q.Ask(missing, token.Decimals)
	out := &templates.DepositQuote{
		Asset: string(token.ID), Symbol: token.Symbol, Chain: s.chainName(token.Chain), Network: token.Network, ChainID: uint64(token.Chain),
		Decimals: int(token.Decimals), Token: token.Address.String(), Native: token.Native,
		Amount: money.Format(units, token.Decimals), Units: units.String(), Rate: q.Price.String(), ExpiresAt: instant(q.ExpiresAt),
		URI: asset.PaymentURI(token, r.Payee, units), Address: r.Payee.String(),
	}
	var err error
	out.QR, err = l.drawn.of(out.URI, "QR code: "+out.Amount+" "+out.Symbol+" on "+out.Chain+" to "+out.Address)
	return out, err
}

// transfers lists what has arrived, oldest first.
func (s *deposits) transfers(pm *payment.Payment) []templates.DepositTransfer {
	all := slices.Clone(pm.Transfers)
	slices.SortFunc(all, func(a, b payment.Transfer) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Evidence.Chain, b.Evidence.Chain), cmp.Compare(a.Evidence.Block, b.Evidence.Block), strings.Compare(a.Key, b.Key))
	})
	out := make([]templates.DepositTransfer, 0, len(all))
	for _, x := range all {
		token, _ := s.Checkout.Book().Token(x.Asset)
		chain, _ := s.Checkout.Book().Chain(x.Evidence.Chain)
		t := templates.DepositTransfer{
			Key: x.Key, Asset: string(x.Asset), Symbol: token.Symbol, Amount: money.Format(x.Amount, token.Decimals), Chain: chain.Name, Network: chain.Network,
			TxHash: x.Evidence.Tx, Stage: string(x.Stage), Required: s.Chains.Required(x.Evidence.Chain), Late: pm.Late(x), At: instant(x.At),
		}
		if x.Quote != "" {
			t.Worth = shownPart(pm, x.Credit)
		}
		if x.Asset == pm.Terms.Requests[x.Request].Asset { // what is due itself: a bank brought it
			t.Bank, t.Symbol, t.Chain, t.Required = true, string(x.Asset), templates.BankPlace, 0
			t.Amount, t.Worth = typed(money.WholeCents(x.Amount)), fiat(x.Credit)
		}
		if x.Evidence.Tx != "" {
			t.ExplorerURL = chain.TxURL(x.Evidence.Tx)
		}
		if x.Stage != payment.Dropped && !t.Bank {
			t.Confirmations = s.confirmations(x)
		}
		out = append(out, t)
	}
	return out
}

// view turns a payment into what its page shows.
func (s *deposits) view(ctx context.Context, pm *payment.Payment, l look) (*templates.DepositPage, error) {
	m, err := s.Directory.Merchant(ctx, pm.Terms.Merchant)
	if err != nil {
		return nil, err
	}
	g, err := s.ground(ctx, pm)
	if err != nil {
		return nil, err
	}
	status, err := s.statusOn(pm, l, g)
	if err != nil {
		return nil, err
	}
	v := &templates.DepositPage{
		Assets: s.Assets, Status: status, Page: s.Link(pm.Terms.Alias), Path: s.path(pm.Terms.Alias), Link: s.links(), Addressed: addressed(pm), Sandbox: s.sandbox(pm),
		Merchant: m.Name, Currency: status.Currency, OrderNote: pm.Terms.Reference, SettledAt: templates.At(pm.Standing.SettledAt), RedirectLabel: pm.Terms.RedirectLabel,
	}
	if !pm.Terms.Endless() {
		v.ExpiresAt = templates.At(pm.Terms.ExpiresAt)
	}
	if v.Addressed {
		v.Safety = templates.NewDepositSafety(m.Name, checks(g.checks))
	}
	if status.Bank != nil && (l.method == templates.MethodBank || !status.Methods.Crypto) {
		v.Method = templates.MethodBank
	}
	if status.Payable && genuine(g.checks) {
		v.Address = pm.Terms.Requests[0].Payee.String()
		if v.AddressQR, err = new(drawing).of(v.Address, "QR code of the address alone"); err != nil {
			return nil, err
		}
	}
	chains := s.choices(v, pm, g.options, l.asset)
	v.Data = templates.DepositData{
		Page: v.Page, Path: v.Path, Method: v.Method, Merchant: v.Merchant, Sandbox: v.Sandbox, Currency: v.Currency, Asset: v.Chosen.ID, Address: v.Address,
		Assets: []templates.DepositAsset{}, Chains: chains, Frames: append([]string{}, s.Server.FrameAncestors()...), Status: status,
	}
	for _, n := range v.Networks {
		v.Data.Assets = append(v.Data.Assets, n.Assets...)
	}
	if status.Quote != nil {
		bare := *status.Quote
		bare.QR, v.Data.Status.Quote = "", &bare
	}
	if status.Bank != nil {
		bare := *status.Bank
		bare.QR, v.Data.Status.Bank = "", &bare
	}
	return v, nil
}

// choices fills in what may be sent, by network, and what is chosen of it. It returns
// the networks' chains.
func (s *deposits) choices(v *templates.DepositPage, pm *payment.Payment, options []rail.Option, chosen asset.ID) []templates.Chain {
	at := map[asset.ChainID]int{}
	chains := []templates.Chain{}
	for _, o := range options {
		token, listed := s.Checkout.Book().Token(o.Asset)
		chain, known := s.Checkout.Book().Chain(token.Chain)
		if o.Asset == "" || !listed || !known {
			continue
		}
		a := templates.DepositAsset{
			ID: string(token.ID), Symbol: token.Symbol, Name: token.Name, Decimals: int(token.Decimals), Token: token.Address.String(), Native: token.Native,
			Chain: chain.Name, Network: chain.Network, ChainID: uint64(chain.ID),
		}
		if !token.Native {
			a.AssetURL = chain.AddressURL(token.Address)
		}
		if len(o.Costs) == 1 {
			a.Amount = money.Format(o.Costs[0].Amount, token.Decimals)
		}
		i, ok := at[chain.ID]
		if !ok {
			i = len(v.Networks)
			at[chain.ID] = i
			v.Networks = append(v.Networks, templates.DepositNetwork{Name: chain.Name})
			chains = append(chains, s.wireChain(chain))
		}
		v.Networks[i].Assets = append(v.Networks[i].Assets, a)
		if token.ID == chosen {
			v.Chosen = a
		}
	}
	if v.Chosen.ID != "" && v.Status.Quote == nil && slices.ContainsFunc(pm.Quotes, func(q payment.Quote) bool { return q.Asked && q.Asset == chosen }) {
		v.Trouble = templates.QuoteLapsed
	}
	return chains
}

// sandbox reports whether a payment is about no real money: a server has the sandbox's
// chains or real ones, and of a payment that names none any of the server's will do.
func (s *deposits) sandbox(pm *payment.Payment) bool {
	if len(pm.Quotes) > 0 {
		chain, _ := s.Checkout.Book().Chain(pm.Quotes[0].Chain)
		return chain.Sandbox
	}
	return slices.ContainsFunc(s.Checkout.Book().Chains(), func(c asset.Chain) bool { return c.Sandbox })
}

// instant writes a time as a status has it, "" for none.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

const cents = 2 // decimals of a fiat currency

// fiat writes an inner amount of a fiat currency, rounded down to a cent.
func fiat(x *big.Int) string { return money.Display(money.WholeCents(x), cents) }

// fiatNearest is for parts, which are a hair off a cent and add up to what is due.
func fiatNearest(x *big.Int) string { return fiat(nearest(x)) }

// nearest is an inner amount of a fiat currency in whole cents.
func nearest(x *big.Int) *big.Int {
	up := new(big.Int).Rsh(money.Cents(1), 1)
	return up.Mul(money.WholeCents(up.Add(up, x)), money.Cents(1))
}

// sums is what all requests of a payment come to, in inner amounts of the currency. What is
// too much of one request makes up for nothing of another: missing is each one's own.
type sums struct {
	due, received, short, late, excess *big.Int
	banks                              bool // a bank may bring what is missing, in whole cents
}

func tally(pm *payment.Payment) sums {
	s := sums{due: new(big.Int), received: new(big.Int), short: new(big.Int), late: new(big.Int), excess: new(big.Int)}
	for i, r := range pm.Terms.Requests {
		st := pm.Standing.Requests[i]
		s.due.Add(s.due, r.Due)
		s.received.Add(s.received, st.Received)
		s.short.Add(s.short, st.Missing(r.Due))
		s.late.Add(s.late, st.Late)
		s.excess.Add(s.excess, r.Excess(st))
		s.banks = s.banks || r.Bank != nil
	}
	return s
}

// missing is never negative.
func (s sums) missing() *big.Int { return new(big.Int).Set(s.short) }

// parts are what has come and what is missing. Where a bank may bring that, it is what the
// bank is told: all of it, rounded up to a cent.
func (s sums) parts() (came, missing string) {
	switch {
	case s.short.Sign() == 0:
		return parts(s.received, s.due)
	case !s.banks:
		return parts(new(big.Int).Sub(s.due, s.short), s.due)
	}
	left := money.CentsUp(s.missing())
	left.Mul(left, money.Cents(1))
	return fiat(new(big.Int).Sub(s.due, left)), fiat(left)
}

// shownPart is a part of a payment as people see it: it adds up with what parts says.
func shownPart(pm *payment.Payment, x *big.Int) string {
	if tally(pm).banks {
		return fiat(x)
	}
	return fiatNearest(x)
}

// parts are what has come and what is missing, which add up to what is due. As long as
// anything is missing, a cent is.
func parts(received, due *big.Int) (came, missing string) {
	if received.Cmp(due) >= 0 {
		return fiat(received), fiat(new(big.Int))
	}
	shown := nearest(received)
	if most := new(big.Int).Sub(due, money.Cents(1)); shown.Cmp(most) > 0 {
		shown = most
	}
	return fiat(shown), fiat(new(big.Int).Sub(due, shown))
}
