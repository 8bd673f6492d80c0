package contracts

import (
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// PriceFeed is the contract of the sandbox's price feeds. There are several of it, at
// addresses of their own: it is not among Names.
const PriceFeed = "PriceFeed"

// Feed is a price feed in the genesis block.
type Feed struct {
	Owner       common.Address // who may say what it says
	Description string         // "ETH / USD", at most 31 bytes
	Decimals    uint8
	Answer      *big.Int
	At          time.Time // of the answer
}

// firstRound looks like Chainlink's, which has the phase of its proxy above 64 bits.
func firstRound() *big.Int {
	r := new(big.Int).Lsh(big.NewInt(1), 64)
	return r.Add(r, big.NewInt(1))
}

// Account is the feed as an account of the genesis block.
func (f Feed) Account() types.Account {
	if len(f.Description) > 31 {
		panic(fmt.Sprintf("contracts: a description of %d bytes", len(f.Description))) // it is chosen by source code
	}
	storage := map[common.Hash]common.Hash{}
	set := func(label string, move int64, value *big.Int) {
		at := variable(PriceFeed, label)
		key := common.BigToHash(new(big.Int).Add(at.key.Big(), big.NewInt(move)))
		shifted := new(big.Int).Lsh(value, 8*at.offset)
		storage[key] = common.BigToHash(shifted.Or(shifted, storage[key].Big()))
	}
	set("owner", 0, f.Owner.Big())
	set("decimals", 0, big.NewInt(int64(f.Decimals)))
	text := common.RightPadBytes([]byte(f.Description), 32)
	text[31] = byte(2 * len(f.Description)) // a short string, by Solidity's storage layout
	set("description", 0, new(big.Int).SetBytes(text))
	set("round", 0, new(big.Int).Or(new(big.Int).Lsh(firstRound(), 80), firstRound()))
	set("round", 1, f.Answer)
	set("round", 2, big.NewInt(f.At.Unix()))
	set("round", 3, big.NewInt(f.At.Unix()))
	return types.Account{Balance: new(big.Int), Nonce: 1, Code: Get(PriceFeed).Runtime, Storage: storage}
}

// Round is what a feed can be told to say.
type Round struct {
	RoundID         *big.Int `abi:"roundId"`
	AnsweredInRound *big.Int `abi:"answeredInRound"`
	Answer          *big.Int `abi:"answer"`
	StartedAt       *big.Int `abi:"startedAt"`
	UpdatedAt       *big.Int `abi:"updatedAt"`
}
