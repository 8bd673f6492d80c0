package store

import (
	"encoding/json"
	"fmt"

	"quittance/internal/payment"
)

// storedAccess is a policy as payments, destinations and merchants keep it: the
// names are part of the stored format and never change their meaning.
type storedAccess struct {
	Allowed           []string `json:"allowed,omitempty"` // lower-case addresses
	Screen            bool     `json:"screen,omitempty"`
	Provider          string   `json:"provider,omitempty"`
	HideUntilApproved bool     `json:"hideUntilApproved,omitempty"`
	HidePayee         bool     `json:"hidePayee,omitempty"`
}

// encodeAccess writes a policy; one that lets everyone see and pay is "".
func encodeAccess(a payment.Access) (string, error) {
	w := storedAccess{Screen: a.Screen, Provider: a.Provider, HideUntilApproved: a.HideUntilApproved, HidePayee: a.HidePayee}
	for _, wallet := range a.Allowed {
		w.Allowed = append(w.Allowed, wallet.Lower())
	}
	b, err := json.Marshal(w)
	if err != nil {
		return "", fmt.Errorf("encode access policy: %w", err)
	}
	if string(b) == "{}" {
		return "", nil
	}
	return string(b), nil
}

// decodeAccess reads what encodeAccess wrote.
func decodeAccess(text string) (payment.Access, error) {
	var a payment.Access
	if text == "" {
		return a, nil
	}
	var w storedAccess
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		return a, fmt.Errorf("decode access policy: %w", err)
	}
	a = payment.Access{Screen: w.Screen, Provider: w.Provider, HideUntilApproved: w.HideUntilApproved, HidePayee: w.HidePayee}
	for _, text := range w.Allowed {
		wallet, err := parseAddress(text)
		if err != nil {
			return payment.Access{}, err
		}
		a.Allowed = append(a.Allowed, wallet)
	}
	return a, nil
}
