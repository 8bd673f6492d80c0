package userop

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
)

// Pricing is how a bundler is asked what gas costs.
type Pricing string

// The ways. What a bundler does not tell, the chain does.
const (
	PricingChain   Pricing = ""        // the chain's own price
	PricingPimlico Pricing = "pimlico" // pimlico_getUserOperationGasPrice, of Pimlico and alto
	PricingRundler Pricing = "rundler" // rundler_maxPriorityFeePerGas, of Alchemy
)

// Bundler is an ERC-4337 bundler on one chain. It is safe for concurrent use.
//
// Its errors are the faults Conflict "op_nonce" and "op_deployed" if the operation
// came too late, Invalid "op_refused" if it would fail, Forbidden "sponsor_refused"
// and Unavailable "sponsor_unavailable" if its paymaster would not pay, Limited
// "bundler_limited", and Unavailable "bundler_unavailable" for all the rest; a
// *RefusedError is their cause where the bundler answered. If ctx was canceled it is
// ctx's error.
type Bundler struct {
	*service
	pricing Pricing
	node    chain.Batcher
}

// NewBundler checks the configuration; it asks nobody. node is of the same chain.
func NewBundler(cfg ServiceConfig, pricing Pricing, node chain.Batcher) (*Bundler, error) {
	if pricing != PricingChain && pricing != PricingPimlico && pricing != PricingRundler {
		return nil, fmt.Errorf("no bundler is asked for prices as %q", pricing)
	}
	s, err := newService("the bundler", cfg)
	if err != nil {
		return nil, err
	}
	return &Bundler{service: s, pricing: pricing, node: node}, nil
}

func (b *Bundler) put(ctx context.Context, out any, method string, params ...any) error {
	if err := b.ask(ctx, out, method, params...); err != nil {
		return toFault(ctx, "bundler", err)
	}
	return nil
}

// ErrBundler is a bundler of another chain or for other EntryPoints.
var ErrBundler = errors.New("the bundler does not serve EntryPoint 0.7 on this chain")

// Check asks whether the bundler is of this chain and knows EntryPoint. Errors:
// ErrBundler, and see Bundler.
func (b *Bundler) Check(ctx context.Context) error {
	var id quantity
	if err := b.put(ctx, &id, MethodChain); err != nil {
		return err
	}
	if orZero(id.v).Cmp(new(big.Int).SetUint64(uint64(b.chain))) != 0 {
		return fmt.Errorf("%w: it is on chain %v and not on %d", ErrBundler, orZero(id.v), b.chain)
	}
	var points []account
	if err := b.put(ctx, &points, MethodEntryPoints); err != nil {
		return err
	}
	for _, p := range points {
		if p.v == EntryPoint {
			return nil
		}
	}
	return fmt.Errorf("%w: it knows %d others", ErrBundler, len(points))
}

// Gas is what an operation needs, as estimated.
type Gas struct {
	Call, Verification, PreVerification *big.Int
	PaymasterVerification               *big.Int // nil if the bundler does not say
	PaymasterPostOp                     *big.Int // likewise
}

// Estimate asks how much gas an operation needs. It must have a signature of the
// right form, and a paymaster's stub if one is to pay.
func (b *Bundler) Estimate(ctx context.Context, o Op) (Gas, error) {
	var w struct {
		Call                  quantity `json:"callGasLimit"`
		Verification          quantity `json:"verificationGasLimit"`
		PreVerification       quantity `json:"preVerificationGas"`
		PaymasterVerification quantity `json:"paymasterVerificationGasLimit"`
		PaymasterPostOp       quantity `json:"paymasterPostOpGasLimit"`
	}
	if err := b.put(ctx, &w, MethodEstimate, o, EntryPoint.String()); err != nil {
		return Gas{}, err
	}
	if w.Call.v == nil || w.Verification.v == nil || w.PreVerification.v == nil {
		return Gas{}, toFault(ctx, "bundler", fmt.Errorf("estimating: %w", errAnswer))
	}
	return Gas{w.Call.v, w.Verification.v, w.PreVerification.v, w.PaymasterVerification.v, w.PaymasterPostOp.v}, nil
}

// Apply returns the operation with the estimate in it; what the bundler did not say
// of the paymaster stays.
func (g Gas) Apply(o Op) Op {
	o.CallGasLimit, o.VerificationGasLimit, o.PreVerificationGas = g.Call, g.Verification, g.PreVerification
	if !o.Paymaster.IsZero() {
		if g.PaymasterVerification != nil {
			o.PaymasterVerificationGasLimit = g.PaymasterVerification
		}
		if orZero(o.PaymasterPostOpGasLimit).Sign() == 0 && g.PaymasterPostOp != nil {
			o.PaymasterPostOpGasLimit = g.PaymasterPostOp
		}
	}
	return o
}

// Fees are prices of gas, in wei.
type Fees struct{ Max, Tip *big.Int }

