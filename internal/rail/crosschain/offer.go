package crosschain

import (
	"context"
	"fmt"
	"math/big"
	"slices"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/lifi"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// debt is what a payment still needs, as a call of the fee proxy would pay it.
type debt struct {
	to      asset.Token
	order   official.Expectation
	settled bool // nothing is missing; the order is then the whole payment
}

// debt reads what is missing of the payment's one request. ok is false if the
// payment does not fit this rail: several requests, or an asset that no route
// ends in.
func (r *Rail) debt(p *payment.Payment) (d debt, ok bool, err error) {
	if len(p.Terms.Requests) != 1 || len(p.Standing.Requests) != 1 {
		return debt{}, false, nil
	}
	q := p.Terms.Requests[0]
	to, known := r.book.Token(q.Asset)
	if !known || to.Native || r.nodes[to.Chain] == nil {
		return debt{}, false, nil
	}
	network, _ := r.table.Network(to.Chain)
	proxy, official20 := r.registry.Contract(to.Chain, official.ERC20FeeProxy)
	if pinned, ok := network.Stable(to.Address); !ok || pinned.Decimals != to.Decimals || !official20 || proxy.Address != network.FeeProxy {
		return debt{}, false, nil
	}
	e := official.Expectation{Chain: to.Chain, Token: to.Address, Payee: q.Payee}
	if e.Reference, err = official.ParseReference(q.Reference); err != nil {
		return debt{}, false, fmt.Errorf("request %s: %w", q.ID, err)
	}
	e.Amount, e.Fee = p.Outstanding(0)
	settled := e.Amount.Sign() <= 0
	if settled {
		e.Amount, e.Fee = new(big.Int).Set(q.Due), q.FeeAmount()
	}
	if e.Fee.Sign() > 0 {
		e.FeePayee = q.FeePayee()
	}
	return debt{to: to, order: e, settled: settled}, true, nil
}

// required is amount and fee.
func (d debt) required() *big.Int { return d.order.Total() }

// small reports whether the debt is a dollar or less, which bridges do not
// carry: the tokens here are all taken for dollars.
func (d debt) small() bool {
	dollar := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(d.to.Decimals)), nil)
	return d.required().Cmp(dollar) <= 0
}

// way is a token that a debt can be paid with over this rail.
type way struct {
	option  string
	from    asset.Token
	network lifi.Network // of from
	crosses bool
}

// ways are all that the pinned table has, whether or not they are offered now.
func (r *Rail) ways(d debt) (all []way) {
	for _, c := range r.book.Chains() {
		network, pinned := r.table.Network(c.ID)
		if !pinned || r.nodes[c.ID] == nil || c.ID == d.to.Chain && len(network.DEXes) == 0 {
			continue
		}
		for _, s := range network.Stables {
			from, known := r.book.TokenAt(c.ID, s.Address)
			if !known || from.Decimals != s.Decimals || from.ID == d.to.ID {
				continue
			}
			all = append(all, way{option: optionID(from), from: from, network: network, crosses: c.ID != d.to.Chain})
		}
	}
	return all
}

// optionID names the way that begins with a token.
func optionID(from asset.Token) string { return fmt.Sprintf("%s:%s:%s", ID, from.Network, from.ID) }

// open reports whether the way can be priced now for a payer.
func (r *Rail) open(d debt, w way, payer rail.Payer) bool {
	return !w.crosses || !d.small() && r.connected(w.from.Chain, d.to.Chain, r.bridgesOf(payer))
}

// connected reports whether one of these bridges goes from one chain to another and
// ends in a pinned contract.
func (r *Rail) connected(from, to asset.ChainID, bridges []string) bool {
	tools, end := r.tools.Load(), map[string]bool{}
	network, _ := r.table.Network(to)
	end[lifi.BridgeAcross], end[lifi.BridgeStargate] = !network.ReceiverAcross.IsZero(), !network.ReceiverStargate.IsZero()
	return tools != nil && slices.ContainsFunc(bridges, func(key string) bool { return end[key] && tools.Connected(key, from, to) })
}

// The codes of what is missing.
const (
	codeUnavailable = "routing_unavailable"
	codeOff         = "routing_off"
	codeSmall       = "amount_too_small"
	codeNoBridge    = "no_bridge"
)

