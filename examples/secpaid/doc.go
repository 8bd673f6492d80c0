// Package secpaid tries the examples in this directory: shops that make payment links in
// SecPaid's words with curl, with fetch and as PHP does, and a receiver of their webhooks.
// There is no Go in them; it must not know anything of the server but its API.
package secpaid
