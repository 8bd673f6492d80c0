package pay

import (
	"encoding/hex"
	"math/big"
	"strings"

	"golang.org/x/crypto/sha3"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/templates"
)

// owed is one request and what has to move now to complete it.
type owed struct {
	payment.Request
	token    asset.Token
	standing payment.RequestStanding
	due, fee *big.Int
}

func (o owed) show(units *big.Int) string { return money.Display(units, o.token.Decimals) }

// arrived is what has come, in time or not.
func (o owed) arrived() *big.Int { return new(big.Int).Add(o.standing.Received, o.standing.Late) }

// owed lists a payment's requests.
//
// Faults: Unavailable for an asset that is not supported any more.
func (p *hosted) owed(pm *payment.Payment) ([]owed, error) {
	all := make([]owed, len(pm.Terms.Requests))
	for i, r := range pm.Terms.Requests {
		token, ok := p.Checkout.Book().Token(r.Asset)
		if !ok {
			return nil, fault.New(fault.Unavailable, "asset_unknown", "The asset of this payment is not supported here any more.")
		}
		all[i] = owed{Request: r, token: token, standing: pm.Standing.Requests[i]}
		all[i].due, all[i].fee = pm.Outstanding(i)
	}
	return all, nil
}

// bills is what a payment comes to: what is due now or, once nothing is, what
// was asked.
type bills struct {
	all    []owed
	listed []owed // with something due, all if there are none
	sums   []sum  // by asset, in the order of their first use in listed
	at     map[asset.ID]int
	due    bool // something is
}

// sum is what all listed requests in one asset come to.
type sum struct {
	token                    asset.Token
	count                    int
	amount, fee, contractFee *big.Int
}

// bill adds up; the batch contract's own fee is what an option costs beyond
// amounts and fees.
func bill(all []owed, options []rail.Option) bills {
	b := bills{all: all, at: map[asset.ID]int{}}
	for _, o := range all {
		if o.due.Sign() > 0 {
			b.listed, b.due = append(b.listed, o), true
		}
	}
	if !b.due {
		b.listed = all
	}
	for _, o := range b.listed {
		i, ok := b.at[o.token.ID]
		if !ok {
			i = len(b.sums)
			b.at[o.token.ID] = i
			b.sums = append(b.sums, sum{token: o.token, amount: new(big.Int), fee: new(big.Int), contractFee: new(big.Int)})
		}
		s := &b.sums[i]
		s.count++
		amount, fee := o.due, o.fee
		if !b.due {
			amount, fee = o.Due, o.FeeAmount()
		}
		s.amount.Add(s.amount, amount)
		s.fee.Add(s.fee, fee)
	}
	if !b.due || len(options) == 0 {
		return b
	}
	for _, c := range options[0].Costs {
		if i, ok := b.at[c.Asset]; ok {
			s := &b.sums[i]
			if own := new(big.Int).Sub(c.Amount, s.total()); own.Sign() > 0 {
				s.contractFee = own
			}
		}
	}
	return b
}

// total is what leaves the wallet.
func (s sum) total() *big.Int {
	t := new(big.Int).Add(s.amount, s.fee)
	return t.Add(t, s.contractFee)
}

// several fills in a payment of several requests.
func several(v *templates.PayPage, pm *payment.Payment, b bills, chain asset.Chain) {
	for _, o := range b.all {
		v.Items = append(v.Items, itemOf(pm, o, chain))
	}
	for _, s := range b.sums {
		show := func(units *big.Int) string {
			if units.Sign() == 0 {
				return ""
			}
			return money.Display(units, s.token.Decimals)
		}
		t := templates.Total{
			Symbol: s.token.Symbol, Count: s.count, Amount: show(s.amount), Fee: show(s.fee), ContractFee: show(s.contractFee), Sum: show(s.total()),
		}
		if !s.token.Native {
			t.AssetURL = chain.AddressURL(s.token.Address)
		}
		v.Totals = append(v.Totals, t)
	}
	v.Received = b.words(owed.arrived)
	v.Excess = b.words(func(o owed) *big.Int { return o.standing.Excess(o.Due) })
}

func itemOf(pm *payment.Payment, o owed, chain asset.Chain) templates.Item {
	amount, fee := o.due, o.fee
	if amount.Sign() == 0 {
		amount, fee = o.Due, o.FeeAmount()
	}
	i := templates.Item{
		Index: o.Index, Amount: o.show(amount), Symbol: o.token.Symbol, Reference: o.Reference, State: string(o.standing.State),
	}
	i.Payee, i.PayeeURL = payeeOf(pm, o.Payee, chain)
	if fee.Sign() > 0 {
		i.Fee = o.show(fee)
	}
	if arrived := o.arrived(); arrived.Sign() > 0 && o.due.Sign() > 0 {
		i.Received, i.Asked = o.show(arrived), o.show(o.Due)+" "+o.token.Symbol
	}
	return i
}

// words adds up one figure of every request by asset: "4.00 USDC and 1.00
// USDT", "" if it is nothing.
func (b bills) words(figure func(owed) *big.Int) string {
	var order []asset.Token
	sums := map[asset.ID]*big.Int{}
	for _, o := range b.all {
		units := figure(o)
		if units.Sign() == 0 {
			continue
		}
		if sums[o.token.ID] == nil {
			sums[o.token.ID] = new(big.Int)
			order = append(order, o.token)
		}
		sums[o.token.ID].Add(sums[o.token.ID], units)
	}
	parts := make([]string, len(order))
	for i, token := range order {
		parts[i] = money.Display(sums[token.ID], token.Decimals) + " " + token.Symbol
	}
	return strings.Join(parts, " and ")
}

// payeeOf is a payee as the page shows it, and where it can be looked up.
func payeeOf(pm *payment.Payment, payee asset.Address, chain asset.Chain) (text, url string) {
	if pm.Terms.Access.HidePayee {
		return shorten(payee), ""
	}
	return payee.String(), chain.AddressURL(payee)
}

// shorten keeps the ends of an account: 0x6923…C7D7.
func shorten(a asset.Address) string {
	text := a.String()
	return text[:6] + "…" + text[len(text)-4:]
}

// payeeHash lets the page's script recognise a shortened payee in calldata: the
// keccak256 of the payment's payeeSecret, a colon and the account in lower case.
// Without the secret it cannot be compared with accounts that somebody knows.
func payeeHash(secret string, payee asset.Address) string {
	h := sha3.NewLegacyKeccak256()
	_, _ = h.Write([]byte(secret + ":" + payee.Lower())) // a hash never fails
	return "0x" + hex.EncodeToString(h.Sum(nil))
}

// payeeSecret opens a payment's payee hashes. It goes out with calldata, which
// names the payees anyway.
func (p *hosted) payeeSecret(id payment.ID) string { return p.keyed("payee", string(id)) }
