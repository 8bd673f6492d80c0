package safe

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"quittance/internal/asset"
)

// The JSON of a Safe transaction, as protocol-kit has it in a transaction's data
// and the Transaction Service in its answers: numbers are decimal, as strings or
// bare.

type wireTx struct {
	To             account  `json:"to"`
	Value          decimal  `json:"value"`
	Data           hexBytes `json:"data"`
	Operation      *uint8   `json:"operation"`
	SafeTxGas      decimal  `json:"safeTxGas"`
	BaseGas        decimal  `json:"baseGas"`
	GasPrice       decimal  `json:"gasPrice"`
	GasToken       account  `json:"gasToken"`
	RefundReceiver account  `json:"refundReceiver"`
	Nonce          decimal  `json:"nonce"`
}

var errTx = errors.New("not a Safe transaction")

func (w wireTx) tx() (Tx, error) {
	switch {
	case !w.To.said || w.Operation == nil || w.Nonce.v == nil || w.Value.v == nil || w.SafeTxGas.v == nil || w.BaseGas.v == nil || w.GasPrice.v == nil:
		return Tx{}, fmt.Errorf("%w: a field is missing", errTx)
	case *w.Operation > uint8(OpDelegateCall):
		return Tx{}, fmt.Errorf("%w: operation %d", errTx, *w.Operation)
	case !w.Nonce.v.IsUint64():
		return Tx{}, fmt.Errorf("%w: its nonce is too large", errTx)
	}
	return Tx{
		To: w.To.v, Value: w.Value.v, Data: w.Data.v, Operation: Operation(*w.Operation),
		SafeTxGas: w.SafeTxGas.v, BaseGas: w.BaseGas.v, GasPrice: w.GasPrice.v,
		GasToken: w.GasToken.v, RefundReceiver: w.RefundReceiver.v, Nonce: w.Nonce.v.Uint64(),
	}, nil
}

// ParseTx reads a transaction as page and tools have it: {to, value, data,
// operation, safeTxGas, baseGas, gasPrice, gasToken, refundReceiver, nonce}.
// data, gasToken and refundReceiver may be null or missing, others not; further
// members, such as protocol-kit's, are ignored.
func ParseTx(text []byte) (Tx, error) {
	var w wireTx
	if len(text) > 3*maxCalldata {
		return Tx{}, fmt.Errorf("%w: too long", errTx)
	}
	if err := json.Unmarshal(text, &w); err != nil {
		return Tx{}, fmt.Errorf("%w: %w", errTx, err)
	}
	return w.tx()
}

// MarshalJSON writes the members that ParseTx reads, amounts as strings. It is
// what Safe's tools take for a transaction's data.
func (t Tx) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		To             string `json:"to"`
		Value          string `json:"value"`
		Data           string `json:"data"`
		Operation      uint8  `json:"operation"`
		SafeTxGas      string `json:"safeTxGas"`
		BaseGas        string `json:"baseGas"`
		GasPrice       string `json:"gasPrice"`
		GasToken       string `json:"gasToken"`
		RefundReceiver string `json:"refundReceiver"`
		Nonce          uint64 `json:"nonce"`
	}{
		t.To.String(), orZero(t.Value).String(), "0x" + hex.EncodeToString(t.Data), uint8(t.Operation),
		orZero(t.SafeTxGas).String(), orZero(t.BaseGas).String(), orZero(t.GasPrice).String(),
		t.GasToken.String(), t.RefundReceiver.String(), t.Nonce,
	})
}

// decimal is a number of at most 256 bits, nil if it is null or missing.
type decimal struct{ v *big.Int }

// UnmarshalJSON reads digits, in quotes or not.
func (d *decimal) UnmarshalJSON(b []byte) error {
	text := string(b)
	if jsontext.Value(b).Kind() == '"' {
		if err := json.Unmarshal(b, &text); err != nil {
			return fmt.Errorf("number: %w", err)
		}
	}
	if text == "null" {
		return nil
	}
	if len(text) == 0 || len(text) > 78 || strings.Trim(text, "0123456789") != "" {
		return errors.New("number: not 1 to 78 digits")
	}
	v, _ := new(big.Int).SetString(text, 10)
	if v.BitLen() > 256 {
		return errors.New("number: more than 256 bits")
	}
	d.v = v
	return nil
}

// account is an address; null and missing are the zero one.
type account struct {
	v    asset.Address
	said bool
}

// UnmarshalJSON reads an address with its checksum, or in one case.
func (a *account) UnmarshalJSON(b []byte) error {
	var s *string
	if err := json.Unmarshal(b, &s); err != nil || s == nil {
		return err
	}
	v, err := asset.ParseAddress(*s)
	a.v, a.said = v, err == nil
	return err
}

// hexBytes is 0x and digits; null and missing are none.
type hexBytes struct{ v []byte }

// UnmarshalJSON reads pairs of digits.
func (h *hexBytes) UnmarshalJSON(b []byte) error {
	var s *string
	if err := json.Unmarshal(b, &s); err != nil || s == nil {
		return err
	}
	digits, ok := strings.CutPrefix(*s, "0x")
	v, err := hex.DecodeString(digits)
	if !ok || err != nil || len(v) > maxCalldata {
		return errors.New("bytes: not 0x and pairs of hexadecimal digits, or too many")
	}
	h.v = bytes.Clone(v)
	return nil
}

// printable is a text for logs: cut, and only what prints.
func printable(s string) string {
	return strconv.QuoteToASCII(string([]rune(s)[:min(len([]rune(s)), 200)]))
}
