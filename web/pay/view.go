package pay

import (
	"context"
	"math/big"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/userop"
	"quittance/templates"
)

// view turns a payment into what its page shows to the browser that announced
// this hash, "" for none. part is the share of a link's payment that it is, nil for others.
func (p *hosted) view(ctx context.Context, pm *payment.Payment, part *share, announced string) (*templates.PayPage, error) {
	chain, err := p.chainOf(pm)
	if err != nil {
		return nil, err
	}
	owed, err := p.owed(pm)
	if err != nil {
		return nil, err
	}
	m, err := p.Directory.Merchant(ctx, pm.Terms.Merchant)
	if err != nil {
		return nil, err
	}
	options, err := p.Checkout.Offers(ctx, pm, rail.Payer{})
	if err != nil {
		return nil, err
	}
	own := direct(options)
	if part != nil {
		options = own
	}
	b := bill(owed, own)
	v := &templates.PayPage{
		Assets: p.Assets, State: stateOf(pm), Oddity: string(pm.Standing.Oddity), Sandbox: chain.Sandbox,
		Merchant: m.Name, Payout: pm.Terms.Flow == payment.PayOut, Recipient: pm.Terms.RecipientIdentifier,
		Network: chain.Name, OrderNote: pm.Terms.Reference, PayeeShort: pm.Terms.Access.HidePayee,
		ExpiresAt: templates.At(pm.Terms.ExpiresAt), Required: p.Chains.Required(chain.ID),
		RedirectURL: pm.Terms.RedirectURL, RedirectLabel: pm.Terms.RedirectLabel,
		Data: p.data(pm, chain, b),
	}
	if restricted(pm.Terms) {
		v.Access = templates.Access{Listed: len(pm.Terms.Access.Allowed) > 0 && !v.Payout, Screened: pm.Terms.Access.Screen}
	}
	if len(owed) == 1 {
		single(v, pm, owed[0], chain)
	} else {
		several(v, pm, b, chain)
	}
	p.evidence(v, pm, chain)
	if part != nil {
		if err := p.shared(ctx, v, part); err != nil {
			return nil, err
		}
	}
	if a, ok := pm.UnderWay(p.Now()); ok && pm.Standing.State == payment.Open {
		p.underWay(v, pm, a)
		return v, nil
	}
	if p.safe(v, pm, chain, announced) || p.op(v, pm, chain, announced) {
		return v, nil
	}
	if pm.Standing.State == payment.Open {
		p.payable(ctx, v, pm, part, options)
	}
	return v, nil
}

// payable fills in how a payment can be paid, and whether that is safe.
func (p *hosted) payable(ctx context.Context, v *templates.PayPage, pm *payment.Payment, part *share, options []rail.Option) {
	if own := direct(options); len(own) > 0 {
		v.Data.Option = own[0].ID
	}
	if part != nil {
		v.Data.Option = part.option
	}
	one := part == nil && len(pm.Terms.Requests) == 1
	if v.Others = p.others(options); one && (len(v.Others) > 0 || len(p.Checkout.Missing(ctx, pm)) > 0) {
		v.Data.Ways, v.Data.Route = p.Assets.Ways, p.Assets.Route
	}
	v.Safety = templates.NewSafety(checks(p.Checkout.Guard(ctx, pm)))
	if v.Safety.Outcome == templates.OutcomeRefused {
		v.State, v.Data.State, v.Data.Payable = templates.StateUnsafe, templates.StateUnsafe, false
	}
}

// stateOf is the state a page shows: a payment that failed because its payee was
// refused has one of its own.
func stateOf(pm *payment.Payment) string {
	if pm.Standing.State == payment.Failed {
		if a, ok := pm.Failure(); ok && a.Reason == checkout.ComplianceFailed {
			return templates.StateBlocked
		}
	}
	return string(pm.Standing.State)
}

// single fills in a payment of one request.
func single(v *templates.PayPage, pm *payment.Payment, o owed, chain asset.Chain) {
	v.Asked, v.Due, v.Symbol, v.Reference = o.show(o.Due), o.show(o.due), o.token.Symbol, o.Reference
	v.Payee, v.PayeeURL = payeeOf(pm, o.Payee, chain)
	v.Total = o.show(new(big.Int).Add(o.due, o.fee))
	if !o.token.Native {
		v.AssetURL = chain.AddressURL(o.token.Address)
	}
	if o.fee.Sign() > 0 {
		v.Fee = o.show(o.fee)
	}
	if arrived := o.arrived(); arrived.Sign() > 0 {
		v.Received = o.show(arrived)
	}
	if excess := o.standing.Excess(o.Due); excess.Sign() > 0 {
		v.Excess = o.show(excess)
	}
}

