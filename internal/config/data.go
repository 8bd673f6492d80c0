package config

import (
	"errors"
	"fmt"
	"time"
)

// Data says for how long what is over stays where it is.
type Data struct {
	// ArchiveAfter is how long nothing has happened to a closed payment before it is moved
	// out of the way of new ones. It reads as before. Default 2160h; never for never.
	ArchiveAfter Age `yaml:"archive_after"`
	// KeepMessages is how long webhooks that arrived or were given up, and the feed, are
	// kept. Default 9600h; never for ever.
	KeepMessages Age `yaml:"keep_messages"`
}

// Age is a duration, or never.
type Age Duration

// Never is no age at all.
const Never = Age(-1)

const never = "never"

// UnmarshalYAML implements yaml.BytesUnmarshaler.
func (a *Age) UnmarshalYAML(b []byte) error {
	if string(b) == never {
		*a = Never
		return nil
	}
	var d Duration
	if err := d.UnmarshalYAML(b); err != nil {
		return fmt.Errorf("%w, or never", err)
	}
	*a = Age(d)
	return nil
}

// String writes the age.
func (a Age) String() string {
	if a == Never {
		return never
	}
	return Duration(a).String()
}

func (d *Data) defaults() {
	if d.ArchiveAfter == 0 {
		d.ArchiveAfter = Age(90 * 24 * time.Hour)
	}
	if d.KeepMessages == 0 {
		d.KeepMessages = Age(400 * 24 * time.Hour)
	}
}

func (d *Data) validate() (errs []error) {
	const least = Age(24 * time.Hour)
	if d.ArchiveAfter != Never && d.ArchiveAfter < least {
		errs = append(errs, errors.New("data.archive_after: must be at least 24h, or never"))
	}
	// Receivers that are down for a while are sent what they missed from what is kept.
	if d.KeepMessages != Never && d.KeepMessages < 30*least {
		errs = append(errs, errors.New("data.keep_messages: must be at least 720h, or never"))
	}
	return errs
}

func (d *Data) environment(getenv func(string) string) error {
	for name, to := range map[string]*Age{"DATA_ARCHIVE_AFTER": &d.ArchiveAfter, "DATA_KEEP_MESSAGES": &d.KeepMessages} {
		if v := getenv(prefix + name); v != "" {
			if err := to.UnmarshalYAML([]byte(v)); err != nil {
				return fmt.Errorf("%s%s: %w", prefix, name, err)
			}
		}
	}
	return nil
}

func (d *Data) print(lines map[string]any) {
	lines["data.archive_after"], lines["data.keep_messages"] = d.ArchiveAfter, d.KeepMessages
}
