package official

import (
	"fmt"
	"math/big"

	"quittance/internal/asset"
)

// Batch is several payments of one chain as the payer was shown them, made by
// one call of the batch contract.
type Batch struct {
	Chain    asset.ChainID
	Requests []Expectation // in the order of the requests
	Terms    BatchTerms
}

var _ Order = Batch{}

// FeeAddress is the one address that the call can pay fees to: see the facts
// above BatchPayment.
func (b Batch) FeeAddress() asset.Address {
	for _, e := range b.Requests {
		if e.Fee.Sign() > 0 {
			return e.FeePayee
		}
	}
	for _, s := range b.sums() {
		if b.Terms.share(s.amounts).Sign() > 0 {
			return b.Requests[0].Payee
		}
	}
	return NoFeeAddress
}

// batchSum adds up one asset of a batch.
type batchSum struct {
	token         asset.Address
	amounts, fees *big.Int
}

func (b Batch) sums() []batchSum {
	var sums []batchSum
	at := map[asset.Address]int{}
	for _, e := range b.Requests {
		i, ok := at[e.Token]
		if !ok {
			i = len(sums)
			at[e.Token] = i
			sums = append(sums, batchSum{e.Token, new(big.Int), new(big.Int)})
		}
		sums[i].amounts.Add(sums[i].amounts, e.Amount)
		sums[i].fees.Add(sums[i].fees, e.Fee)
	}
	return sums
}

// Needs implements Order: amounts, fees, and the contract's own fee.
func (b Batch) Needs() []Need {
	sums := b.sums()
	needs := make([]Need, len(sums))
	for i, s := range sums {
		bare := new(big.Int).Add(s.amounts, s.fees)
		hold := new(big.Int).Add(bare, b.Terms.share(s.amounts))
		needs[i] = Need{Token: s.token, Take: bare, Hold: hold, ContractFee: b.Terms.share(s.amounts)}
		if b.Terms.charges(s.token) {
			needs[i].Take = new(big.Int).Set(hold)
		}
	}
	return needs
}

func (b Batch) check() error {
	var payee asset.Address
	for _, e := range b.Requests {
		switch err := e.check(); {
		case err != nil:
			return fmt.Errorf("request %s: %w", e.Reference, err)
		case e.Chain != b.Chain:
			return fmt.Errorf("%w: request %s is on chain %d", ErrBatch, e.Reference, e.Chain)
		case e.Fee.Sign() > 0 && !payee.IsZero() && e.FeePayee != payee:
			return fmt.Errorf("%w: fees go to %s and to %s", ErrBatch, payee, e.FeePayee)
		case e.Fee.Sign() > 0:
			payee = e.FeePayee
		}
	}
	for _, n := range b.Needs() {
		if n.Hold.BitLen() > 256 {
			return fmt.Errorf("sum of one asset: %w", ErrAmount)
		}
	}
	return b.payment().check()
}

func (b Batch) payment() BatchPayment {
	p := BatchPayment{Items: make([]BatchItem, len(b.Requests)), FeeAddress: b.FeeAddress()}
	for i, e := range b.Requests {
		p.Items[i] = BatchItem{Token: e.Token, Payee: e.Payee, Amount: e.Amount, Reference: e.Reference, Fee: e.Fee}
	}
	return p
}

func (b Batch) chain() asset.ChainID { return b.Chain }

// Kinds implements Order: the batch contract and both of the proxies that it
// keeps, whether or not this batch needs them.
func (b Batch) Kinds() []Kind { return []Kind{BatchPayments, ERC20FeeProxy, EthereumFeeProxy} }

func (b Batch) pay() (value *big.Int, data []byte, err error) {
	value = new(big.Int)
	for _, n := range b.Needs() {
		if n.Token.IsZero() {
			value = n.Take
		}
	}
	data, err = b.payment().Encode()
	return value, data, err
}

// compare also refuses a contract that would pay through other proxies than the
// official ones, or that says it charges more than it can be set to.
func (b Batch) compare(v *verifier, data []byte) {
	set(&v.contract, b.Terms.Refused(BatchTerms{ERC20Proxy: v.contracts[1].Address, EthProxy: v.contracts[2].Address}))
	got, err := DecodeBatchPayment(data)
	if err != nil {
		set(&v.calldata, "Calldata: "+err.Error()+".")
		return
	}
	if want := b.FeeAddress(); got.FeeAddress != want {
		set(&v.calldata, differs("fee address", want, got.FeeAddress))
	}
	if len(got.Items) != len(b.Requests) {
		set(&v.calldata, differs("number of payments", len(b.Requests), len(got.Items)))
		return
	}
	next := 0
	for _, native := range []bool{false, true} {
		for i, e := range b.Requests {
			if e.Token.IsZero() == native {
				v.payment(fmt.Sprintf("Payment %d: ", i+1), e, got.Items[next])
				next++
			}
		}
	}
}

// effects of a batch: the contract takes each token in one piece and all of the
// native currency as its value. The ERC-20 proxy moves tokens out of it; native
// amounts go through their proxy.
func (b Batch) effects(o outline, payer asset.Address) effects {
	f := newEffects(payer)
	batch, feePayee := o.target().Address, b.FeeAddress()
	f.senders[batch] = true
	f.through(o.contracts[1])
	f.through(o.contracts[2])
	proxy := o.contracts[2].Address
	for _, s := range b.sums() {
		bare, charge := new(big.Int).Add(s.amounts, s.fees), new(big.Int)
		if b.Terms.charges(s.token) {
			charge = b.Terms.share(s.amounts)
		}
		if s.token.IsZero() {
			f.move(NativeTracer, payer, batch, new(big.Int).Add(bare, charge))
			f.move(NativeTracer, batch, feePayee, charge)
			continue
		}
		f.move(s.token, payer, batch, bare)
		f.move(s.token, payer, feePayee, charge)
	}
	for _, e := range b.Requests {
		what, source := e.Token, batch
		if e.Token.IsZero() {
			what, source = NativeTracer, proxy
			f.move(what, batch, proxy, e.Total())
		}
		f.move(what, source, e.Payee, e.Amount)
		f.move(what, source, feePayee, e.Fee)
		f.announce(e, feePayee)
	}
	return f
}
