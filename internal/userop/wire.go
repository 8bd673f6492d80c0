package userop

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
	"quittance/internal/official"
)

// wireOp is an operation in JSON-RPC: amounts are 0x and hexadecimal digits. Any
// other member is refused: eip7702Auth would hand the sender over to other code.
type wireOp struct {
	Sender                        account  `json:"sender"`
	Nonce                         quantity `json:"nonce"`
	Factory                       account  `json:"factory,omitzero"`
	FactoryData                   hexBytes `json:"factoryData,omitzero"`
	CallData                      hexBytes `json:"callData"`
	CallGasLimit                  quantity `json:"callGasLimit"`
	VerificationGasLimit          quantity `json:"verificationGasLimit"`
	PreVerificationGas            quantity `json:"preVerificationGas"`
	MaxFeePerGas                  quantity `json:"maxFeePerGas"`
	MaxPriorityFeePerGas          quantity `json:"maxPriorityFeePerGas"`
	Paymaster                     account  `json:"paymaster,omitzero"`
	PaymasterVerificationGasLimit quantity `json:"paymasterVerificationGasLimit,omitzero"`
	PaymasterPostOpGasLimit       quantity `json:"paymasterPostOpGasLimit,omitzero"`
	PaymasterData                 hexBytes `json:"paymasterData,omitzero"`
	Signature                     hexBytes `json:"signature"`
}

// Parse reads an operation as bundlers and paymasters are sent it. sender, nonce
// and callData must be there. Gas, prices and the signature may be missing, as
// before they were estimated; so may the factory's and the paymaster's members,
// whose addresses may be "0x" for none. Errors: ErrOp.
func Parse(text []byte) (Op, error) {
	if len(text) > 3*maxCalldata {
		return Op{}, fmt.Errorf("%w: too long", ErrOp)
	}
	var w wireOp
	if err := json.Unmarshal(text, &w, json.RejectUnknownMembers(true)); err != nil {
		return Op{}, fmt.Errorf("%w: %w", ErrOp, err)
	}
	if !w.Sender.said || w.Sender.v.IsZero() || w.Nonce.v == nil || !w.CallData.said {
		return Op{}, fmt.Errorf("%w: a member is missing", ErrOp)
	}
	o := Op{
		Sender: w.Sender.v, Nonce: w.Nonce.v, Factory: w.Factory.v, FactoryData: w.FactoryData.v, CallData: w.CallData.v,
		CallGasLimit: w.CallGasLimit.v, VerificationGasLimit: w.VerificationGasLimit.v, PreVerificationGas: w.PreVerificationGas.v,
		MaxFeePerGas: w.MaxFeePerGas.v, MaxPriorityFeePerGas: w.MaxPriorityFeePerGas.v,
		Paymaster: w.Paymaster.v, PaymasterVerificationGasLimit: w.PaymasterVerificationGasLimit.v,
		PaymasterPostOpGasLimit: w.PaymasterPostOpGasLimit.v, PaymasterData: w.PaymasterData.v, Signature: w.Signature.v,
	}
	if _, err := o.Pack(); err != nil {
		return Op{}, err
	}
	return o, nil
}

// MarshalJSON writes what Parse reads, and what bundlers take. The factory's and
// the paymaster's members are there if they are.
func (o Op) MarshalJSON() ([]byte, error) {
	if _, err := o.Pack(); err != nil {
		return nil, err
	}
	number := func(v *big.Int) quantity { return quantity{orZero(v)} }
	data := func(b []byte) hexBytes { return hexBytes{b, true} }
	w := wireOp{
		Sender: account{o.Sender, true}, Nonce: number(o.Nonce), CallData: data(o.CallData),
		CallGasLimit: number(o.CallGasLimit), VerificationGasLimit: number(o.VerificationGasLimit), PreVerificationGas: number(o.PreVerificationGas),
		MaxFeePerGas: number(o.MaxFeePerGas), MaxPriorityFeePerGas: number(o.MaxPriorityFeePerGas), Signature: data(o.Signature),
	}
	if !o.Factory.IsZero() {
		w.Factory, w.FactoryData = account{o.Factory, true}, data(o.FactoryData)
	}
	if !o.Paymaster.IsZero() {
		w.Paymaster, w.PaymasterData = account{o.Paymaster, true}, data(o.PaymasterData)
		w.PaymasterVerificationGasLimit, w.PaymasterPostOpGasLimit = number(o.PaymasterVerificationGasLimit), number(o.PaymasterPostOpGasLimit)
	}
	return json.Marshal(w)
}

