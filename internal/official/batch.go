package official

import (
	"errors"
	"fmt"
	"math/big"

	"quittance/internal/asset"
)

// The batch contract: BatchConversionPayments 0.1.0. These are all the facts
// that the server and the page's script agree on.
//
// The call is
//
//	batchPayments((uint256 paymentNetworkId,
//	               (address recipient, uint256 requestAmount, address[] path,
//	                bytes paymentReference, uint256 feeAmount,
//	                uint256 maxToSpend, uint256 maxRateTimespan)[] requestDetails)[] metaDetails,
//	              address[][] pathsToUSD, address feeAddress)
//
// with the selector 0x92cddb91. Its one accepted form, in 32-byte words:
//
//	0x60                       offset of metaDetails
//	offset of pathsToUSD       the last word of the calldata: 32 * (words - 1)
//	feeAddress
//	n                          groups: 1 or 2
//	offset of each group       counted from behind the n, in order
//	each group:
//	  2 or 3                   paymentNetworkId
//	  0x40                     offset of requestDetails
//	  m                        items
//	  offset of each item      counted from behind the m: 32*m + 352*i
//	  each item, 11 words:
//	    recipient, amount, 0xe0, 0x120, fee, 0, 0,
//	    1, path[0],            path: the token; for the native currency NativePath
//	    8, reference           8 bytes, then 24 zero bytes
//	0                          pathsToUSD: none
//
// A group with paymentNetworkId 2 holds all ERC-20 items, of whatever tokens,
// and comes first; one with 3 holds all native items. A group without items is
// left out. Inside a group items stand in the order of the requests. There are
// 2 to 200 items, and no reference stands twice.
//
// Approvals come before the payment, one for each token in the order in which
// the requests first use it, each directly after its reset if it needs one. The
// spender is the batch contract: it takes the tokens and lets the fee proxies
// have them. The events are still the fee proxies'.
//
// feeAddress is one for the whole call: the payee of the items' fees, who must
// be the same for all items that have a fee. If no item has a fee it is
// NoFeeAddress (tokens refuse transfers to the zero address, even of nothing),
// unless the contract's own fee is more than nothing on any asset: then it is the
// first request's payee, and the batch fee is not lost.
//
// The contract's own fee, batchFee(), is a number of hundredths of a percent, at
// most 200, of the amounts without the items' fees, rounded down once for each
// token and once for all native items. It goes to feeAddress. Native items always
// bear it. Tokens bear it unless batchFeeAmountUSDLimit() is zero; the payer must
// hold it in either case, so it counts as needed in either case. pathsToUSD could cap it at that limit by way of a price
// oracle, but never lift it: none are given, as with the official packages'
// skipFeeUSDLimit. Upstream deploys with a batchFee of 0.
//
// So an approval is for amounts + fees + batch fee of its token, and the value of
// the call for amounts + fees + batch fee of the native items (the official
// packages of 2023 forget all but the amounts, and such a call reverts). What a
// caller sends above that comes back to it.
//
// Sources: BatchConversionPayments.sol and BatchNoConversionPayments.sol at
// RequestNetwork/requestNetwork @200005873, the bytecode of
// @requestnetwork/smart-contracts 0.48.0, batch-conversion-proxy.ts of
// @requestnetwork/payment-processor 0.56.0.

// SelectorBatch is batchPayments((uint256,(address,uint256,address[],bytes,uint256,uint256,uint256)[])[],address[][],address).
var SelectorBatch = [4]byte{0x92, 0xcd, 0xdb, 0x91}

// The payment networks of the batch contract that need no price oracle.
const (
	batchTokens = 2
	batchNative = 3
)

// MinBatch and MaxBatch bound the items of one call. One alone goes to its fee
// proxy.
const (
	MinBatch = 2
	MaxBatch = 200
)

// MaxBatchRate is the most the contract can be set to charge, in hundredths of a
// percent.
const MaxBatchRate = 200

// NativePath stands where an item's token would; the contract does not look at
// it. It is how the official packages name ether.
var NativePath = asset.Address{
	0xf5, 0xaf, 0x88, 0xe1, 0x17, 0x74, 0x7e, 0x87, 0xfc, 0x59,
	0x29, 0xf2, 0xff, 0x87, 0x22, 0x1b, 0x14, 0x47, 0x65, 0x2e,
}

// NoFeeAddress is the feeAddress of a call that pays no fee to anyone. It has no
// code, so that the native proxy's transfer of nothing, with 2300 gas, succeeds.
var NoFeeAddress = asset.Address{18: 0xde, 19: 0xad}

// Sizes of the layout above, in words.
const (
	batchHead = 3 // two offsets and the fee address
	itemWords = 11
	itemBytes = itemWords * word
	itemPath  = 7 * word // 0xe0
	itemRef   = 9 * word // 0x120
)

// maxBatchSize is the length of the longest calldata.
var maxBatchSize = batchSize(MaxBatch-1, 1)

// BatchItem is one payment of a batch.
type BatchItem struct {
	Token     asset.Address // zero for the native currency
	Payee     asset.Address
	Amount    *big.Int
	Reference Reference
	Fee       *big.Int
}

// BatchPayment is what a call of the batch contract says. Items may stand in any
// order for Encode; Decode returns them in the order of the calldata.
type BatchPayment struct {
	Items      []BatchItem
	FeeAddress asset.Address
}