// Fees asks what an operation has to pay for gas to be taken soon.
func (b *Bundler) Fees(ctx context.Context) (Fees, error) {
	switch b.pricing {
	case PricingPimlico:
		var w struct {
			Standard struct {
				Max quantity `json:"maxFeePerGas"`
				Tip quantity `json:"maxPriorityFeePerGas"`
			} `json:"standard"`
		}
		if err := b.put(ctx, &w, MethodPrices); err != nil {
			return Fees{}, err
		}
		if w.Standard.Max.v == nil || w.Standard.Tip.v == nil {
			return Fees{}, toFault(ctx, "bundler", fmt.Errorf("prices: %w", errAnswer))
		}
		return Fees{w.Standard.Max.v, w.Standard.Tip.v}, nil
	case PricingRundler:
		var tip quantity
		if err := b.put(ctx, &tip, MethodTip); err != nil {
			return Fees{}, err
		}
		if tip.v == nil {
			return Fees{}, toFault(ctx, "bundler", fmt.Errorf("prices: %w", errAnswer))
		}
		return b.onBase(ctx, tip.v)
	}
	tip, err := chain.Ask(ctx, b.node, chain.Call{Method: "eth_maxPriorityFeePerGas", Params: []any{}}, chain.Result.Big)
	if err != nil {
		return Fees{}, fmt.Errorf("asking chain %d what gas costs: %w", b.chain, err)
	}
	return b.onBase(ctx, tip)
}

// onBase adds twice the base fee, which lasts for some six full blocks.
func (b *Bundler) onBase(ctx context.Context, tip *big.Int) (Fees, error) {
	head, err := chain.Ask(ctx, b.node, chain.HeaderCall(chain.Latest), chain.Result.Header)
	if err != nil {
		return Fees{}, fmt.Errorf("asking chain %d what gas costs: %w", b.chain, err)
	}
	most := new(big.Int).Set(tip)
	if head != nil && head.BaseFee != nil {
		most.Add(most, new(big.Int).Lsh(head.BaseFee, 1))
	}
	return Fees{Max: most, Tip: tip}, nil
}

// Send hands an operation in and returns its hash, which is computed and not
// believed. One that the bundler has already is no error.
func (b *Bundler) Send(ctx context.Context, o Op) (official.Hash, error) {
	hash, err := o.Hash(b.chain)
	if err != nil {
		return official.Hash{}, err
	}
	var said hashText
	err = b.ask(ctx, &said, MethodSend, o, EntryPoint.String())
	var e *RefusedError
	switch {
	case errors.As(err, &e) && e.has("already known"):
		return hash, nil
	case err == nil && said.v != hash:
		err = fmt.Errorf("sending: %w: it names another operation", errAnswer)
	}
	if err != nil {
		return official.Hash{}, toFault(ctx, "bundler", err)
	}
	return hash, nil
}

// Receipt is what a bundler says became of an operation: a hint where to look. Only
// the chain's own logs are evidence.
type Receipt struct {
	Success bool
	Tx      official.Hash
	Reason  string // the bundler's own words, for logs
	// Raw is all that it said, for whoever asks through us.
	Raw jsontext.Value
}

// Receipt asks what became of an operation, nil if the bundler does not know yet.
func (b *Bundler) Receipt(ctx context.Context, hash official.Hash) (*Receipt, error) {
	var raw jsontext.Value
	if err := b.put(ctx, &raw, MethodReceipt, hash.String()); err != nil || raw.Kind() == 'n' {
		return nil, err
	}
	var w struct {
		Hash    hashText       `json:"userOpHash"`
		Success bool           `json:"success"`
		Reason  jsontext.Value `json:"reason"`
		Receipt struct {
			Tx hashText `json:"transactionHash"`
		} `json:"receipt"`
	}
	if json.Unmarshal(raw, &w) != nil || w.Hash.v != hash || w.Receipt.Tx.v.IsZero() {
		return nil, toFault(ctx, "bundler", fmt.Errorf("receipt: %w", errAnswer))
	}
	r := &Receipt{Success: w.Success, Tx: w.Receipt.Tx.v, Raw: raw}
	var text string
	if json.Unmarshal(w.Reason, &text) == nil && text != "" {
		r.Reason = printable(text)
	}
	return r, nil
}

// Known is an operation as a bundler has it. The operation is proven by its hash.
type Known struct {
	Op Op
	Tx official.Hash // zero while it waits
	// Raw is all that the bundler said, for whoever asks through us.
	Raw jsontext.Value
}

// Lookup asks for the operation behind a hash, nil if the bundler does not know it.
func (b *Bundler) Lookup(ctx context.Context, hash official.Hash) (*Known, error) {
	var raw jsontext.Value
	if err := b.put(ctx, &raw, MethodLookup, hash.String()); err != nil || raw.Kind() == 'n' {
		return nil, err
	}
	var w struct {
		Op    jsontext.Value `json:"userOperation"`
		Point account        `json:"entryPoint"`
		Tx    hashText       `json:"transactionHash"`
	}
	var o Op
	err := json.Unmarshal(raw, &w)
	if err == nil {
		o, err = Parse(w.Op)
	}
	if err == nil {
		var h official.Hash
		if h, err = o.Hash(b.chain); h != hash || w.Point.v != EntryPoint {
			err = errAnswer
		}
	}
	if err != nil {
		return nil, toFault(ctx, "bundler", fmt.Errorf("an operation by its hash: %w", err))
	}
	return &Known{Op: o, Tx: w.Tx.v, Raw: raw}, nil
}

// Chain is the chain it serves.
func (s *service) Chain() asset.ChainID { return s.chain }
