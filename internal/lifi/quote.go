package lifi

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/big"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"quittance/internal/asset"
	"quittance/internal/fault"
)

// paymentGas is what the fee proxy's call may take on the destination; its two
// transfers take 110,000 to 160,000. With too little the payment fails there.
const paymentGas = "250000"

// Step is an offer. All but Transaction is for display and tracking; what the
// transaction does, only its calldata says (Table.Verify).
type Step struct {
	ID, Kind       string
	Tool, ToolName string // the bridge or exchange
	TransactionID  string // LI.FI's, for Status
	From, To       Token
	FromAmount     *big.Int // base units of From
	// ToAmount and ToAmountMin are nil, or 0, where LI.FI does not say:
	// it does not for calls on the destination.
	ToAmount, ToAmountMin *big.Int
	Fees                  []FeeCost
	GasCosts              []GasCost
	Duration              time.Duration // until the money has arrived
	Transaction           Transaction
	Gas                   uint64 // limit LI.FI suggests, 0 if none
	FetchedAt             time.Time
	// Raw is the step as it was answered, for StepTransaction.
	Raw jsontext.Value
}

type wireContractCall struct {
	FromAmount string `json:"fromAmount"`
	FromToken  string `json:"fromTokenAddress"`
	To         string `json:"toContractAddress"`
	ToApproval string `json:"toApprovalAddress"`
	Data       string `json:"toContractCallData"`
	Gas        string `json:"toContractGasLimit"`
}

type wireCallsQuestion struct {
	FromChain  asset.ChainID      `json:"fromChain"`
	FromToken  string             `json:"fromToken"`
	Payer      string             `json:"fromAddress"`
	ToChain    asset.ChainID      `json:"toChain"`
	ToToken    string             `json:"toToken"`
	ToAmount   string             `json:"toAmount"`
	Calls      []wireContractCall `json:"contractCalls"`
	Fallback   string             `json:"toFallbackAddress"`
	Allow      []string           `json:"allowBridges"`
	Prefer     []string           `json:"preferBridges"`
	Slippage   jsontext.Value     `json:"slippage"`
	Integrator string             `json:"integrator,omitempty"`
}

// Quote asks for a route that does what the intent says: between two chains
// POST /quote/contractCalls with the fee proxy's call as the only one, on one
// chain GET /quote/toAmount to the payer, a second time if the first offer only
// aims at the amount. The answer is not verified.
//
// Faults: see Client; Invalid "route_invalid" also for an intent that nothing is
// pinned for.
func (c *Client) Quote(ctx context.Context, in Intent) (Step, error) {
	if err := in.check(c.table); err != nil {
		return Step{}, fault.New(fault.Invalid, "route_invalid", "This payment cannot be made this way.").Because(err)
	}
	q := question{family: quotes, path: "/quote/toAmount", limit: maxAnswer}
	if in.Crosses() {
		q.path = "/quote/contractCalls"
		body, err := c.callsQuestion(in)
		if err != nil {
			return Step{}, err
		}
		q.body = body
	} else {
		q.query = c.swapQuestion(in, in.Required())
	}
	step, err := c.step(ctx, q)
	if err == nil && !in.Crosses() && c.fallsShort(in, step) {
		q.query = c.swapQuestion(in, c.aboveSlippage(in.Required()))
		step, err = c.step(ctx, q)
	}
	if err != nil {
		return Step{}, err
	}
	if step.From.Chain != in.From.Chain || step.From.Address != in.From.Address ||
		step.To.Chain != in.To.Chain || step.To.Address != in.To.Address {
		return Step{}, toFault(fmt.Errorf("%w: a step from %s on %d to %s on %d", errAnswer,
			step.From.Address, step.From.Chain, step.To.Address, step.To.Chain))
	}
	return step, nil
}

func (c *Client) callsQuestion(in Intent) ([]byte, error) {
	data, err := in.Payment.Encode()
	if err != nil {
		return nil, fmt.Errorf("encoding the payment on the destination: %w", err)
	}
	bridges := slices.Clone(c.bridges)
	if len(in.Bridges) > 0 {
		bridges = slices.DeleteFunc(bridges, func(b string) bool { return !slices.Contains(in.Bridges, b) })
	}
	if len(bridges) == 0 {
		return nil, toFault(&Error{Code: CodeNoQuote, Message: "none of the bridges may be used"})
	}
	to, _ := c.table.Network(in.To.Chain) // check has seen it
	body, err := json.Marshal(wireCallsQuestion{
		FromChain: in.From.Chain, FromToken: in.From.Address.String(), Payer: in.Payer.String(),
		ToChain: in.To.Chain, ToToken: in.To.Address.String(), ToAmount: in.Required().String(),
		Calls: []wireContractCall{{
			FromAmount: in.Required().String(), FromToken: in.To.Address.String(),
			To: to.FeeProxy.String(), ToApproval: to.FeeProxy.String(),
			Data: "0x" + hex.EncodeToString(data), Gas: paymentGas,
		}},
		Fallback: in.Fallback.String(), Allow: bridges, Prefer: bridges[:1],
		Slippage: jsontext.Value(c.slippageText()), Integrator: c.integrator,
	})
	if err != nil {
		return nil, fmt.Errorf("writing the question: %w", err)
	}
	return body, nil
}

