package checkout

import (
	"context"
	"fmt"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// codeNoKey is the code of Tx.TakeAddress's fault for a merchant without a key.
const codeNoKey = "no_deposit_key"

// errNoWayToPay refuses an amount of euros that a merchant has set nothing up for.
var errNoWayToPay = fault.New(fault.Unavailable, "no_way_to_pay", "No payment method is set up for this account.")

// fiatOnly refuses what a payment that is due in a fiat currency cannot keep to: whoever has
// its address, or the reference of one of its shares, can send to it.
func (s *Service) fiatOnly(d Draft) error {
	switch {
	case d.Flow == payment.PayOut:
		return fault.Field("flow", "payout_unsupported", "A payout cannot be due in a fiat currency.")
	case !d.Access.Open() || d.Access.HideUntilApproved || d.Access.HidePayee:
		return fault.Field("accessPolicy", "access_unsupported", "Who pays an amount in a fiat currency cannot be restricted.")
	}
	first := d.Requests[0]
	for i, r := range d.Requests[1:] {
		if r.Chain == 0 || first.Chain == 0 || r.Fiat != first.Fiat {
			return fault.Field(fmt.Sprintf("requests[%d]", i+1), "several_requests",
				"A payment that is due in a fiat currency has one request, or several in the same currency to accounts of the payees' own.")
		}
	}
	for i, r := range d.Requests {
		if err := s.fiatRequest(r, func(name string) string { return fmt.Sprintf("requests[%d].%s", i, name) }); err != nil {
			return err
		}
		if r.Chain != first.Chain {
			return fault.Field(fmt.Sprintf("requests[%d]", i), "several_networks", "All requests of one payment must be on one network.")
		}
	}
	return nil
}

// fiatRequest refuses one request that is due in a fiat currency, by itself.
func (s *Service) fiatRequest(r DraftRequest, field func(string) string) error {
	_, listed := s.book.Chain(r.Chain)
	switch {
	case r.Fiat != asset.USD && r.Fiat != asset.EUR:
		return fault.Field(field("currency"), "unknown_currency", "Only US dollars and euros can be due.")
	case r.Chain == 0 && !r.Payee.IsZero():
		return fault.Field(field("payee"), "invalid_payee", "What is due in a fiat currency is paid to an address that is made for it.")
	case r.Chain != 0 && !listed:
		return fault.Field(field("chain"), "unknown_chain", "This chain is not supported here.")
	case r.Chain != 0 && r.Payee.IsZero():
		return fault.Field(field("payee"), "invalid_payee", "The zero address cannot be paid.")
	case r.Token.ID != "":
		return fault.Field(field("token"), "invalid_token", "What is due in a fiat currency is paid in any currency that is offered.")
	case r.Fee != nil:
		return fault.Field("feePercentage", "fee_unsupported", "Nobody can be paid a fee on top of an amount in a fiat currency.")
	case r.Bank != nil && (r.Fiat != asset.EUR || r.Chain != 0):
		return fault.Field(field("bank"), "bank_unsupported", "Only an amount of euros to one payee can be paid by a bank transfer.")
	case r.Bank != nil && (r.Bank.Holder == "" || r.Bank.Account == ""):
		return fault.Field(field("bank"), "invalid_bank", "A bank transfer needs an account and its holder.")
	}
	return nil
}

// drawFiat completes a payment that is due in a fiat currency, but for its address, and
// tells whether it is to have one: where a bank can pay, not if nothing can be sent to it.
//
// Faults: those of firstQuote; Unavailable "deposits_unavailable", "no_way_to_pay".
func (s *Service) drawFiat(ctx context.Context, p *payment.Payment, d Draft) (addressed bool, err error) {
	r := p.Terms.Requests[0]
	stand := again(p)
	stand.Terms.Requests[0].Payee = asset.Address{19: 1} // what can be sent does not depend on where to
	options, err := s.Offers(ctx, stand, rail.Payer{})
	if err != nil {
		return false, err
	}
	among := payableIn(options)
	switch {
	case s.addressed() != nil && len(among) > 0:
	case r.Bank != nil:
		return false, nil
	default:
		return false, noDeposits(r)
	}
	if r.Asset == asset.USD && !d.Endless {
		q, err := s.firstQuote(ctx, p, d.Quote, among)
		p.Quotes = []payment.Quote{q}
		return true, err
	}
	return true, nil
}

// noDeposits is the fault of an amount that cannot be sent to any address, nor to a bank.
func noDeposits(r payment.Request) error {
	if r.Asset == asset.EUR {
		return errNoWayToPay
	}
	return errNoDeposits
}

// addressed is the rail whose handles are addresses, nil if there is none.
func (s *Service) addressed() rail.Addressed {
	for _, r := range s.rails {
		if a, ok := r.(rail.Addressed); ok {
			return a
		}
	}
	return nil
}

// takeAddress gives what is due in a fiat currency an address of its own. Of a merchant
// without a key a bank is paid alone.
//
// Faults: Unavailable "no_way_to_pay"; those of Tx.TakeAddress.
func (s *Service) takeAddress(ctx context.Context, tx Tx, p *payment.Payment) error {
	r := &p.Terms.Requests[0]
	address, err := tx.TakeAddress(ctx, p.Terms.Merchant, p.ID, r.Index, p.Terms.CreatedAt)
	noKey := fault.CodeOf(err) == codeNoKey
	switch {
	case err == nil:
	case noKey && r.Bank != nil:
		return nil
	case noKey && r.Asset == asset.EUR:
		return errNoWayToPay.Because(err)
	default:
		return fmt.Errorf("take a deposit address: %w", err)
	}
	r.Payee = address
	r.Handles = append(r.Handles, s.addressed().HandleOf(address))
	return nil
}
