// Package secpaid is the SecPaid dialect: payment links in euro, as their published
// documentation of 2026 words them, and as the clients of earlier years still ask. It knows
// that API's header, bodies, texts and webhooks. It must not know how money is watched
// for, what banks' statements look like, or another dialect.
//
// Where it differs from the documentation, and why, is in docs/divergences.md.
package secpaid
