package web

import "quittance/internal/rail"

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
