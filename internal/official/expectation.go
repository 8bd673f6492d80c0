package official

import (
	"fmt"
	"math/big"

	"quittance/internal/asset"
)

// Expectation is one payment as the payer was shown it: what the transactions
// must say, nothing more and nothing less.
type Expectation struct {
	Chain     asset.ChainID
	Token     asset.Address // zero for the native currency
	Payee     asset.Address
	Amount    *big.Int // base units that must reach the payee
	Reference Reference
	Fee       *big.Int      // base units on top, zero for none
	FeePayee  asset.Address // zero if there is no fee
}

var _ Order = Expectation{}

// Total is what leaves the payer: amount and fee.
func (e Expectation) Total() *big.Int { return new(big.Int).Add(e.Amount, e.Fee) }

// Needs implements Order.
func (e Expectation) Needs() []Need {
	return []Need{{Token: e.Token, Take: e.Total(), Hold: e.Total(), ContractFee: new(big.Int)}}
}

func (e Expectation) check() error {
	switch {
	case e.Amount == nil || e.Amount.Sign() <= 0:
		return fmt.Errorf("amount %v is not positive", e.Amount)
	case e.Fee == nil || e.Fee.Sign() < 0:
		return fmt.Errorf("fee %v is negative or missing", e.Fee)
	case e.Total().BitLen() > 256:
		return fmt.Errorf("amount and fee: %w", ErrAmount)
	case e.Payee.IsZero():
		return fmt.Errorf("payee is the zero address")
	case e.Fee.Sign() > 0 && e.FeePayee.IsZero():
		return fmt.Errorf("fee %s has no payee", e.Fee)
	}
	return nil
}

func (e Expectation) chain() asset.ChainID { return e.Chain }

// Kinds implements Order.
func (e Expectation) Kinds() []Kind { return []Kind{proxyKind(e.Token)} }

func (e Expectation) pay() (value *big.Int, data []byte, err error) {
	if e.Token.IsZero() {
		data, err = EthPayment{Payee: e.Payee, Reference: e.Reference, Fee: e.Fee, FeePayee: e.FeePayee}.Encode()
		return e.Total(), data, err
	}
	data, err = ERC20Payment{
		Token: e.Token, Payee: e.Payee, Amount: e.Amount, Reference: e.Reference, Fee: e.Fee, FeePayee: e.FeePayee,
	}.Encode()
	return new(big.Int), data, err
}

func (e Expectation) compare(v *verifier, data []byte) {
	got := ERC20Payment{Amount: e.Amount} // the native proxy's calldata has no amount: it is the value without the fee
	var err error
	if e.Token.IsZero() {
		var p EthPayment
		p, err = DecodeEthPayment(data)
		got.Payee, got.Reference, got.Fee, got.FeePayee = p.Payee, p.Reference, p.Fee, p.FeePayee
	} else {
		got, err = DecodeERC20Payment(data)
	}
	if err != nil {
		set(&v.calldata, "Calldata: "+err.Error()+".")
		return
	}
	v.payment("", e, BatchItem{Token: got.Token, Payee: got.Payee, Amount: got.Amount, Reference: got.Reference, Fee: got.Fee})
	if got.FeePayee != e.FeePayee {
		set(&v.calldata, differs("fee address", e.FeePayee, got.FeePayee))
	}
}

// effects of a payment in an ERC-20 lead from the payer to the payees; a native
// currency goes through the proxy, which must keep and return nothing.
func (e Expectation) effects(o outline, payer asset.Address) effects {
	f := newEffects(payer)
	proxy := o.target()
	source, what := payer, e.Token
	if e.Token.IsZero() {
		source, what = proxy.Address, NativeTracer
		f.move(what, payer, proxy.Address, e.Total())
	}
	f.move(what, source, e.Payee, e.Amount)
	f.move(what, source, e.FeePayee, e.Fee)
	f.through(proxy)
	f.announce(e, e.FeePayee)
	return f
}
