package chain

import (
	"context"

	"quittance/internal/asset"
)

// Sink is where a Scanner leaves what it found. Each method that writes is one
// database transaction. After any error the Scanner reads Cursor again and
// starts from there, so an Apply that failed half way must leave nothing.
type Sink interface {
	// Cursor is how far the chain was processed.
	Cursor(ctx context.Context, chain asset.ChainID) (Cursor, error)

	// Apply records the evidence of a range of blocks and moves the cursor to
	// its end, together or not at all. The same log may come again after a
	// Rewind: what a log's chain, block hash and index name is one fact. If the
	// stored cursor is not just below From (and not empty), someone else moved
	// it: Apply must then change nothing and return an error.
	Apply(ctx context.Context, s Sweep) error

	// Rewind takes back everything above block to, which becomes the newest
	// processed block: evidence that is not final is dropped, later checkpoints
	// are forgotten. Evidence that was finalized stays. If the cursor was taken back since it
	// was read with Cursor.Rewound, nothing changes and an error is returned.
	Rewind(ctx context.Context, chain asset.ChainID, to Block, rewound int64) error

	// Pending returns the distinct blocks (number and hash) at or below upTo
	// that hold evidence which is not final, in any order.
	Pending(ctx context.Context, chain asset.ChainID, upTo uint64) ([]Block, error)

	// Finalize makes the evidence of these blocks final: they are canonical and
	// will stay so.
	Finalize(ctx context.Context, chain asset.ChainID, blocks []Block) error
}

// Records is the evidence that a Sink keeps, to be held against what other endpoints say
// of the same blocks. Logs that are evidence of nothing are passed over, and so is
// evidence that is final, and evidence that no log shows.
type Records interface {
	// Compare says how what is kept of the blocks From..To differs from what their logs,
	// all of which are in s, are evidence of. The logs may lack their blocks' time; then
	// there may be differences that turn out to be none.
	Compare(ctx context.Context, s Sweep) ([]Difference, error)

	// Learn keeps what logs are evidence of, in place of what is kept of the same.
	Learn(ctx context.Context, chain asset.ChainID, logs []Log) error

	// Forget drops evidence that Compare has named.
	Forget(ctx context.Context, chain asset.ChainID, gone []Difference) error

	// Small reports whether what is kept of a block is too little for a second opinion.
	Small(ctx context.Context, chain asset.ChainID, b Block) (bool, error)
}

// Difference is one piece of evidence that is not kept as it was told.
type Difference struct {
	Kind  Kind   // Missing: kept and not told; Invented: told and not kept; Altered
	Key   string // of the evidence
	Block Block  // number and hash
	Tx    string // of the log
	Index uint   // of the log
}

// Cursor is how far a chain was processed. It is empty before the first sweep.
type Cursor struct {
	// Blocks has the newest processed block first, then the ends of earlier
	// sweeps in falling order, down to and including the newest one at or below
	// Final; older ones may be forgotten.
	Blocks []Block
	// Final is the greatest Sweep.Final that was applied: nothing at or below
	// this height is ever taken back.
	Final uint64
	// Rewound is how often the cursor was taken back.
	Rewound int64
}

// Sweep is a range of blocks that was read completely.
type Sweep struct {
	Chain asset.ChainID
	From  uint64 // first block of the range
	To    Block  // last block of the range: the new cursor and a checkpoint
	Head  Block  // the chain's head when the range was read
	Final uint64 // blocks at or below are final; never above To.Number
	// Rewound is of the cursor that this continues: an Apply whose cursor was taken back since
	// must change nothing and return an error, like one that does not continue it.
	Rewound int64
	Logs    []Log // in the order of the chain, each with its block's time
	// Blocks are the range's, all of them with their transactions, by the word of the
	// endpoint that told of the logs; empty if they did not come along.
	Blocks []*FullBlock
}
