//go:build !nosandbox

package sandbox

import (
	"crypto/ecdsa"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/crypto"
)

const keysName = "keys.json"

// keys are part of a chain's genesis block: a kept chain opens only with the keys it was made with.
type keys struct {
	payer, treasury *ecdsa.PrivateKey
	partners        [2]*ecdsa.PrivateKey // who owns the Safe together with the payer
	saver           *ecdsa.PrivateKey    // has tokens and no native coins
	bundler         *ecdsa.PrivateKey    // sends operations
	sponsor         *ecdsa.PrivateKey    // whose word the paymaster takes; it owns nothing
}

// all lists the keys with their names in the file.
func (k *keys) all() []namedKey {
	return []namedKey{
		{"payer", &k.payer}, {"treasury", &k.treasury}, {"partner2", &k.partners[0]}, {"partner3", &k.partners[1]},
		{"saver", &k.saver}, {"bundler", &k.bundler}, {"sponsor", &k.sponsor},
	}
}

type namedKey struct {
	name string
	key  **ecdsa.PrivateKey
}

// openKeys returns the keys kept in dir, or new random ones, which it keeps unless dir is empty.
func openKeys(dir string) (keys, error) {
	if dir == "" {
		return newKeys()
	}
	file := filepath.Join(dir, keysName)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return keepNewKeys(dir, file)
	}
	if err != nil {
		return keys{}, fmt.Errorf("reading the sandbox keys: %w", err)
	}
	var in map[string]string
	if err := json.Unmarshal(text, &in); err != nil {
		return keys{}, fmt.Errorf("reading %s: %w", file, err)
	}
	var out keys
	fresh := false
	for _, k := range out.all() {
		if in[k.name] == "" && k.name != "payer" && k.name != "treasury" { // the file is older than what the key is for
			*k.key, err = crypto.GenerateKey()
			fresh = true
		} else {
			*k.key, err = parseKey(in[k.name])
		}
		if err != nil {
			return keys{}, fmt.Errorf("the key %q in %s: %w", k.name, file, err)
		}
	}
	if fresh {
		return out, keepKeys(out, dir, file)
	}
	return out, nil
}

func newKeys() (keys, error) {
	var out keys
	for _, k := range out.all() {
		var err error
		if *k.key, err = crypto.GenerateKey(); err != nil {
			return keys{}, fmt.Errorf("generating a key: %w", err)
		}
	}
	return out, nil
}

func keepNewKeys(dir, file string) (keys, error) {
	k, err := newKeys()
	if err != nil {
		return keys{}, err
	}
	return k, keepKeys(k, dir, file)
}

func keepKeys(k keys, dir, file string) error {
	out := map[string]string{}
	for _, one := range k.all() {
		out[one.name] = formatKey(*one.key)
	}
	text, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("encoding the sandbox keys: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the sandbox's directory: %w", err)
	}
	// Under its name only when complete: half a file would lock the chains away.
	part := file + ".part"
	if err := os.WriteFile(part, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("keeping the sandbox keys: %w", err)
	}
	if err := os.Rename(part, file); err != nil {
		return fmt.Errorf("keeping the sandbox keys: %w", err)
	}
	return nil
}

func formatKey(k *ecdsa.PrivateKey) string { return hex.EncodeToString(crypto.FromECDSA(k)) }

// parseKey does not pass on the decoder's error, which may quote the key.
func parseKey(text string) (*ecdsa.PrivateKey, error) {
	k, err := crypto.HexToECDSA(text)
	if err != nil {
		return nil, errors.New("not a private key in hexadecimal")
	}
	return k, nil
}

// owners are the keys of the Safe's owners, the payer's first.
func (k keys) owners() []*ecdsa.PrivateKey {
	return []*ecdsa.PrivateKey{k.payer, k.partners[0], k.partners[1]}
}