// closed says why nothing at all is offered; an empty code if something may be.
func (r *Rail) closed() (code, why string) {
	r.pins.mu.Lock()
	defer r.pins.mu.Unlock()
	switch {
	case r.pins.wrong:
		return codeOff, "Paying from another network or with another token is switched off for now."
	case !r.pins.confirmed, r.tools.Load() == nil, !r.client.Available():
		return codeUnavailable, "Paying from another network or with another token is not possible right now."
	}
	return "", ""
}

// Offer returns one way for each token that a route can start from, at what it
// may cost at most. It asks nobody: see Run. A Safe is offered other chains until
// Price or Prepare has found that it is not the same one on the payment's. A smart
// account is offered what needs no native currency.
func (r *Rail) Offer(_ context.Context, p *payment.Payment, payer rail.Payer) ([]rail.Option, error) {
	if p.Standing.State != payment.Open {
		return nil, nil
	}
	d, ok, err := r.debt(p)
	if err != nil || !ok || d.settled {
		return nil, err
	}
	if code, _ := r.closed(); code != "" {
		return nil, nil
	}
	var options []rail.Option
	for _, w := range r.ways(d) {
		if r.open(d, w, payer) && r.barred(d, w, payer) == nil {
			options = append(options, r.option(d, w))
		}
	}
	return options, nil
}

// option is a way before anyone was asked for its price.
func (r *Rail) option(d debt, w way) rail.Option {
	o := rail.Option{
		ID: w.option, Rail: ID, Type: rail.Conversion, Chain: w.from.Chain, Spender: w.network.Diamond,
		Costs:     []rail.Cost{{Asset: w.from.ID, Amount: r.most(d, w)}},
		Estimated: true, Least: lifi.SourceCap(d.required(), w.from, d.to, 0),
	}
	if w.crosses {
		o.Type = rail.Crosschain
	}
	return o
}

// most is what a way may take of its token.
func (r *Rail) most(d debt, w way) *big.Int {
	return lifi.SourceCap(d.required(), w.from, d.to, r.maxCost)
}

// Missing says what is left out of Offer: all of the rail, all other chains, or
// single ones. It says nothing of payments that no route could pay.
func (r *Rail) Missing(_ context.Context, p *payment.Payment) (missing []rail.Missing) {
	if p.Standing.State != payment.Open {
		return nil
	}
	d, ok, err := r.debt(p)
	if err != nil || !ok || d.settled { // an error is Offer's to report
		return nil
	}
	if code, why := r.closed(); code != "" {
		return []rail.Missing{{Code: code, Why: why}}
	}
	for _, w := range r.ways(d) {
		switch {
		case r.open(d, w, rail.Payer{}):
		case d.small():
			return []rail.Missing{{Code: codeSmall, Why: smallWhy}}
		case !slices.ContainsFunc(missing, func(m rail.Missing) bool { return m.Chain == w.from.Chain }):
			c, _ := r.book.Chain(w.from.Chain)
			missing = append(missing, rail.Missing{Chain: c.ID, Code: codeNoBridge, Why: "No known bridge goes from " + c.Name + " to this payment's network."})
		}
	}
	return missing
}

const smallWhy = "Payments of 1 USD or less cannot be made from another network."

// chosen is the debt and the way that an option names, if the payer can go it.
func (r *Rail) chosen(p *payment.Payment, optionID string, payer rail.Payer) (debt, way, error) {
	d, ok, err := r.debt(p)
	if err != nil {
		return debt{}, way{}, err
	}
	noRoute := fault.New(fault.NotFound, "no_route", "There is no such way to pay this.").At("option")
	if !ok {
		return debt{}, way{}, noRoute
	}
	ways := r.ways(d)
	i := slices.IndexFunc(ways, func(w way) bool { return w.option == optionID })
	if i < 0 {
		return debt{}, way{}, noRoute
	}
	code, why := r.closed()
	switch {
	case d.settled:
		return debt{}, way{}, fault.New(fault.Conflict, "nothing_missing", "The money for this payment has been sent already.")
	case p.Standing.State != payment.Open:
		return debt{}, way{}, fault.New(fault.Forbidden, "payment_over", "This payment can no longer be paid.")
	case code != "":
		return debt{}, way{}, fault.New(fault.Unavailable, code, why)
	case !r.open(d, ways[i], payer):
		return debt{}, way{}, noRoute
	}
	return d, ways[i], nil
}
