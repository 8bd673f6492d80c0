package sweep

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"

	"quittance/internal/asset"
)

// transaction is a transfer as go-ethereum has it, without a signature.
func (p Plan) transaction(t Transfer) *types.Transaction {
	to := common.Address(t.To)
	return types.NewTx(&types.DynamicFeeTx{
		ChainID: new(big.Int).SetUint64(uint64(p.Chain)), Nonce: t.Nonce, To: &to, Value: t.Value, Data: t.Data,
		Gas: t.Gas, GasFeeCap: t.MaxFee, GasTipCap: t.Tip,
	})
}

func (p Plan) signer() types.Signer {
	return types.LatestSignerForChainID(new(big.Int).SetUint64(uint64(p.Chain)))
}

// SigHash is what the holder of a transfer's key signs.
func (p Plan) SigHash(t Transfer) [32]byte { return p.signer().Hash(p.transaction(t)) }

// Unsigned is the transaction as hardware wallets take it: its type and the RLP of its
// fields without a signature (EIP-1559, EIP-2718). The keccak256 of it is SigHash.
func (p Plan) Unsigned(t Transfer) ([]byte, error) {
	body, err := rlp.EncodeToBytes([]any{
		new(big.Int).SetUint64(uint64(p.Chain)), t.Nonce, t.Tip, t.MaxFee, t.Gas, common.Address(t.To), t.Value, t.Data, types.AccessList{},
	})
	if err != nil {
		return nil, fmt.Errorf("encoding a transaction: %w", err)
	}
	return append([]byte{types.DynamicFeeTxType}, body...), nil
}

// Sealed makes the signed transaction of a transfer and a signature: r, s and v of 0 or 1.
// A signature that is not its sender's is an error.
func (p Plan) Sealed(t Transfer, signature [65]byte) ([]byte, error) {
	tx, err := p.transaction(t).WithSignature(p.signer(), signature[:])
	if err != nil {
		return nil, fmt.Errorf("putting a signature into a transaction: %w", err)
	}
	if from, err := types.Sender(p.signer(), tx); err != nil || asset.Address(from) != t.From {
		return nil, errors.New("the signature is not of the account that sends")
	}
	return tx.MarshalBinary()
}

// Ready is a signed transfer that may be sent.
type Ready struct {
	Transfer
	Raw  []byte
	Hash string // 0x and 64 hex digits
}

// The reasons why signed transactions are refused.
var (
	ErrForeign = errors.New("a signed transaction is none of the plan's")
	ErrTwice   = errors.New("a transaction of the plan is signed twice")
)

// Match finds the plan's transfers among signed transactions: each must be one of the
// plan's to the last field, signed by its sender. It returns those that are signed, in
// the plan's order, and how many are missing.
//
// Errors: ErrForeign, ErrTwice.
func (p Plan) Match(signed [][]byte) (ready []Ready, missing int, err error) {
	if err := p.Check(); err != nil {
		return nil, 0, err
	}
	// What is signed does not say who sends: two addresses may sign the same.
	type mark struct {
		hash common.Hash
		from asset.Address
	}
	places := map[mark]int{}
	for i, t := range p.Transfers {
		places[mark{p.SigHash(t), t.From}] = i
	}
	found := make([]*Ready, len(p.Transfers))
	for _, raw := range signed {
		var tx types.Transaction
		if err := tx.UnmarshalBinary(raw); err != nil {
			return nil, 0, fmt.Errorf("%w: it cannot be read", ErrForeign)
		}
		from, err := types.Sender(p.signer(), &tx)
		if err != nil || tx.Type() != types.DynamicFeeTxType {
			return nil, 0, fmt.Errorf("%w: %s", ErrForeign, tx.Hash())
		}
		i, ok := places[mark{p.signer().Hash(&tx), asset.Address(from)}]
		if !ok {
			return nil, 0, fmt.Errorf("%w: %s of %s", ErrForeign, tx.Hash(), from)
		}
		if found[i] != nil {
			return nil, 0, fmt.Errorf("%w: %s", ErrTwice, tx.Hash())
		}
		found[i] = &Ready{Transfer: p.Transfers[i], Raw: raw, Hash: tx.Hash().Hex()}
	}
	for _, f := range found {
		if f == nil {
			missing++
			continue
		}
		ready = append(ready, *f)
	}
	return ready, missing, nil
}

// maxSigned bounds a file of signed transactions.
const maxSigned = 8 << 20

// ReadSigned reads signed transactions as 0x-hex, one a line; blank lines and lines that
// begin with # are passed over. That is what wallets and tools of all kinds can be made
// to write.
func ReadSigned(text string) ([][]byte, error) {
	if len(text) > maxSigned {
		return nil, errors.New("the file of signed transactions is too long")
	}
	var out [][]byte
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		digits, ok := strings.CutPrefix(line, "0x")
		raw, err := hex.DecodeString(digits)
		if !ok || err != nil || len(raw) == 0 {
			return nil, fmt.Errorf("line %d is no signed transaction: 0x and hexadecimal digits", n)
		}
		out = append(out, raw)
	}
	return out, nil
}

// WriteSigned is what ReadSigned reads.
func WriteSigned(signed [][]byte) string {
	var b strings.Builder
	for _, raw := range signed {
		b.WriteString("0x" + hex.EncodeToString(raw) + "\n")
	}
	return b.String()
}
