package store

import (
	"quittance/internal/checkout"
	"quittance/internal/payment"
)

// SealedColumn says which column holds sealed secrets. An empty value is none.
type SealedColumn struct {
	Table, Column string
	// Place says for which place a row's was sealed, "" if that row's is not sealed.
	// of returns other columns of the row: texts, and "true" or "false".
	Place func(of func(column string) string) string
}

// Sealed are all columns that hold sealed secrets.
func Sealed() []SealedColumn {
	merchants := func(which string) func(func(string) string) string {
		return func(of func(string) string) string { return linksPlace(payment.MerchantID(of("merchant")), which) }
	}
	own := func(place func(id string) string) func(func(string) string) string {
		return func(of func(string) string) string {
			if of("dialect") != "" { // it has no secret of its own
				return ""
			}
			return place(of("id"))
		}
	}
	ofPayment := func(of func(string) string) string { return paymentPlace(payment.ID(of("payment"))) }
	return []SealedColumn{
		{"endpoints", "secret", own(secretPlace)},
		{"endpoints", "previous_secret", own(previousPlace)},
		{"deposit_branches", "xpub", func(of func(string) string) string { return branchPlace(of("id")) }},
		{"payment_secrets", "secret", ofPayment},
		{"payment_secrets_old", "secret", ofPayment},
		{"link_settings", linkKey, merchants(linkKey)},
		{"link_settings", linkSecret, merchants(linkSecret)},
		{"link_settings", linkPrevious, merchants(linkPrevious)},
		{"idempotency", "body", func(of func(string) string) string {
			if of("sealed") != "true" {
				return ""
			}
			return answerPlace(checkout.IdempotencyKey{Merchant: payment.MerchantID(of("merchant")), Route: of("route"), Key: of("key")})
		}},
	}
}
