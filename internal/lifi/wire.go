package lifi

import (
	"encoding/hex"
	"fmt"
	"maps"
	"math/big"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"

	"quittance/internal/asset"
)

// What the service says goes into logs and onto pages; it is cut, and freed of
// what controls a terminal or turns text around, here, once.

const maxText = 200

func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, s)
	if r := []rune(s); len(r) > maxText {
		return string(r[:maxText])
	}
	return s
}

var decimal = regexp.MustCompile(`^[0-9]{1,30}(\.[0-9]{1,40})?$`)

// cleanDecimal is a price or a share in decimal text, "" if it is none.
func cleanDecimal(s string) string {
	if decimal.MatchString(s) {
		return s
	}
	return ""
}

// cleanLink is an https URL, "" if it is none.
func cleanLink(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || len(s) > 500 {
		return ""
	}
	return u.String()
}

func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// units is an amount in base units: decimal digits in a JSON string.
type units struct{ v *big.Int }

// UnmarshalJSON reads digits, or nothing as no amount.
func (u *units) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("amount: %w", err)
	}
	if s == "" {
		u.v = nil
		return nil
	}
	v, err := parseDigits(s)
	u.v = v
	return err
}

func parseDigits(s string) (*big.Int, error) {
	if len(s) == 0 || len(s) > 78 || strings.Trim(s, "0123456789") != "" {
		return nil, fmt.Errorf("amount %q: not 1 to 78 digits", clean(s))
	}
	v, _ := new(big.Int).SetString(s, 10)
	if v.BitLen() > 256 {
		return nil, fmt.Errorf("amount %s: %w", s, errAmount)
	}
	return v, nil
}

// quantity is a number in a transaction: 0x-hexadecimal or digits.
type quantity struct{ v *big.Int }

// UnmarshalJSON reads either spelling.
func (q *quantity) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("quantity: %w", err)
	}
	digits, isHex := strings.CutPrefix(s, "0x")
	if !isHex {
		v, err := parseDigits(s)
		q.v = v
		return err
	}
	if len(digits) == 0 || len(digits) > 64 || strings.Trim(digits, "0123456789abcdefABCDEF") != "" {
		return fmt.Errorf("quantity %q: not 1 to 64 hexadecimal digits", clean(s))
	}
	q.v, _ = new(big.Int).SetString(digits, 16)
	return nil
}

// account is an address; LI.FI spells them in any case.
type account struct{ v asset.Address }

// UnmarshalJSON reads an address, or nothing as the zero one.
func (a *account) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("address: %w", err)
	}
	if s == "" {
		a.v = asset.Address{}
		return nil
	}
	v, err := asset.ParseAddress(s)
	a.v = v
	return err
}

// blob is 0x-hexadecimal bytes.
type blob []byte

// UnmarshalJSON reads up to maxCalldata bytes.
func (d *blob) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("calldata: %w", err)
	}
	digits, ok := strings.CutPrefix(s, "0x")
	if !ok || len(digits) > 2*maxCalldata {
		return fmt.Errorf("calldata: not 0x and at most %d bytes", maxCalldata)
	}
	v, err := hex.DecodeString(digits)
	if err != nil {
		return fmt.Errorf("calldata: %w", err)
	}
	*d = v
	return nil
}

// Token is an asset as the service describes it. Symbol and price are for
// display; what an asset is, the pinned table says.
type Token struct {
	Chain    asset.ChainID
	Address  asset.Address
	Symbol   string
	Decimals uint8
	PriceUSD string // decimal, "" if unknown
}

type wireToken struct {
	Chain    asset.ChainID `json:"chainId"`
	Address  account       `json:"address"`
	Symbol   string        `json:"symbol"`
	Decimals uint8         `json:"decimals"`
	PriceUSD string        `json:"priceUSD"`
}

func (w wireToken) public() Token {
	return Token{Chain: w.Chain, Address: w.Address.v, Symbol: clean(w.Symbol), Decimals: w.Decimals, PriceUSD: cleanDecimal(w.PriceUSD)}
}

// FeeCost is a fee that the service announces. Included tells that it is part
// of the amounts already.
type FeeCost struct {
	Name     string
	Share    string // decimal: "0.0025" is 0.25 %
	Token    Token
	Amount   *big.Int // base units, nil if not said
	USD      string   // decimal, "" if unknown
	Included bool
}

