// Package seal encrypts secrets that must be kept and read again, such as the
// keys that sign webhooks, so that a copy of the database does not give them
// away. It knows keys and bytes, and nothing of what the secrets are for or
// where they are kept.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
)

// KeySize is the length of a key in bytes.
const KeySize = 32

// A sealed secret is version, key id, nonce and AES-256-GCM ciphertext with tag.
const (
	version    = 1
	idSize     = 4
	nonceSize  = 12
	headerSize = 1 + idSize
)

// The reasons a sealed secret cannot be opened.
var (
	ErrFormat     = errors.New("not a sealed secret")
	ErrUnknownKey = errors.New("sealed with a key that is not configured")
	ErrTampered   = errors.New("the sealed secret was changed, or belongs elsewhere")
)

type keyID [idSize]byte

// Box seals with its first key and opens with any. It is safe for concurrent use.
type Box struct {
	first keyID
	keys  map[keyID]cipher.AEAD
}

// New makes a Box of one or more keys of KeySize random bytes. To rotate, put
// the new key first and keep the old ones until nothing is sealed with them.
func New(keys ...[]byte) (*Box, error) {
	if len(keys) == 0 {
		return nil, errors.New("no key to seal with")
	}
	b := &Box{keys: make(map[keyID]cipher.AEAD, len(keys))}
	for i, k := range keys {
		if len(k) != KeySize {
			return nil, fmt.Errorf("seal key %d has %d bytes, not %d", i+1, len(k), KeySize)
		}
		id := identify(k)
		if _, dup := b.keys[id]; dup {
			return nil, fmt.Errorf("seal key %d stands twice", i+1)
		}
		block, err := aes.NewCipher(k)
		if err != nil {
			return nil, fmt.Errorf("seal key %d: %w", i+1, err)
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			return nil, fmt.Errorf("seal key %d: %w", i+1, err)
		}
		b.keys[id] = gcm
		if i == 0 {
			b.first = id
		}
	}
	return b, nil
}

// NewKey returns a fresh random key.
func NewKey() []byte {
	k := make([]byte, KeySize)
	_, _ = rand.Read(k) // never fails: the runtime aborts instead
	return k
}

// identify names a key by a hash, so that keys need no names of their own. The
// prefix keeps the name apart from any other hash of the same bytes.
func identify(key []byte) keyID {
	sum := sha256.Sum256(append([]byte("quittance seal key id\x00"), key...))
	return keyID(sum[:idSize])
}

// Seal encrypts a secret. The place says where it is kept ("endpoint/01J…") and
// is authenticated with it: a sealed secret copied to another place does not open.
func (b *Box) Seal(secret []byte, place string) []byte {
	out := make([]byte, headerSize+nonceSize, headerSize+nonceSize+len(secret)+16)
	out[0] = version
	copy(out[1:], b.first[:])
	nonce := out[headerSize:]
	_, _ = rand.Read(nonce) // never fails: the runtime aborts instead
	return b.keys[b.first].Seal(out, nonce, secret, bind(out[:headerSize], place))
}

// Open decrypts what Seal made for the same place. Its errors are ErrFormat,
// ErrUnknownKey and ErrTampered.
func (b *Box) Open(sealed []byte, place string) ([]byte, error) {
	if len(sealed) < headerSize+nonceSize || sealed[0] != version {
		return nil, ErrFormat
	}
	gcm, ok := b.keys[keyID(sealed[1:headerSize])]
	if !ok {
		return nil, ErrUnknownKey
	}
	nonce, ciphertext := sealed[headerSize:headerSize+nonceSize], sealed[headerSize+nonceSize:]
	secret, err := gcm.Open(nil, nonce, ciphertext, bind(sealed[:headerSize], place))
	if err != nil {
		return nil, ErrTampered
	}
	return secret, nil
}

// Stale reports whether a sealed secret should be sealed anew, because the Box
// would now use another key.
func (b *Box) Stale(sealed []byte) bool {
	return len(sealed) < headerSize || sealed[0] != version || keyID(sealed[1:headerSize]) != b.first
}

// bind is the associated data: header and place.
func bind(header []byte, place string) []byte {
	return append(header[:headerSize:headerSize], place...)
}

// LogValue keeps keys out of logs.
func (b *Box) LogValue() slog.Value { return slog.StringValue("[secret]") }

// String keeps keys out of formatted text.
func (b *Box) String() string { return "[secret]" }
