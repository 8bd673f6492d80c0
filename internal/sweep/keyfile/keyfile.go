// Package keyfile signs a sweep's plan where the keys are: on a machine of the merchant's,
// best without a network, from an account's extended private key in an encrypted file. The
// server neither imports it nor sees such a file.
package keyfile

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/crypto"

	"quittance/internal/asset"
	"quittance/internal/sweep"
)

// Format names the form of a key's file.
const Format = "quittance-account-key-1"

// The reasons a key or its file is refused. None of the errors holds any of the key.
var (
	ErrKey        = errors.New("not the extended private key (xprv) of an account, m/44'/60'/0'")
	ErrFile       = errors.New("the file holds no account's key")
	ErrPassphrase = errors.New("the passphrase is wrong, or the file was changed")
)

// Account is an account's extended private key: it can derive the keys of all of its
// deposit addresses. It is never printed.
type Account struct {
	branch node // of receiving addresses
	path   string
}

// String hides the key.
func (Account) String() string { return "[account key]" }

// GoString hides the key.
func (Account) GoString() string { return "[account key]" }

type node struct {
	key  secp256k1.ModNScalar
	code [32]byte
}

type fileWire struct {
	Format string              `json:"format"`
	Crypto keystore.CryptoJSON `json:"crypto"`
}

// Strength is what trying a passphrase costs: scrypt's N and P.
type Strength struct{ N, P int }

// Strong takes about a second and 256 MB to try a passphrase.
var Strong = Strength{keystore.StandardScryptN, keystore.StandardScryptP}

// Seal encrypts an account's key with a passphrase, as Ethereum's keystore files are
// (Web3 Secret Storage, version 3).
//
// Errors: ErrKey.
func Seal(xprv, passphrase string, s Strength) ([]byte, error) {
	if _, err := parse(xprv); err != nil {
		return nil, err
	}
	sealed, err := keystore.EncryptDataV3([]byte(xprv), []byte(passphrase), s.N, s.P)
	if err != nil {
		return nil, fmt.Errorf("encrypting the key: %w", err)
	}
	return json.MarshalIndent(fileWire{Format: Format, Crypto: sealed}, "", " ")
}

// Open decrypts a key's file.
//
// Errors: ErrFile, ErrPassphrase, ErrKey.
func Open(file []byte, passphrase string) (Account, error) {
	var w fileWire
	if err := json.Unmarshal(file, &w); err != nil || w.Format != Format {
		return Account{}, ErrFile
	}
	xprv, err := keystore.DecryptDataV3(w.Crypto, passphrase)
	if err != nil {
		return Account{}, ErrPassphrase
	}
	return parse(string(xprv))
}

// The serialized form of an extended private key (BIP-32).
const (
	version    = 0x0488ADE4
	size       = 78
	hardened   = 1 << 31
	depthOfAcc = 3
)

func parse(xprv string) (Account, error) {
	raw, ok := decode58(strings.TrimSpace(xprv))
	if !ok || binary.BigEndian.Uint32(raw) != version || raw[4] != depthOfAcc || raw[45] != 0 {
		return Account{}, ErrKey
	}
	index := binary.BigEndian.Uint32(raw[9:])
	var n node
	copy(n.code[:], raw[13:])
	if overflow := n.key.SetByteSlice(raw[46:]); overflow || n.key.IsZero() || index < hardened {
		return Account{}, ErrKey
	}
	branch, err := n.child(0)
	if err != nil {
		return Account{}, err
	}
	return Account{branch: branch, path: "m/44'/60'/" + strconv.FormatUint(uint64(index-hardened), 10) + "'/0/"}, nil
}

const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// decode58 reads the 78 bytes of an extended key (Base58Check). It never begins with
// zeros: its version does not.
func decode58(text string) ([]byte, bool) {
	if len(text) < 100 || len(text) > 120 {
		return nil, false
	}
	v := new(big.Int)
	for i := range len(text) {
		digit := strings.IndexByte(alphabet, text[i])
		if digit < 0 {
			return nil, false
		}
		v.Add(v.Mul(v, big.NewInt(int64(len(alphabet)))), big.NewInt(int64(digit)))
	}
	raw := v.Bytes()
	if len(raw) != size+4 {
		return nil, false
	}
	once := sha256.Sum256(raw[:size])
	twice := sha256.Sum256(once[:])
	return raw[:size], string(twice[:4]) == string(raw[size:])
}

// child derives a key that is not hardened (BIP-32, "Private parent key → private child
// key").
func (n node) child(index uint32) (node, error) {
	public := secp256k1.NewPrivateKey(&n.key).PubKey().SerializeCompressed()
	mac := hmac.New(sha512.New, n.code[:])
	mac.Write(public)
	mac.Write(binary.BigEndian.AppendUint32(nil, index))
	sum := mac.Sum(nil)
	var out node
	if overflow := out.key.SetByteSlice(sum[:32]); overflow {
		return node{}, fmt.Errorf("there is no key at index %d", index)
	}
	if out.key.Add(&n.key); out.key.IsZero() {
		return node{}, fmt.Errorf("there is no key at index %d", index)
	}
	copy(out.code[:], sum[32:])
	return out, nil
}

// Address is the address at an index, for comparing with what the server shows.
func (a Account) Address(index uint32) (asset.Address, error) {
	n, err := a.key(index)
	if err != nil {
		return asset.Address{}, err
	}
	return asset.Address(crypto.PubkeyToAddress(*secp256k1.NewPrivateKey(&n.key).PubKey().ToECDSA())), nil
}

func (a Account) key(index uint32) (node, error) {
	if index >= hardened {
		return node{}, errors.New("the index of an address is below 2^31")
	}
	return a.branch.child(index)
}

// index reads a path of this account's branch: "m/44'/60'/0'/0/7", or what is below the
// branch where the plan knows no more, "7".
func (a Account) index(path string) (uint32, error) {
	text := strings.TrimPrefix(path, a.path)
	v, err := strconv.ParseUint(text, 10, 32)
	if err != nil || v >= hardened || strconv.FormatUint(v, 10) != text {
		return 0, fmt.Errorf("the path %s is not of this account", path)
	}
	return uint32(v), nil
}

// Sign signs a plan's transfers whose key the account has, and tells how many it has not
// got: those of the funder. The plan must send to the receiver that whoever signs knows;
// every transfer must come from the address that its path leads to.
func (a Account) Sign(p sweep.Plan, to asset.Address) (signed [][]byte, others int, err error) {
	if err := p.Check(); err != nil {
		return nil, 0, err
	}
	if p.To != to {
		return nil, 0, fmt.Errorf("the plan sends to %s", p.To)
	}
	for i, t := range p.Transfers {
		if t.Path == "" {
			others++
			continue
		}
		raw, err := a.sign(p, t)
		if err != nil {
			return nil, 0, fmt.Errorf("transaction %d of the plan: %w", i, err)
		}
		signed = append(signed, raw)
	}
	return signed, others, nil
}

func (a Account) sign(p sweep.Plan, t sweep.Transfer) ([]byte, error) {
	index, err := a.index(t.Path)
	if err != nil {
		return nil, err
	}
	n, err := a.key(index)
	if err != nil {
		return nil, err
	}
	key := secp256k1.NewPrivateKey(&n.key)
	defer key.Zero()
	hash := p.SigHash(t)
	signature, err := crypto.Sign(hash[:], key.ToECDSA())
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	return p.Sealed(t, [65]byte(signature)) // it compares the sender
}
