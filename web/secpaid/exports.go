package secpaid

import (
	"fmt"
	"strconv"

	"quittance/internal/payment"
)

// Link is the address of a link's page below the public origin, by its payment's alias:
// the id's digits. What is no id leads to a page that does not exist.
func Link(alias string) string {
	id, ok := parseLink(alias)
	if !ok {
		return "/payment?link_id="
	}
	return payLink("", id)
}

// Alias reads the link_id of such an address, and returns the alias. ok is false for what
// is no id. It looks at nothing but the text.
func Alias(linkID string) (alias string, ok bool) {
	id, ok := parseLinkID(linkID)
	if !ok {
		return "", false
	}
	return strconv.FormatInt(id, 10), true
}

// Return is where the merchant wants the payer of a payment that was assessed to go: the
// link's callback URL with the outcome, of a link that is paid or that the payer has
// cancelled; "" where there is no outcome yet or no callback.
func Return(p *payment.Payment) (string, error) {
	status := ""
	switch {
	case p.Terms.RedirectURL == "":
	case p.Standing.State == payment.Paid:
		status = cameSuccess
	case p.Standing.State == payment.Canceled && p.Terms.CanceledBy == payment.ByPayer:
		status = cameCancel
	}
	if status == "" {
		return "", nil
	}
	id, ok := parseLink(p.Terms.Alias)
	if !ok {
		return "", fmt.Errorf("lead back from %s: %q is no id", p.ID.Short(), p.Terms.Alias)
	}
	to, ok := redirectTo(p.Terms.RedirectURL, id, userID(p.Terms.Merchant), status)
	if !ok {
		return "", fmt.Errorf("lead back from %s: the callback URL cannot be read", p.ID.Short())
	}
	return to, nil
}
