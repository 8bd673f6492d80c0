package safe

import (
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"quittance/internal/asset"
	"quittance/internal/official"
)

// Record is what a Transaction Service says of a Safe transaction. Safe and Tx
// are what the hash commits to; the rest is the service's word.
type Record struct {
	Chain asset.ChainID
	Safe  asset.Address
	Hash  official.Hash
	Tx    Tx

	Confirmations []Confirmation // one for each owner, in the order of the answer
	Signatures    [][]byte       // those that prove a confirmation, in the same order
	Required      uint64         // the Safe's threshold as the service knows it, 0 if it does not

	Executed   bool
	Successful bool          // of an executed one: it says ExecutionSuccess
	ExecutedBy official.Hash // the transaction on chain, to be looked up there; zero if not executed
	Submitted  time.Time     // UTC, zero if not said
}

// Confirmation is an owner's agreement.
type Confirmation struct {
	Owner asset.Address
	// Proven tells that the signature is the owner's own over this hash. A
	// contract's signature and an approval on chain are not proven by looking at
	// them.
	Proven bool
}

// Signed counts which of these owners have agreed.
func (r *Record) Signed(owners []asset.Address) int {
	n := 0
	for _, c := range r.Confirmations {
		if slices.Contains(owners, c.Owner) {
			n++
		}
	}
	return n
}

type wireRecord struct {
	wireTx
	Safe            account   `json:"safe"`
	SafeTxHash      string    `json:"safeTxHash"`
	TransactionHash *string   `json:"transactionHash"`
	IsExecuted      bool      `json:"isExecuted"`
	IsSuccessful    *bool     `json:"isSuccessful"`
	Required        decimal   `json:"confirmationsRequired"`
	Submitted       timestamp `json:"submissionDate"`
	Confirmations   []struct {
		Owner     account  `json:"owner"`
		Signature hexBytes `json:"signature"`
	} `json:"confirmations"`
}

// timestamp is an RFC 3339 time; null and missing are zero.
type timestamp struct{ v time.Time }

// UnmarshalJSON reads a time.
func (t *timestamp) UnmarshalJSON(b []byte) error {
	var s *time.Time
	if err := json.Unmarshal(b, &s); err != nil || s == nil {
		return err
	}
	t.v = s.UTC()
	return nil
}

// parseRecord reads an answer and holds it against the hash that was asked for.
func parseRecord(raw jsontext.Value, chain asset.ChainID, hash official.Hash) (*Record, error) {
	var w wireRecord
	if err := json.Unmarshal(raw, &w); err != nil {
		return nil, fmt.Errorf("%w: %s", errAnswer, printable(err.Error()))
	}
	tx, err := w.tx()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errAnswer, err)
	}
	own, err := tx.Hash(chain, w.Safe.v)
	if said, err2 := official.ParseHash(w.SafeTxHash); err != nil || err2 != nil || !w.Safe.said || own != hash || said != hash {
		return nil, fmt.Errorf("%w: it is another transaction", errAnswer)
	}
	r := &Record{Chain: chain, Safe: w.Safe.v, Hash: hash, Tx: tx, Executed: w.IsExecuted, Submitted: w.Submitted.v}
	if r.Executed != (w.TransactionHash != nil) || w.IsSuccessful != nil && !r.Executed {
		return nil, fmt.Errorf("%w: it is executed and it is not", errAnswer)
	}
	if r.Executed {
		r.Successful = w.IsSuccessful != nil && *w.IsSuccessful
		if r.ExecutedBy, err = official.ParseHash(*w.TransactionHash); err != nil {
			return nil, fmt.Errorf("%w: transactionHash: %w", errAnswer, err)
		}
	}
	if v := w.Required.v; v != nil {
		if !v.IsUint64() || v.Uint64() > maxOwners {
			return nil, fmt.Errorf("%w: too many confirmations are required", errAnswer)
		}
		r.Required = v.Uint64()
	}
	if len(w.Confirmations) > maxOwners {
		return nil, fmt.Errorf("%w: %d confirmations", errAnswer, len(w.Confirmations))
	}
	return r, r.confirm(w)
}

// confirm takes the owners' agreements, each owner's once. A signature by a key
// that is not the owner's does not count.
func (r *Record) confirm(w wireRecord) error {
	seen := map[asset.Address]bool{}
	for _, c := range w.Confirmations {
		if !c.Owner.said {
			return fmt.Errorf("%w: a confirmation without an owner", errAnswer)
		}
		sig := c.Signature.v
		signer, proven := Signer(r.Hash, sig)
		if seen[c.Owner.v] || len(sig) == signatureSize && sig[signatureSize-1] > vApproved && (!proven || signer != c.Owner.v) {
			continue
		}
		seen[c.Owner.v] = true
		r.Confirmations = append(r.Confirmations, Confirmation{Owner: c.Owner.v, Proven: proven})
		if proven {
			r.Signatures = append(r.Signatures, sig)
		}
	}
	return nil
}
