package pay

import (
	"context"
	"math/big"
	"time"

	"quittance/internal/asset"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/templates"
)

// view turns a payment into what its page shows.
func (p *Pages) view(ctx context.Context, pm *payment.Payment) (*templates.PayPage, error) {
	chain, err := p.chainOf(pm)
	if err != nil {
		return nil, err
	}
	r := pm.Terms.Requests[0]
	token, _ := p.Checkout.Book().Token(r.Asset)
	m, err := p.Directory.Merchant(ctx, pm.Terms.Merchant)
	if err != nil {
		return nil, err
	}
	due, fee := pm.Outstanding(0)
	st := pm.Standing.Requests[0]
	show := func(v *big.Int) string { return money.Display(v, token.Decimals) }

	v := &templates.PayPage{
		Assets: p.Assets, State: string(pm.Standing.State), Oddity: string(pm.Standing.Oddity), Sandbox: chain.Sandbox,
		Merchant: m.Name, Asked: show(r.Due), Due: show(due), Symbol: token.Symbol, Network: chain.Name,
		Payee: r.Payee.String(), PayeeURL: chain.AddressURL(r.Payee), Reference: r.Reference, OrderNote: pm.Terms.Reference,
		ExpiresAt: templates.At(pm.Terms.ExpiresAt), Required: p.Chains.Required(chain.ID),
		RedirectURL: pm.Terms.RedirectURL, RedirectLabel: pm.Terms.RedirectLabel,
		Data: p.data(pm, chain, token, due, fee),
	}
	if !token.Native {
		v.AssetURL = chain.AddressURL(token.Address)
	}
	v.Total = show(new(big.Int).Add(due, fee))
	if fee.Sign() > 0 {
		v.Fee = show(fee)
	}
	if st.Received.Sign() > 0 || st.Late.Sign() > 0 {
		v.Received = show(new(big.Int).Add(st.Received, st.Late))
	}
	if excess := st.Excess(r.Due); excess.Sign() > 0 {
		v.Excess = show(excess)
	}
	p.evidence(v, pm, chain)
	if pm.Standing.State == payment.Open {
		options, err := p.Checkout.Offers(ctx, pm, rail.Payer{})
		if err != nil {
			return nil, err
		}
		if len(options) > 0 {
			v.Data.Option = options[0].ID
		}
		v.Safety = templates.NewSafety(checks(p.Checkout.Guard(ctx, pm)))
		if v.Safety.Outcome == templates.OutcomeRefused {
			v.State, v.Data.State, v.Data.Payable = templates.StateUnsafe, templates.StateUnsafe, false
		}
	}
	return v, nil
}

// evidence adds where the money can be looked up.
func (p *Pages) evidence(v *templates.PayPage, pm *payment.Payment, chain asset.Chain) {
	for _, x := range pm.Transfers {
		if x.Stage == payment.Dropped {
			v.Reorged = v.Reorged || pm.Standing.State == payment.Open
		}
	}
	x, ok := pm.Telling(0)
	if !ok {
		return
	}
	v.Tx, v.TxURL, v.Payer = x.Evidence.Tx, chain.TxURL(x.Evidence.Tx), x.Evidence.Payer
	v.Confirmations = p.confirmations(x)
	v.SettledAt = templates.At(pm.Standing.SettledAt)
}

// confirmations of a transfer: 1 in the newest block. Only a final transfer has
// all it needs: the last one also waits for other endpoints to agree, or for the
// network's own word.
func (p *Pages) confirmations(x payment.Transfer) int {
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
func (p *Pages) data(pm *payment.Payment, chain asset.Chain, token asset.Token, due, fee *big.Int) templates.Data {
	r := pm.Terms.Requests[0]
	feePayee := asset.Address{}
	if fee.Sign() > 0 {
		feePayee = r.FeePayee()
	}
	explorer := chain.Explorer
	if explorer != "" && explorer[len(explorer)-1] != '/' {
		explorer += "/"
	}
	rpc := p.PublicRPC[chain.ID]
	if rpc == nil {
		rpc = []string{}
	}
	return templates.Data{
		Token: string(pm.ID), State: string(pm.Standing.State), Oddity: string(pm.Standing.Oddity),
		Payable: pm.Standing.State == payment.Open, Sandbox: chain.Sandbox,
		Now: p.Now().UTC().Format(time.RFC3339), ExpiresAt: pm.Terms.ExpiresAt.Format(time.RFC3339),
		Chain: templates.Chain{
			ID: uint64(chain.ID), Network: chain.Network, Name: chain.Name, RPCURLs: rpc, Explorer: explorer,
			Native: templates.Native{Name: chain.Native.Name, Symbol: chain.Native.Symbol, Decimals: int(chain.Native.Decimals)},
		},
		Asset: templates.Asset{
			ID: string(token.ID), Symbol: token.Symbol, Decimals: int(token.Decimals), Address: token.Address.String(),
			Native: token.Native, ResetAllowance: token.ResetAllowance,
		},
		Payee: r.Payee.String(), Amount: due.String(), Fee: templates.DataFee{Amount: fee.String(), Payee: feePayee.String()},
		Reference: r.Reference, Confirmations: p.Chains.Required(chain.ID), Received: pm.Standing.Requests[0].Received.String(),
	}
}

func checks(all []rail.Check) []templates.Check {
	out := make([]templates.Check, len(all))
	for i, c := range all {
		out[i] = templates.Check{Name: c.Name, Outcome: string(c.Outcome), Detail: c.Detail}
	}
	return out
}