// GasCost is what the service expects a transaction to take.
type GasCost struct {
	Kind   string // SUM, APPROVE, SEND
	Token  Token
	Amount *big.Int // wei, nil if not said
	USD    string
}

type wireCost struct {
	Name       string    `json:"name"`
	Type       string    `json:"type"`
	Percentage string    `json:"percentage"`
	Token      wireToken `json:"token"`
	Amount     units     `json:"amount"`
	USD        string    `json:"amountUSD"`
	Included   bool      `json:"included"`
}

type wireStep struct {
	ID          string `json:"id"`
	Type        string `json:"type"`
	Tool        string `json:"tool"`
	ToolDetails struct {
		Name string `json:"name"`
	} `json:"toolDetails"`
	TransactionID string `json:"transactionId"`
	Action        struct {
		FromChain   asset.ChainID `json:"fromChainId"`
		ToChain     asset.ChainID `json:"toChainId"`
		FromToken   wireToken     `json:"fromToken"`
		ToToken     wireToken     `json:"toToken"`
		FromAmount  units         `json:"fromAmount"`
		FromAddress account       `json:"fromAddress"`
		ToAddress   account       `json:"toAddress"`
	} `json:"action"`
	Estimate struct {
		FromAmount  units      `json:"fromAmount"`
		ToAmount    units      `json:"toAmount"`
		ToAmountMin units      `json:"toAmountMin"`
		Approval    account    `json:"approvalAddress"`
		Duration    float64    `json:"executionDuration"`
		FeeCosts    []wireCost `json:"feeCosts"`
		GasCosts    []wireCost `json:"gasCosts"`
	} `json:"estimate"`
	Transaction *struct {
		To    account       `json:"to"`
		From  account       `json:"from"`
		Data  blob          `json:"data"`
		Value quantity      `json:"value"`
		Chain asset.ChainID `json:"chainId"`
		Gas   quantity      `json:"gasLimit"`
	} `json:"transactionRequest"`
}

// maxDuration bounds what a page is told to expect.
const maxDuration = 24 * time.Hour

func (w *wireStep) public() (Step, error) {
	tx := w.Transaction
	switch {
	case w.Action.FromAmount.v == nil || w.Action.FromChain == 0 || w.Action.ToChain == 0:
		return Step{}, fmt.Errorf("%w: a step without its action", errAnswer)
	case tx == nil || tx.To.v.IsZero() || len(tx.Data) == 0 || tx.Chain == 0:
		return Step{}, fmt.Errorf("%w: a step without its transaction", errAnswer)
	}
	s := Step{
		ID: clean(w.ID), Kind: clean(w.Type), Tool: clean(w.Tool), ToolName: clean(w.ToolDetails.Name), TransactionID: clean(w.TransactionID),
		From: w.Action.FromToken.public(), To: w.Action.ToToken.public(), FromAmount: w.Action.FromAmount.v,
		ToAmount: w.Estimate.ToAmount.v, ToAmountMin: w.Estimate.ToAmountMin.v,
		Transaction: Transaction{
			Chain: tx.Chain, From: tx.From.v, To: tx.To.v, Data: tx.Data, Value: tx.Value.v, Spender: w.Estimate.Approval.v,
		},
	}
	s.From.Chain, s.To.Chain = w.Action.FromChain, w.Action.ToChain
	if s.Transaction.Value == nil {
		s.Transaction.Value = new(big.Int)
	}
	if g := tx.Gas.v; g != nil && g.IsUint64() {
		s.Gas = g.Uint64()
	}
	s.Duration = time.Duration(max(0, min(w.Estimate.Duration, maxDuration.Seconds())) * float64(time.Second))
	for _, f := range w.Estimate.FeeCosts {
		s.Fees = append(s.Fees, FeeCost{
			Name: clean(f.Name), Share: cleanDecimal(f.Percentage), Token: f.Token.public(),
			Amount: f.Amount.v, USD: cleanDecimal(f.USD), Included: f.Included,
		})
	}
	for _, g := range w.Estimate.GasCosts {
		s.GasCosts = append(s.GasCosts, GasCost{Kind: clean(g.Type), Token: g.Token.public(), Amount: g.Amount.v, USD: cleanDecimal(g.USD)})
	}
	return s, nil
}
