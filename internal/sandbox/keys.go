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
}

type keysFile struct {
	Payer    string `json:"payer"`
	Treasury string `json:"treasury"`
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
	var in keysFile
	if err := json.Unmarshal(text, &in); err != nil {
		return keys{}, fmt.Errorf("reading %s: %w", file, err)
	}
	var out keys
	if out.payer, err = parseKey(in.Payer); err != nil {
		return keys{}, fmt.Errorf("the payer's key in %s: %w", file, err)
	}
	if out.treasury, err = parseKey(in.Treasury); err != nil {
		return keys{}, fmt.Errorf("the treasury's key in %s: %w", file, err)
	}
	return out, nil
}

func newKeys() (keys, error) {
	payer, err := crypto.GenerateKey()
	if err != nil {
		return keys{}, fmt.Errorf("generating a key: %w", err)
	}
	treasury, err := crypto.GenerateKey()
	if err != nil {
		return keys{}, fmt.Errorf("generating a key: %w", err)
	}
	return keys{payer, treasury}, nil
}

func keepNewKeys(dir, file string) (keys, error) {
	k, err := newKeys()
	if err != nil {
		return keys{}, err
	}
	text, err := json.Marshal(keysFile{formatKey(k.payer), formatKey(k.treasury)})
	if err != nil {
		return keys{}, fmt.Errorf("encoding the sandbox keys: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return keys{}, fmt.Errorf("making the sandbox's directory: %w", err)
	}
	// Under its name only when complete: half a file would lock the chains away.
	part := file + ".part"
	if err := os.WriteFile(part, append(text, '\n'), 0o600); err != nil {
		return keys{}, fmt.Errorf("keeping the sandbox keys: %w", err)
	}
	if err := os.Rename(part, file); err != nil {
		return keys{}, fmt.Errorf("keeping the sandbox keys: %w", err)
	}
	return k, nil
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
