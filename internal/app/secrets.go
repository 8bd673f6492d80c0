package app

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"quittance/internal/config"
	"quittance/internal/seal"
	"quittance/web"
)

// secrets derives the keys for sealing and for cookies from the operator's.
func secrets(keys [][]byte) (*seal.Box, *web.Sessions, error) {
	var sealing, cookies [][]byte
	for _, k := range keys {
		s, err := hkdf.Key(sha256.New, k, nil, "quittance seal v1", 32)
		if err != nil {
			return nil, nil, fmt.Errorf("derive sealing key: %w", err)
		}
		c, err := hkdf.Key(sha256.New, k, nil, "quittance session v1", 64)
		if err != nil {
			return nil, nil, fmt.Errorf("derive session key: %w", err)
		}
		sealing, cookies = append(sealing, s), append(cookies, c)
	}
	box, err := seal.New(sealing...)
	if err != nil {
		return nil, nil, fmt.Errorf("sealing keys: %w", err)
	}
	sessions, err := web.NewSessions(cookies)
	return box, sessions, err
}

// Box opens what a configuration's keys have sealed.
func Box(cfg *config.Config) (*seal.Box, error) {
	box, _, err := secrets(cfg.RawKeys())
	return box, err
}

// walletHashing derives the key under which wallets are hashed in what pages report.
func walletHashing(keys [][]byte) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, keys[0], nil, "quittance wallet hash v1", 32)
	if err != nil {
		return nil, fmt.Errorf("derive key for wallet hashes: %w", err)
	}
	return key, nil
}
