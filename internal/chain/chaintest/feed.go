package chaintest

import (
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"quittance/internal/sandbox/contracts"
)

// WithFeed puts a price feed with eight decimals at an address in the genesis block, as "ETH / USD",
// whose answer is of a time. It is the payer's: see Publish.
func WithFeed(t testing.TB, at, description string, answer *big.Int, of time.Time) Option {
	t.Helper()
	owner := address(key(t, "payer"))
	return func(s *settings) {
		s.genesis[common.HexToAddress(at)] = contracts.Feed{Owner: owner, Description: description, Decimals: 8, Answer: answer, At: of}.Account()
	}
}

// Publish has a price feed of the wallet's answer with the time of the next block.
func (w *Wallet) Publish(feed string, answer *big.Int) (txHash string) {
	w.chain.t.Helper()
	return w.Send(feed, nil, contracts.Call(contracts.PriceFeed, "publish", answer))
}

// Pretend has a price feed of the wallet's say that its answer is of another time.
func (w *Wallet) Pretend(feed string, answer *big.Int, of time.Time) (txHash string) {
	w.chain.t.Helper()
	round, at := big.NewInt(9), big.NewInt(of.Unix())
	return w.Send(feed, nil, contracts.Call(contracts.PriceFeed, "pretend", contracts.Round{
		RoundID: round, AnsweredInRound: round, Answer: answer, StartedAt: at, UpdatedAt: at,
	}))
}

// Silence has a price feed of the wallet's refuse to answer, or answer again.
func (w *Wallet) Silence(feed string, silent bool) (txHash string) {
	w.chain.t.Helper()
	return w.Send(feed, nil, contracts.Call(contracts.PriceFeed, "behave", uint8(8), silent))
}
