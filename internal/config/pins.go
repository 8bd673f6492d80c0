package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"
)

// Pins are code hashes by network and contract name.
type Pins map[string]map[string]string

// pinsHeader tells a reader what the file is.
const pinsHeader = "# Code hashes of the official contracts, read from two independent endpoints by `quittance doctor --pin`.\n" +
	"# A hash that changes stops new payments on its chain. Review changes before you keep them.\n"

// PinsPath is the pins file that belongs to a configuration file.
func PinsPath(configPath string) string {
	return filepath.Join(filepath.Dir(configPath), "pins.yaml")
}

// WritePins replaces a pins file.
func WritePins(path string, pins Pins) error {
	b, err := yaml.Marshal(pins)
	if err != nil {
		return fmt.Errorf("encode pins: %w", err)
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, append([]byte(pinsHeader), b...), 0o644); err != nil {
		return fmt.Errorf("write pins: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("replace pins: %w", err)
	}
	return nil
}

// readPins merges a pins file into the chains. A file that is not there pins
// nothing; one that contradicts the configuration is an error.
func (c *Config) readPins(path string) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read pins: %w", err)
	}
	var pins Pins
	if err := yaml.Unmarshal(b, &pins); err != nil {
		return fmt.Errorf("pins file %s: %w", path, err)
	}
	for network, hashes := range pins {
		ch, ok := c.Chains[network]
		if !ok {
			continue // pinned once, not configured now
		}
		if ch.Pins == nil {
			ch.Pins = map[string]string{}
		}
		for name, hash := range hashes {
			if own, ok := ch.Pins[name]; ok && own != hash {
				return fmt.Errorf("pins file %s contradicts chains.%s.pins.%s", path, network, name)
			}
			ch.Pins[name] = hash
		}
		c.Chains[network] = ch
	}
	return nil
}