// quantity is a number of at most 256 bits, nil if it is null or missing.
type quantity struct{ v *big.Int }

// IsZero reports whether there is none.
func (q quantity) IsZero() bool { return q.v == nil }

// MarshalJSON writes it without leading zeros.
func (q quantity) MarshalJSON() ([]byte, error) {
	return strconv.AppendQuote(nil, "0x"+orZero(q.v).Text(16)), nil
}

// UnmarshalJSON reads 0x and 1 to 64 digits.
func (q *quantity) UnmarshalJSON(b []byte) error {
	text, said, err := readText(b)
	if err != nil || !said {
		return err
	}
	digits, ok := strings.CutPrefix(text, "0x")
	if !ok || digits == "" || len(digits) > 64 || strings.Trim(digits, "0123456789abcdefABCDEF") != "" {
		return errors.New("number: not 0x and 1 to 64 hexadecimal digits")
	}
	q.v, _ = new(big.Int).SetString(digits, 16)
	return nil
}

// account is an address; null, missing and "0x" are the zero one.
type account struct {
	v    asset.Address
	said bool
}

// IsZero reports whether there is none.
func (a account) IsZero() bool { return !a.said }

// MarshalJSON writes it with its checksum.
func (a account) MarshalJSON() ([]byte, error) { return strconv.AppendQuote(nil, a.v.String()), nil }

// UnmarshalJSON reads an address with its checksum, or in one case.
func (a *account) UnmarshalJSON(b []byte) error {
	text, said, err := readText(b)
	if err != nil || !said || text == "0x" {
		return err
	}
	a.v, err = asset.ParseAddress(text)
	a.said = err == nil
	return err
}

// hexBytes is 0x and pairs of digits; null and missing are none.
type hexBytes struct {
	v    []byte
	said bool
}

// IsZero reports whether there are none.
func (h hexBytes) IsZero() bool { return !h.said }

// MarshalJSON writes them in lower case.
func (h hexBytes) MarshalJSON() ([]byte, error) {
	return strconv.AppendQuote(nil, "0x"+hex.EncodeToString(h.v)), nil
}

// UnmarshalJSON reads pairs of digits.
func (h *hexBytes) UnmarshalJSON(b []byte) error {
	text, said, err := readText(b)
	if err != nil || !said {
		return err
	}
	digits, ok := strings.CutPrefix(text, "0x")
	v, err := hex.DecodeString(digits)
	if !ok || err != nil || len(v) > maxCalldata {
		return errors.New("bytes: not 0x and pairs of hexadecimal digits, or too many")
	}
	h.v, h.said = bytes.Clone(v), true
	return nil
}

// hashText is 0x and 64 digits; null and missing are zero.
type hashText struct{ v official.Hash }

// UnmarshalJSON reads a hash.
func (h *hashText) UnmarshalJSON(b []byte) error {
	text, said, err := readText(b)
	if err != nil || !said {
		return err
	}
	h.v, err = official.ParseHash(text)
	return err
}

// readText reads a string, false for null.
func readText(b []byte) (text string, said bool, err error) {
	if jsontext.Value(b).Kind() == 'n' {
		return "", false, nil
	}
	if err := json.Unmarshal(b, &text); err != nil {
		return "", false, fmt.Errorf("not a string: %w", err)
	}
	return text, true, nil
}

// printable is a text for logs: cut, and only what prints.
func printable(s string) string {
	return strconv.QuoteToASCII(string([]rune(s)[:min(len([]rune(s)), 200)]))
}