// evidence adds where the money can be looked up.
func (p *hosted) evidence(v *templates.PayPage, pm *payment.Payment, chain asset.Chain) {
	for _, x := range pm.Transfers {
		if x.Stage == payment.Dropped {
			v.Reorged = v.Reorged || pm.Standing.State == payment.Open
		}
	}
	x, ok := telling(pm)
	if !ok {
		return
	}
	v.Tx, v.TxURL, v.Payer = x.Evidence.Tx, chain.TxURL(x.Evidence.Tx), x.Evidence.Payer
	if r := p.settledBy(pm, ""); r != nil {
		v.Given, v.GivenURL = r.Amount+" "+r.Symbol+" on "+r.Chain, r.ExplorerURL
	}
	_, v.PayerSafe = paidBy(pm)
	v.Confirmations = p.confirmations(x)
	v.SettledAt = templates.At(pm.Standing.SettledAt)
}

// telling is the transfer that tells how the payment was made: of several
// requests that of the newest block, which all others are older than.
func telling(pm *payment.Payment) (last payment.Transfer, ok bool) {
	for i := range pm.Terms.Requests {
		if x, found := pm.Telling(i); found && (!ok || x.Evidence.Block > last.Evidence.Block) {
			last, ok = x, true
		}
	}
	return last, ok
}

// confirmations of a transfer: 1 in the newest block. Only a final transfer has
// all it needs: the last one also waits for other endpoints to agree, or for the
// network's own word.
func (p *hosted) confirmations(x payment.Transfer) int {
	required := p.Chains.Required(x.Evidence.Chain)
	if x.Stage == payment.Final {
		return required
	}
	head, ok := p.Chains.Head(x.Evidence.Chain)
	if !ok || head < x.Evidence.Block {
		return 0
	}
	return int(min(head-x.Evidence.Block+1, uint64(max(required-1, 0))))
}

// data is what the page's script verifies calldata against: what is displayed.
func (p *hosted) data(pm *payment.Payment, chain asset.Chain, b bills) templates.Data {
	d := templates.Data{
		Token: string(pm.ID), State: stateOf(pm), Oddity: string(pm.Standing.Oddity),
		Payable: pm.Standing.State == payment.Open, Sandbox: chain.Sandbox,
		Now: p.Now().UTC().Format(time.RFC3339), ExpiresAt: pm.Terms.ExpiresAt.Format(time.RFC3339),
		Chain:    p.wireChain(chain),
		FeePayee: asset.Address{}.String(), Batch: len(b.listed) > 1, Restricted: restricted(pm.Terms),
		Confirmations: p.Chains.Required(chain.ID), Frames: append([]string{}, p.Server.FrameAncestors()...),
		Kits: map[string]string{},
	}
	if d.Payable {
		d.Safe, d.Gasless = p.Assets.Safe, p.Assets.Gasless
		if d.Gasless != "" {
			d.Kits[userop.KindLight], d.Kits[userop.KindSafe] = p.Assets.KitLight, p.Assets.KitSafe
		}
	}
	for _, s := range b.sums {
		d.Assets = append(d.Assets, templates.Asset{
			ID: string(s.token.ID), Symbol: s.token.Symbol, Decimals: int(s.token.Decimals), Address: s.token.Address.String(),
			Native: s.token.Native, ResetAllowance: s.token.ResetAllowance, ContractFee: s.contractFee.String(),
		})
	}
	for _, o := range b.listed {
		item := templates.DataItem{
			Index: o.Index, Asset: b.at[o.token.ID], Payee: o.Payee.String(), Amount: o.due.String(), Fee: o.fee.String(), Reference: o.Reference,
		}
		if pm.Terms.Access.HidePayee {
			item.Payee, item.PayeeHash = shorten(o.Payee), payeeHash(p.payeeSecret(pm.ID), o.Payee)
		}
		if o.fee.Sign() > 0 {
			d.FeePayee = o.FeePayee().String()
		}
		d.Items = append(d.Items, item)
	}
	return d
}

func checks(all []rail.Check) []templates.Check {
	out := make([]templates.Check, len(all))
	for i, c := range all {
		out[i] = templates.Check{Name: c.Name, Outcome: string(c.Outcome), Detail: c.Detail}
	}
	return out
}
