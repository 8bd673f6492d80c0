// Package hdkey derives Ethereum addresses from a merchant's extended public key
// (BIP-32, BIP-44). It knows keys and addresses. It must not know payments, and it
// cannot spend: private keys are refused wherever they turn up, and there is no code
// here that could hold one.
package hdkey

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"golang.org/x/crypto/sha3"

	"quittance/internal/asset"
)

// The reasons a key is refused. None of the errors holds any of the text: people
// paste private keys.
var (
	ErrPrivate  = errors.New("this is a private key: give the extended PUBLIC key (xpub), and treat the private one as leaked")
	ErrSyntax   = errors.New("not an extended public key: xpub and 107 more characters of base58")
	ErrChecksum = errors.New("the extended public key has a typing error: its checksum is wrong")
	ErrVersion  = errors.New("not an extended public key of a kind that is known: it must begin with xpub")
	ErrKey      = errors.New("the extended public key does not hold a valid public key")
	ErrDepth    = errors.New("the extended public key must be of an account (m/44'/60'/0') or of its receiving branch (m/44'/60'/0'/0)")
)

// ErrIndex is an index at or above 2^31: hardened children need the private key.
var ErrIndex = errors.New("the index of an address is below 2^31")

// ErrNoChild is an index that has no key. BIP-32 says to take the next one; nobody
// has ever met such an index.
var ErrNoChild = errors.New("there is no key at this index: take the next one")

// Hardened is the first index that needs the private key.
const Hardened = 1 << 31

// Key is an extended public key.
type Key struct {
	point *secp256k1.PublicKey
	code  [32]byte
	depth uint8
	index uint32 // which child of its parent it is, Hardened and above for hardened ones
}

const (
	xpub = 0x0488B21E
	xprv = 0x0488ADE4
	tprv = 0x04358394
	// The private ones of SLIP-132, which wallets for other chains write.
	yprv = 0x049D7878
	zprv = 0x04B2430C
	// size of the serialized form: version, depth, parent's fingerprint, index, chain
	// code and key (BIP-32, "Serialization format").
	size = 4 + 1 + 4 + 4 + 32 + 33
)

// Parse reads an extended public key in its text form, "xpub…".
//
// Errors: ErrPrivate, ErrSyntax, ErrChecksum, ErrVersion, ErrKey.
func Parse(text string) (Key, error) {
	raw, err := decode58Check(text, size)
	if err != nil {
		return Key{}, err
	}
	switch binary.BigEndian.Uint32(raw) {
	case xpub:
	case xprv, tprv, yprv, zprv:
		return Key{}, ErrPrivate
	default:
		return Key{}, ErrVersion
	}
	k := Key{depth: raw[4], index: binary.BigEndian.Uint32(raw[9:])}
	copy(k.code[:], raw[13:])
	// A root has no parent and is nobody's child.
	if k.depth == 0 && (binary.BigEndian.Uint32(raw[5:]) != 0 || k.index != 0) {
		return Key{}, ErrKey
	}
	if raw[45] != secp256k1.PubKeyFormatCompressedEven && raw[45] != secp256k1.PubKeyFormatCompressedOdd {
		return Key{}, ErrKey
	}
	if k.point, err = secp256k1.ParsePubKey(raw[45:]); err != nil {
		return Key{}, ErrKey
	}
	return k, nil
}

// Equal reports whether two keys are the same: point, chain code and place in their
// tree, but for the parent, which a derived key does not name.
func (k Key) Equal(other Key) bool {
	return k.point.IsEqual(other.point) && k.code == other.code && k.depth == other.depth && k.index == other.index
}

// Child derives the key at an index (BIP-32, "Public parent key → public child key").
//
// Errors: ErrIndex, ErrNoChild.
func (k Key) Child(index uint32) (Key, error) {
	if index >= Hardened {
		return Key{}, ErrIndex
	}
	mac := hmac.New(sha512.New, k.code[:])
	mac.Write(k.point.SerializeCompressed())
	mac.Write(binary.BigEndian.AppendUint32(nil, index))
	sum := mac.Sum(nil)

	var tweak secp256k1.ModNScalar
	if overflow := tweak.SetByteSlice(sum[:32]); overflow {
		return Key{}, ErrNoChild
	}
	var parent, added, child secp256k1.JacobianPoint
	k.point.AsJacobian(&parent)
	secp256k1.ScalarBaseMultNonConst(&tweak, &added)
	secp256k1.AddNonConst(&parent, &added, &child)
	if child.X.IsZero() && child.Y.IsZero() || child.Z.IsZero() {
		return Key{}, ErrNoChild
	}
	child.ToAffine()
	out := Key{point: secp256k1.NewPublicKey(&child.X, &child.Y), depth: k.depth + 1, index: index}
	copy(out.code[:], sum[32:])
	return out, nil
}

// Address is the account of the key itself: the last 20 bytes of the keccak256 of its
// point.
func (k Key) Address() asset.Address {
	h := sha3.NewLegacyKeccak256()
	h.Write(k.point.SerializeUncompressed()[1:])
	var a asset.Address
	copy(a[:], h.Sum(nil)[12:])
	return a
}

// The depths of BIP-44: m / purpose' / coin_type' / account' / change / address_index.
const (
	accountDepth = 3
	branchDepth  = 4
)

// Branch is where a merchant receives: the addresses of one account, by index. It is
// safe for concurrent use.
type Branch struct {
	key  Key
	path string
}

// OpenBranch reads the key a merchant gives: of an account (m/44'/60'/0', whose
// receiving branch 0 is then used) or of that branch itself (m/44'/60'/0'/0). Both
// give the addresses that common wallets show.
//
// Errors: those of Parse; ErrDepth.
func OpenBranch(text string) (Branch, error) {
	k, err := Parse(text)
	switch {
	case err != nil:
		return Branch{}, err
	case k.depth == accountDepth && k.index >= Hardened:
		account := k.index - Hardened
		if k, err = k.Child(0); err != nil {
			return Branch{}, fmt.Errorf("deriving the receiving branch: %w", err)
		}
		return Branch{key: k, path: "m/44'/60'/" + strconv.FormatUint(uint64(account), 10) + "'/0"}, nil
	case k.depth == branchDepth && k.index < Hardened:
		// The branch does not tell which account it is of.
		return Branch{key: k}, nil
	}
	return Branch{}, ErrDepth
}

// Address derives the address at an index.
//
// Errors: ErrIndex, ErrNoChild.
func (b Branch) Address(index uint32) (asset.Address, error) {
	k, err := b.key.Child(index)
	if err != nil {
		return asset.Address{}, err
	}
	return k.Address(), nil
}

// Path is where a wallet finds an address, "m/44'/60'/0'/0/7", as far as the key tells:
// of a branch's own key only what is below it is known, "7". That the key is of purpose
// 44 and coin 60 the key does not say: it is what merchants are asked for.
func (b Branch) Path(index uint32) string {
	last := strconv.FormatUint(uint64(index), 10)
	if b.path == "" {
		return last
	}
	return b.path + "/" + last
}

// Known tells whether Path is a whole path.
func (b Branch) Known() bool { return b.path != "" }

// ID names a branch in files and logs without giving its addresses away: whoever has
// the key itself can list them all. It is the first of its addresses that is never
// used, the one at the highest index.
func (b Branch) ID() (string, error) {
	a, err := b.Address(Hardened - 1)
	if err != nil {
		return "", err
	}
	return a.Lower(), nil
}

// Last is the highest index that is used for a payment: the one above is the ID.
const Last = Hardened - 2
