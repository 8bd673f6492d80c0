package safe

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"

	"quittance/internal/asset"
)

// Item is one plain call of a batch.
type Item struct {
	To    asset.Address
	Value *big.Int // wei
	Data  []byte
}

// selectorMultiSend is multiSend(bytes).
var selectorMultiSend = [4]byte{0x8d, 0x80, 0xff, 0x0a}

// itemHead is an item without its data: operation, target, value and length,
// packed.
const itemHead = 1 + 20 + word + word

// MaxItems bounds the calls of one batch.
const MaxItems = 250

// ErrBatch is a batch that has no accepted form: no call, too many, or one to
// the zero address, which MultiSendCallOnly 1.5.0 takes for the Safe itself.
var ErrBatch = errors.New("not a batch of calls")

// EncodeMultiSend returns the calldata of multiSend with these calls. Errors:
// official.ErrAmount, ErrBatch.
func EncodeMultiSend(items []Item) ([]byte, error) {
	if len(items) == 0 || len(items) > MaxItems {
		return nil, fmt.Errorf("%d calls: %w", len(items), ErrBatch)
	}
	var packed words
	for i, item := range items {
		if item.To.IsZero() {
			return nil, fmt.Errorf("call %d goes to nobody: %w", i, ErrBatch)
		}
		packed.out = append(packed.out, byte(OpCall))
		packed.out = append(packed.out, item.To[:]...)
		packed.uint(item.Value)
		packed.small(uint64(len(item.Data)))
		packed.out = append(packed.out, item.Data...)
	}
	if len(packed.out) > maxCalldata-3*word {
		return nil, fmt.Errorf("%d bytes: %w", len(packed.out), ErrBatch)
	}
	w := words{out: bytes.Clone(selectorMultiSend[:])}
	w.small(word)
	w.bytes(packed.out)
	return w.out, packed.err
}

// DecodeMultiSend reads what EncodeMultiSend writes, and nothing else. An item
// that is a delegatecall is as much ErrCalldata as a byte too many.
func DecodeMultiSend(data []byte) ([]Item, error) {
	r := reader{data: data, selector: selectorMultiSend[:]}
	packed := r.bytes(0)
	if r.failed {
		return nil, fmt.Errorf("multiSend: %w", ErrCalldata)
	}
	var items []Item
	for len(packed) > 0 {
		if len(packed) < itemHead || len(items) == MaxItems {
			return nil, fmt.Errorf("multiSend: call %d: %w", len(items), ErrCalldata)
		}
		length := clamp(packed[itemHead-word : itemHead])
		if packed[0] != byte(OpCall) || length > uint64(len(packed)-itemHead) {
			return nil, fmt.Errorf("multiSend: call %d: %w", len(items), ErrCalldata)
		}
		end := itemHead + int(length)
		items = append(items, Item{
			To:    asset.Address(packed[1:21]),
			Value: new(big.Int).SetBytes(packed[21 : 21+word]),
			Data:  packed[itemHead:end:end],
		})
		packed = packed[end:]
	}
	if again, err := EncodeMultiSend(items); err != nil || !bytes.Equal(again, data) {
		return nil, fmt.Errorf("multiSend: %w", ErrCalldata)
	}
	return items, nil
}
