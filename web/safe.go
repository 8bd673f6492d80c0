package web

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/internal/fault"
	"quittance/internal/rail"
)

// SafeAccount is the Safe multisig that makes calls, as its chain showed it.
type SafeAccount struct {
	Address   string   `json:"address"`
	Version   string   `json:"version"` // "1.3.0", "1.4.1", "1.5.0"
	Owners    []string `json:"owners"`
	Threshold uint64   `json:"threshold"` // how many of the owners must sign
	Nonce     uint64   `json:"nonce"`     // of the next transaction
	// MultiSend is the contract that makes one transaction of several calls, "" if
	// the chain has none.
	MultiSend string        `json:"multiSend"`
	Warnings  []SafeWarning `json:"warnings"`
}

// SafeWarning is something about a Safe that its owners may want to know.
type SafeWarning struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// newSafe words an account; nil for payers that are none.
func newSafe(in *rail.Multisig) *SafeAccount {
	if in == nil {
		return nil
	}
	w := &SafeAccount{
		Address: in.Address.String(), Version: in.Version, Threshold: in.Threshold, Nonce: in.Nonce,
		Owners: make([]string, len(in.Owners)), Warnings: make([]SafeWarning, len(in.Warnings)),
	}
	for i, o := range in.Owners {
		w.Owners[i] = o.String()
	}
	for i, x := range in.Warnings {
		w.Warnings[i] = SafeWarning{Code: x.Code, Text: x.Text}
	}
	if !in.MultiSend.IsZero() {
		w.MultiSend = in.MultiSend.String()
	}
	return w
}

// forSafe mends what is told to the owners of a Safe. Approvals are always among
// their calls, so an allowance of today is never enough for them; and no gas is
// asked of a Safe, so it lacks native currency only where the calls send some.
func (m *CallsMetadata) forSafe(in *rail.Calls) {
	if m.HasEnoughAllowance != nil && m.NeedsApproval {
		m.HasEnoughAllowance = ptr(false)
	}
	if needed := in.Funds.NativeNeeded; needed == nil || needed.Sign() == 0 {
		m.HasEnoughGas = ptr(true)
	}
	if in.Route != nil && !in.Route.Deadline.IsZero() {
		m.SafePaymentDeadline = in.Route.Deadline.Unix()
	}
}

// IsSafe reads the query's isSafe: whether the wallet is a Safe.
//
// Faults: Invalid on "isSafe".
func IsSafe(c echo.Context) (bool, error) {
	switch v := c.QueryParam("isSafe"); {
	case v == "" || strings.EqualFold(v, "false"):
		return false, nil
	case strings.EqualFold(v, "true"):
		return true, nil
	}
	return false, fault.Field("isSafe", "invalid_is_safe", "isSafe must be true or false.")
}

const (
	maxSignatures = 100
	maxSignature  = 4096 // bytes; an owner's own has 65
	maxAhead      = 366 * 24 * time.Hour
)

// SafeDeadline reads until when a Safe transaction is to be executed, in Unix
// seconds; the zero time for nil.
//
// Faults: Invalid on field.
func SafeDeadline(field string, at *int64, now time.Time) (time.Time, error) {
	if at == nil {
		return time.Time{}, nil
	}
	// Compared as a number first: a time far away does not fit into one.
	if *at <= now.Unix() || *at > now.Add(maxAhead).Unix() {
		return time.Time{}, fault.Field(field, "invalid_deadline", field+" must be a time in the future, a year ahead at most, in Unix seconds.")
	}
	return time.Unix(*at, 0).UTC(), nil
}

// SafeSignatures reads signatures of a Safe's owners.
//
// Faults: Invalid on field, or on the one at fault.
func SafeSignatures(field string, texts []string) ([][]byte, error) {
	if len(texts) > maxSignatures {
		return nil, fault.Field(field, "too_many_signatures", fmt.Sprintf("%s may hold at most %d.", field, maxSignatures))
	}
	var all [][]byte
	for i, text := range texts {
		digits, prefixed := strings.CutPrefix(text, "0x")
		signature, err := hex.DecodeString(digits)
		if !prefixed || err != nil || len(signature) == 0 || len(signature) > maxSignature {
			one := fmt.Sprintf("%s[%d]", field, i)
			return nil, fault.Field(one, "invalid_signature", one+" must be 0x and the hexadecimal digits of a signature.")
		}
		all = append(all, signature)
	}
	return all, nil
}
