// Package pay is the hosted page: what a payer sees when they open a payment's
// link, and what the page's own script calls. It shows every dialect's payments
// and knows no dialect: it turns a payment and the safety check's answers into
// view models, and passes on what the payer's wallet is to sign.
package pay