// ErrBatch is a batch that has no accepted form: too few or too many items, or a
// reference that stands twice.
var ErrBatch = errors.New("not a batch")

// groups parts the items, tokens first, each in its order.
func (p BatchPayment) groups() (tokens, native []BatchItem) {
	for _, i := range p.Items {
		if i.Token.IsZero() {
			native = append(native, i)
		} else {
			tokens = append(tokens, i)
		}
	}
	return tokens, native
}

func (p BatchPayment) check() error {
	if len(p.Items) < MinBatch || len(p.Items) > MaxBatch {
		return fmt.Errorf("%w: %d items, expected %d to %d", ErrBatch, len(p.Items), MinBatch, MaxBatch)
	}
	seen := make(map[Reference]bool, len(p.Items))
	for _, i := range p.Items {
		if seen[i.Reference] {
			return fmt.Errorf("%w: reference %s stands twice", ErrBatch, i.Reference)
		}
		seen[i.Reference] = true
	}
	return nil
}

func groupWords(items int) int { return 3 + items*(1+itemWords) }

// batchSize is the length of the calldata.
func batchSize(tokens, native int) int {
	words := batchHead + 1 // the number of groups
	for _, n := range []int{tokens, native} {
		if n > 0 {
			words += 1 + groupWords(n)
		}
	}
	return 4 + (words+1)*word // no paths
}

// Encode returns the calldata. Errors: ErrAmount, ErrBatch.
func (p BatchPayment) Encode() ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	tokens, native := p.groups()
	size := batchSize(len(tokens), len(native))
	w := newWriter(SelectorBatch, size)
	w.number(batchHead * word)
	w.number(size - 4 - word)
	w.address(p.FeeAddress)
	switch {
	case len(native) == 0:
		w.number(1)
		w.number(word)
	case len(tokens) == 0:
		w.number(1)
		w.number(word)
	default:
		w.number(2)
		w.number(2 * word)
		w.number((2 + groupWords(len(tokens))) * word)
	}
	w.group(batchTokens, tokens)
	w.group(batchNative, native)
	w.number(0)
	return w.buf, w.err
}

func (w *writer) group(id int, items []BatchItem) {
	if len(items) == 0 {
		return
	}
	w.number(id)
	w.number(2 * word)
	w.number(len(items))
	for i := range items {
		w.number(len(items)*word + i*itemBytes)
	}
	for _, i := range items {
		w.item(i)
	}
}

func (w *writer) item(i BatchItem) {
	w.address(i.Payee)
	w.uint(i.Amount)
	w.number(itemPath)
	w.number(itemRef)
	w.uint(i.Fee)
	w.number(0)
	w.number(0)
	w.number(1)
	if i.Token.IsZero() {
		w.address(NativePath)
	} else {
		w.address(i.Token)
	}
	w.reference(i.Reference)
}

// DecodeBatchPayment reads calldata that is exactly what Encode makes: every
// offset and length at its one place, no dirty bits, no paths, no conversion, no
// reference twice, nothing behind the end. Any other bytes are an error, even
// where the contract would accept them.
func DecodeBatchPayment(data []byte) (BatchPayment, error) {
	if len(data) > maxBatchSize {
		return BatchPayment{}, fmt.Errorf("length: %d bytes, expected at most %d", len(data), maxBatchSize)
	}
	r := newReader(data, SelectorBatch, len(data))
	r.number(batchHead*word, "offset of the groups")
	r.number(len(data)-4-word, "offset of the paths")
	p := BatchPayment{FeeAddress: r.address("fee address")}
	groups := r.count(1, 2, "number of groups")
	at := make([]int, groups)
	for i := range at {
		at[i] = r.count(0, maxBatchSize, "offset of a group")
	}
	place, last := groups*word, 0
	for _, offset := range at {
		if offset != place {
			r.fail("offset of a group: expected %d, got %d", place, offset)
		}
		id := r.count(batchTokens, batchNative, "payment network")
		if id <= last {
			r.fail("payment networks: %d after %d", id, last)
		}
		last = id
		items := r.group(id)
		p.Items = append(p.Items, items...)
		place += groupWords(len(items)) * word
	}
	r.number(0, "number of paths")
	if r.err == nil && len(r.rest) > 0 {
		r.fail("%d bytes behind the end", len(r.rest))
	}
	if r.err == nil {
		r.err = p.check()
	}
	if r.err != nil {
		return BatchPayment{}, r.err
	}
	return p, nil
}

func (r *reader) group(id int) []BatchItem {
	r.number(2*word, "offset of a group's items")
	items := make([]BatchItem, r.count(1, MaxBatch, "number of items"))
	for i := range items {
		r.number(len(items)*word+i*itemBytes, "offset of an item")
	}
	for i := range items {
		items[i] = r.item(id)
	}
	return items
}

func (r *reader) item(id int) BatchItem {
	i := BatchItem{Payee: r.address("payee"), Amount: r.uint()}
	r.number(itemPath, "offset of the path")
	r.number(itemRef, "offset of the reference")
	i.Fee = r.uint()
	r.number(0, "most to spend")
	r.number(0, "age of the rate")
	r.number(1, "length of the path")
	path := r.address("token")
	switch {
	case id == batchTokens && path.IsZero():
		r.fail("token: the zero address")
	case id == batchTokens:
		i.Token = path
	case path != NativePath:
		r.fail("path of a native item: expected %s, got %s", NativePath, path)
	}
	i.Reference = r.reference()
	return i
}
