package chain

import (
	"math/big"
	"strconv"
	"time"

	"quittance/internal/asset"
)

// At says which block a question is about: a tag or a number.
type At string

// The tags. Finalized may have no block on young chains and development nodes.
const (
	Latest    At = "latest"
	Finalized At = "finalized"
)

// AtBlock names a block by its number.
func AtBlock(n uint64) At { return At(quantity(n)) }

func quantity(n uint64) string { return "0x" + strconv.FormatUint(n, 16) }

// Block is one block of one chain. Hash is 0x and 64 lower-case hex digits.
type Block struct {
	Number uint64
	Hash   string
	Time   time.Time // UTC, the block's own time
}

// Header is what this package reads of a block's header.
type Header struct {
	Block
	Parent  string
	BaseFee *big.Int // wei per gas, nil before EIP-1559
}

// Log is one event log. Topics and Tx are 0x and 64 lower-case hex digits.
// Logs of a simulation have neither a Block nor a Tx.
type Log struct {
	Address asset.Address
	Topics  []string
	Data    []byte
	Block   Block // Time is set by the Scanner, zero in the answer to LogsCall
	Tx      string
	TxIndex uint
	Index   uint // position in the block, over all transactions
}

// Filter says which logs are wanted: those of any of the addresses whose first
// topic is any of Topics0. Without addresses nothing is wanted; without topics
// every event of the addresses is.
type Filter struct {
	Addresses []asset.Address
	Topics0   []string // 0x and 64 lower-case hex digits
}

// Msg is a contract call that is executed without being sent.
type Msg struct {
	From  asset.Address
	To    asset.Address
	Data  []byte
	Value *big.Int // wei, nil for none
	Gas   uint64   // 0 leaves the limit to the node
}

// Receipt is the outcome of a mined transaction.
type Receipt struct {
	Tx        string
	Block     Block // without its time
	Succeeded bool
	From      asset.Address
	To        asset.Address // zero if a contract was created
	GasUsed   uint64
	Logs      []Log
}

// Transaction is a transaction the node knows of, mined or not.
type Transaction struct {
	Hash  string
	From  asset.Address
	To    asset.Address // zero if it creates a contract
	Data  []byte
	Value *big.Int // wei
	Nonce uint64
	Block *Block // without its time, nil while it is not mined
}

// Simulated is the outcome of one call of a simulation. With traced transfers
// (SimulateCall asks for them) native currency shows as ERC-20 Transfer logs of
// TransferTracer.
type Simulated struct {
	Succeeded bool
	GasUsed   uint64
	Return    []byte
	Logs      []Log
	Err       *RPCError // why it failed, nil if it succeeded
}

// TransferTracer is the address whose Transfer logs eth_simulateV1 invents for
// moves of native currency (ethereum/execution-apis, eth_simulateV1,
// traceTransfers; the pseudo address of ERC-7528).
var TransferTracer = asset.Address{
	0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee,
	0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee,
}
