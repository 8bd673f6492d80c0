// Package chain reads EVM chains over JSON-RPC: a pool of endpoints that asks
// many questions in one round trip, and a scanner that turns a chain's event
// logs into evidence in the order of its blocks. It knows endpoints, heads,
// reorganisations and finality. It must not know payments, rails, contracts or
// databases: what a log means and where it is kept is behind the ports it
// declares. Every endpoint is taken for a liar until its answer is checked.
package chain
