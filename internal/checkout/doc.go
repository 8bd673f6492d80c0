// Package checkout is the use cases: create a payment, offer routes, prepare
// what the payer signs, take what the payer reports, record what chains show,
// expire. It decides nothing that payment.Assess can compute, knows no HTTP and
// no SQL, and is the only writer of payments.
//
// Where to look:
//
//	ports.go, service.go           what it needs of others; loading, offering, preparing, announcing
//	create.go, fiat.go             a draft becomes a payment, in a fiat currency too; idempotency
//	record.go, accept.go           the one write path; what watchers saw becomes transfers or orphans
//	quote.go, credit.go            what to send for an amount in a fiat currency; what came is worth
//	options.go                     what a payer can choose among, with what the wallet holds
//	access.go, screen.go           who may see and pay
//	cancel.go, refund.go           calling off, giving back
//	booking.go                     what banks and merchants say came
//	learn.go, track.go, route.go   following attempts: the part that all share, and bridges
//	safe*.go                       accounts of several owners: options and calls (pay), told of (announce, judge, merge), followed (track)
//	gasless*.go                    operations of smart accounts: checks and calls (pay), bundler and sponsor (ask, budget, send), followed (track)
//	search.go, userevent.go        what merchants look for; what a page tells
package checkout