// fallsShort reports whether an exchange aims at what is required instead of
// guaranteeing it. LI.FI does not document which of the two toAmount means.
func (c *Client) fallsShort(in Intent, step Step) bool {
	call, err := DecodeCall(step.Transaction.Data)
	return err == nil && call.Swap != nil && call.Swap.MinAmountOut.Cmp(in.Required()) < 0
}

// aboveSlippage is an amount that is still v after all the slippage allowed.
func (c *Client) aboveSlippage(v *big.Int) *big.Int {
	rest := big.NewInt(10_000 - int64(c.slippage))
	up := new(big.Int).Mul(v, big.NewInt(10_000))
	up.Add(up, rest).Sub(up, big.NewInt(1))
	return up.Quo(up, rest)
}

func (c *Client) swapQuestion(in Intent, amount *big.Int) url.Values {
	q := url.Values{
		"fromChain": {id(in.From.Chain)}, "fromToken": {in.From.Address.String()},
		"toChain": {id(in.To.Chain)}, "toToken": {in.To.Address.String()},
		"fromAddress": {in.Payer.String()}, "toAddress": {in.Payer.String()},
		"toAmount": {amount.String()}, "slippage": {c.slippageText()},
		"allowExchanges": c.exchanges,
	}
	if c.integrator != "" {
		q.Set("integrator", c.integrator)
	}
	return q
}

// slippageText is the share as LI.FI reads it: 0.005.
func (c *Client) slippageText() string { return fmt.Sprintf("0.%04d", uint16(c.slippage)) }

func id(chain asset.ChainID) string { return strconv.FormatUint(uint64(chain), 10) }

// maxRawStep bounds a step that is sent back.
const maxRawStep = 512 << 10

// StepTransaction has a step stamped anew: the same route with fresh deadlines
// and maybe other amounts, so the answer must be verified again. raw is a
// Step's Raw, or what a caller kept of it.
//
// Faults: see Client.
func (c *Client) StepTransaction(ctx context.Context, raw []byte) (Step, error) {
	if len(raw) > maxRawStep || jsontext.Value(raw).Kind() != '{' || !jsontext.Value(raw).IsValid() {
		return Step{}, toFault(&Error{Code: CodeValidation, Message: "not a step"})
	}
	return c.step(ctx, question{family: restamp, path: "/advanced/stepTransaction", body: raw, limit: maxAnswer})
}

func (c *Client) step(ctx context.Context, q question) (Step, error) {
	var w wireStep
	raw, err := c.ask(ctx, q, &w)
	if err != nil {
		return Step{}, err
	}
	step, err := w.public()
	if err != nil {
		return Step{}, toFault(err)
	}
	step.Raw, step.FetchedAt = raw, c.now().UTC()
	return step, nil
}

// QuoteLife is how long an offer is fresh. LI.FI speaks of about a minute; a
// payer needs some of it to sign.
const QuoteLife = 45 * time.Second

// executionMargin is kept between a transaction's inclusion and the bridge's
// own deadline, so that somebody can still deliver.
const executionMargin = 10 * time.Minute

const (
	// quoteBuffer is how old a quote may be for Across' SpokePool
	// (depositQuoteTimeBuffer, the same on all chains).
	quoteBuffer = time.Hour
	// latestMargin is for blocks that come late.
	latestMargin = 5 * time.Minute
)

// Validity says how long a transaction is good.
type Validity struct {
	Fresh time.Time // ask again before signing after this
	// Execute is the last moment to have the transaction in a block.
	Execute time.Time
	Decoded bool // Execute comes from the calldata; otherwise it is Fresh
	// Latest is the last moment for accounts whose owners take long to sign: then
	// the contracts still take the call, and somebody can still deliver. Zero if
	// they never refuse it. LI.FI has no question for offers that live longer.
	Latest time.Time
}

// Validity reads a call's own deadlines: for Across the earlier of when its
// quote grows too old and when its fill would be too late. Stargate and
// exchanges name none.
func (c *Call) Validity(fetched time.Time) Validity {
	v := Validity{Fresh: fetched.Add(QuoteLife), Execute: fetched.Add(QuoteLife)}
	a := c.Across
	if a == nil {
		return v
	}
	v.Decoded = true
	fill := time.Unix(int64(a.FillDeadline), 0).Add(-executionMargin).UTC()
	v.Execute = earlier(time.Unix(int64(a.QuoteTimestamp), 0).Add(maxQuoteAge).UTC(), fill)
	v.Latest = earlier(time.Unix(int64(a.QuoteTimestamp), 0).Add(quoteBuffer-latestMargin).UTC(), fill)
	if v.Execute.Before(v.Fresh) {
		v.Fresh = v.Execute
	}
	return v
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
